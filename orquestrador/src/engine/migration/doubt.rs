//! Whether a data directory of a pair certainly has everything that was acknowledged.

use orquestrador_core::ids::{Index, NodeId, ViewNumber};
use orquestrador_core::role::{Durable, View};

/// Why that is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is no replica of the newest view that it knows, or has yet to receive what came before it.
    Incomplete { view: ViewNumber },
    /// Another node is one too, and may have gone on without this one.
    OtherUnheard { other: NodeId },
    /// It has: its newest view is a later one.
    OtherIsAhead { view: ViewNumber },
    /// What was shown as that node's role is of another cluster, or of none.
    NotOfTheOther,
}

/// `records`: the views of which the journal has, or had, the record. `other`: the role of the other replica.
///
/// A replica of a view has fsynced whatever was committed in it, if it has the record of a view since it is one (V5). A
/// later view needs a word of a replica of this one (V3): of this node, which would know, or of the other one.
pub fn doubt(
    node: NodeId,
    role: &Durable,
    records: &[(ViewNumber, Index)],
    other: Option<&Durable>,
) -> Option<Doubt> {
    let Some(view) = &role.newest else {
        return Some(Doubt::Incomplete { view: ViewNumber(0) });
    };
    let incomplete = Some(Doubt::Incomplete { view: view.number });
    let Some(own) = view.replica(node) else { return incomplete };
    let replica = view.other(node)?;
    if !records.iter().any(|(number, _)| (own.since..=view.number).contains(number)) {
        return incomplete;
    }
    let Some(other) = other else { return Some(Doubt::OtherUnheard { other: replica.node }) };
    match &other.newest {
        _ if other.cluster != role.cluster => Some(Doubt::NotOfTheOther),
        None => Some(Doubt::NotOfTheOther),
        Some(View { number, .. }) if *number > view.number => {
            Some(Doubt::OtherIsAhead { view: *number })
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::{ClusterId, Epoch, ProcessId};
    use orquestrador_core::role::{Acceptor, Replica};

    use super::*;

    const ME: NodeId = NodeId(1);
    const OTHER: NodeId = NodeId(2);
    const RECORDED: [(ViewNumber, Index); 1] = [(ViewNumber(4), Index(9))];

    fn role(number: u64, replicas: &[NodeId]) -> Durable {
        let replica = |node: &NodeId| Replica { node: *node, since: ViewNumber(3) };
        let newest = View {
            number: ViewNumber(number),
            epoch: Epoch(2),
            principal_node: ME,
            principal_process: ProcessId(7),
            replicas: replicas.iter().map(replica).collect(),
            witnesses: Vec::new(),
            forced: false,
        };
        let cluster = Some(ClusterId(5));
        Durable { cluster, newest: Some(newest), acceptor: Acceptor::default() }
    }

    #[test]
    fn the_only_replica_has_everything() {
        assert_eq!(doubt(ME, &role(5, &[ME]), &[], None), None);
    }

    #[test]
    fn who_is_no_replica_or_has_not_caught_up_may_lack_anything() {
        let incomplete = Some(Doubt::Incomplete { view: ViewNumber(5) });
        assert_eq!(doubt(ME, &role(5, &[OTHER]), &RECORDED, None), incomplete);
        let early = [(ViewNumber(2), Index(9))];
        assert_eq!(doubt(ME, &role(5, &[ME, OTHER]), &early, None), incomplete);
        let unknown = Durable { newest: None, ..role(5, &[ME]) };
        assert!(doubt(ME, &unknown, &RECORDED, None).is_some());
    }

    #[test]
    fn one_of_two_needs_to_know_of_the_other() {
        let mine = role(5, &[ME, OTHER]);
        let ask = |other: Option<&Durable>| doubt(ME, &mine, &RECORDED, other);
        assert_eq!(ask(None), Some(Doubt::OtherUnheard { other: OTHER }));
        assert_eq!(ask(Some(&role(5, &[ME, OTHER]))), None);
        assert_eq!(ask(Some(&role(4, &[ME]))), None);
        let ahead = Some(Doubt::OtherIsAhead { view: ViewNumber(6) });
        assert_eq!(ask(Some(&role(6, &[OTHER]))), ahead);
        let foreign = Durable { cluster: None, ..role(5, &[ME, OTHER]) };
        assert_eq!(ask(Some(&foreign)), Some(Doubt::NotOfTheOther));
    }
}
