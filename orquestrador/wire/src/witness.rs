//! Between orchestrators and witnesses.

use common::proto;
use common::proto::control_message::Message as Control;
use common::proto::witness_message::Message as Wire;
use orquestrador_core::ids::{ClusterId, ViewNumber};
use orquestrador_core::role::{Ballot, Inquiry, Sender, Testimony, View};

use super::{
    CodecError, ballot_from_proto, ballot_to_proto, node, process, view_from_proto, view_to_proto,
};

/// A signed message to a witness.
pub fn control_to_proto(sender: Sender, message: Control) -> proto::ControlMessage {
    proto::ControlMessage {
        cluster_id: sender.cluster.map(|c| c.to_bytes().to_vec()).unwrap_or_default(),
        node_id: sender.node.to_bytes().to_vec(),
        process_id: sender.process.to_bytes().to_vec(),
        message: Some(message),
    }
}

/// Who signed it.
///
/// # Errors
/// A part is missing or of the wrong length.
pub fn sender_from_proto(message: &proto::ControlMessage) -> Result<Sender, CodecError> {
    let cluster = match message.cluster_id.as_slice() {
        [] => None,
        bytes => Some(ClusterId::from_bytes(bytes).ok_or(CodecError::Length("cluster_id"))?),
    };
    Ok(Sender {
        node: node(&message.node_id, "node_id")?,
        process: process(&message.process_id, "process_id")?,
        cluster,
    })
}

/// What a proposer asks.
pub fn inquiry_to_proto(inquiry: &Inquiry) -> Control {
    match inquiry {
        Inquiry::Prepare { view, ballot } => Control::Prepare(proto::Prepare {
            view: Some(view_to_proto(view)),
            ballot: Some(ballot_to_proto(*ballot)),
        }),
        Inquiry::Accept { view, ballot, proposed } => Control::Accept(proto::Accept {
            view: Some(view_to_proto(view)),
            ballot: Some(ballot_to_proto(*ballot)),
            proposed: Some(view_to_proto(proposed)),
        }),
    }
}

/// `None` for an echo, which asks nothing.
///
/// # Errors
/// A part is missing or not allowed.
pub fn inquiry_from_proto(message: Control) -> Result<Option<Inquiry>, CodecError> {
    Ok(Some(match message {
        Control::Echo(_) => return Ok(None),
        Control::Prepare(m) => Inquiry::Prepare { view: view(m.view)?, ballot: ballot(m.ballot)? },
        Control::Accept(m) => Inquiry::Accept {
            view: view(m.view)?,
            ballot: ballot(m.ballot)?,
            proposed: view(m.proposed)?,
        },
    }))
}

/// What a witness answers.
pub fn testimony_to_proto(testimony: Testimony) -> Wire {
    match testimony {
        Testimony::Promise { view, ballot, accepted } => {
            let (accepted_ballot, accepted_view) = accepted.unzip();
            Wire::Promise(proto::Promise {
                view_number: view.0,
                ballot: Some(ballot_to_proto(ballot)),
                accepted_ballot: accepted_ballot.map(ballot_to_proto),
                accepted_view: accepted_view.as_ref().map(view_to_proto),
            })
        }
        Testimony::Accepted { view, ballot } => Wire::Accepted(proto::Accepted {
            view_number: view.0,
            ballot: Some(ballot_to_proto(ballot)),
        }),
        Testimony::Nack { view, highest_round } => {
            Wire::Nack(proto::Nack { view_number: view.0, highest_round })
        }
        Testimony::Loyal { view } => Wire::Loyal(proto::WitnessLoyal { view_number: view.0 }),
        Testimony::Newest { view } => {
            Wire::Newest(proto::Newest { view: Some(view_to_proto(&view)) })
        }
    }
}

/// `None` for a greeting or a ping, which answer nothing.
///
/// # Errors
/// A part is missing or not allowed.
pub fn testimony_from_proto(message: Wire) -> Result<Option<Testimony>, CodecError> {
    Ok(Some(match message {
        Wire::Hello(_) | Wire::Ping(_) => return Ok(None),
        Wire::Promise(m) => Testimony::Promise {
            view: ViewNumber(m.view_number),
            ballot: ballot(m.ballot)?,
            accepted: match (m.accepted_ballot, m.accepted_view) {
                (None, None) => None,
                (Some(at), Some(value)) => Some((ballot_from_proto(at)?, view_from_proto(value)?)),
                (Some(_), None) => return Err(CodecError::Missing("accepted_view")),
                (None, Some(_)) => return Err(CodecError::Missing("accepted_ballot")),
            },
        },
        Wire::Accepted(m) => {
            Testimony::Accepted { view: ViewNumber(m.view_number), ballot: ballot(m.ballot)? }
        }
        Wire::Nack(m) => {
            Testimony::Nack { view: ViewNumber(m.view_number), highest_round: m.highest_round }
        }
        Wire::Loyal(m) => Testimony::Loyal { view: ViewNumber(m.view_number) },
        Wire::Newest(m) => Testimony::Newest { view: view(m.view)? },
    }))
}

fn view(view: Option<proto::View>) -> Result<View, CodecError> {
    view_from_proto(view.ok_or(CodecError::Missing("view"))?)
}

fn ballot(ballot: Option<proto::Ballot>) -> Result<Ballot, CodecError> {
    ballot_from_proto(ballot.ok_or(CodecError::Missing("ballot"))?)
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::{Epoch, NodeId, ProcessId};
    use orquestrador_core::role::Replica;

    use super::*;

    fn some_view() -> View {
        View {
            number: ViewNumber(4),
            epoch: Epoch(2),
            principal_node: NodeId(1),
            principal_process: ProcessId(11),
            replicas: vec![
                Replica { node: NodeId(1), since: ViewNumber(1) },
                Replica { node: NodeId(2), since: ViewNumber(3) },
            ],
            witnesses: vec![ProcessId(7), ProcessId(8), ProcessId(9)],
            forced: false,
        }
    }

    const BALLOT: Ballot = Ballot { round: 3, process: ProcessId(11) };

    #[test]
    fn every_inquiry_survives_the_wire() {
        let accept = Inquiry::Accept { view: some_view(), ballot: BALLOT, proposed: some_view() };
        for inquiry in [Inquiry::Prepare { view: some_view(), ballot: BALLOT }, accept] {
            assert_eq!(inquiry_from_proto(inquiry_to_proto(&inquiry)), Ok(Some(inquiry)));
        }
    }

    #[test]
    fn every_testimony_survives_the_wire() {
        let view = ViewNumber(4);
        for testimony in [
            Testimony::Promise { view, ballot: BALLOT, accepted: None },
            Testimony::Promise { view, ballot: BALLOT, accepted: Some((BALLOT, some_view())) },
            Testimony::Accepted { view, ballot: BALLOT },
            Testimony::Nack { view, highest_round: 9 },
            Testimony::Loyal { view },
            Testimony::Newest { view: some_view() },
        ] {
            let wire = testimony_to_proto(testimony.clone());
            assert_eq!(testimony_from_proto(wire), Ok(Some(testimony)));
        }
    }

    #[test]
    fn half_a_promise_is_refused() {
        let accepted = Testimony::Promise {
            view: ViewNumber(4),
            ballot: BALLOT,
            accepted: Some((BALLOT, some_view())),
        };
        let Wire::Promise(mut promise) = testimony_to_proto(accepted) else { panic!("a promise") };
        promise.accepted_view = None;
        let read = testimony_from_proto(Wire::Promise(promise));
        assert_eq!(read, Err(CodecError::Missing("accepted_view")));
    }
}
