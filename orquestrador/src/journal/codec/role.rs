//! What a node keeps beside its journal.

use common::proto;
use orquestrador_core::ids::{ClusterId, ViewNumber};
use orquestrador_core::role::{Acceptor, Durable};

use super::{CodecError, ballot_from_proto, ballot_to_proto, view_from_proto, view_to_proto};

pub fn role_to_proto(role: &Durable) -> proto::RoleState {
    let accepted = role.acceptor.accepted.as_ref();
    proto::RoleState {
        cluster_id: role.cluster.map(|c| c.to_bytes().to_vec()).unwrap_or_default(),
        newest_view: role.newest.as_ref().map(view_to_proto),
        register_view: role.acceptor.view.0,
        promised: role.acceptor.promised.map(ballot_to_proto),
        accepted_ballot: accepted.map(|(ballot, _)| ballot_to_proto(*ballot)),
        accepted_view: accepted.map(|(_, view)| view_to_proto(view)),
    }
}

pub fn role_from_proto(role: proto::RoleState) -> Result<Durable, CodecError> {
    let cluster = if role.cluster_id.is_empty() {
        None
    } else {
        Some(ClusterId::from_bytes(&role.cluster_id).ok_or(CodecError::Length("cluster_id"))?)
    };
    let accepted = match (role.accepted_ballot, role.accepted_view) {
        (None, None) => None,
        (Some(ballot), Some(view)) => Some((ballot_from_proto(ballot)?, view_from_proto(view)?)),
        (Some(_), None) => return Err(CodecError::Missing("accepted_view")),
        (None, Some(_)) => return Err(CodecError::Missing("accepted_ballot")),
    };
    Ok(Durable {
        cluster,
        newest: role.newest_view.map(view_from_proto).transpose()?,
        acceptor: Acceptor {
            view: ViewNumber(role.register_view),
            promised: role.promised.map(ballot_from_proto).transpose()?,
            accepted,
        },
    })
}
