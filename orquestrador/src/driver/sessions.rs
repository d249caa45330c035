//! The open streams of workers: what the driver has to tell each, batched per release.

use std::collections::BTreeMap;

use common::proto::orchestrator_message::Message;
use common::proto::{
    Assignment as WireAssignment, Assignments, AttemptRef as WireAttempt, CancelAttempts,
    OrchestratorMessage, OutcomesAcknowledged,
};
use orquestrador_core::command::AttemptRef;
use orquestrador_core::effect::Assignment;
use orquestrador_core::ids::{Epoch, SessionId};
use tokio::sync::mpsc;
use tonic::Status;

use crate::api::convert;

/// Payload bytes in one message, unless a single one is longer.
const MESSAGE_BYTES: usize = 4 << 20;
/// An assignment without its payload takes at most so much.
const ASSIGNMENT_BYTES: usize = 256;

/// Where the messages of one session go.
pub type Outbox = mpsc::Sender<Result<OrchestratorMessage, Status>>;

/// All open sessions of this node.
#[derive(Default)]
pub struct Sessions {
    open: BTreeMap<SessionId, Session>,
    dirty: Vec<SessionId>,
}

struct Session {
    outbox: Outbox,
    assignments: Assignments,
    acknowledged: OutcomesAcknowledged,
    cancel: CancelAttempts,
    /// So many assignments and acknowledgements were sent last: to grow moves all that is there.
    usual: (usize, usize),
    is_dirty: bool,
}

impl Sessions {
    pub fn open(&mut self, id: SessionId, outbox: Outbox) {
        self.open.insert(
            id,
            Session {
                outbox,
                assignments: Assignments::default(),
                acknowledged: OutcomesAcknowledged::default(),
                cancel: CancelAttempts::default(),
                usual: (0, 0),
                is_dirty: false,
            },
        );
    }

    /// `traceparent`: the span of the attempt; empty: none.
    pub fn assign(&mut self, id: SessionId, assignment: Assignment, traceparent: String) {
        self.with(id, |session| {
            let assignments = &mut session.assignments.assignments;
            if assignments.is_empty() {
                assignments.reserve(session.usual.0);
            }
            assignments.push(convert::assignment(assignment, traceparent));
        });
    }

    pub fn acknowledge(&mut self, id: SessionId, attempt: AttemptRef) {
        self.with(id, |session| {
            let attempts = &mut session.acknowledged.attempts;
            if attempts.is_empty() {
                attempts.reserve(session.usual.1);
            }
            attempts.push(attempt_ref(attempt));
        });
    }

    pub fn cancel(&mut self, id: SessionId, attempt: AttemptRef) {
        self.with(id, |session| session.cancel.attempts.push(attempt_ref(attempt)));
    }

    fn with(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) {
        let Some(session) = self.open.get_mut(&id) else { return };
        change(session);
        if !session.is_dirty {
            session.is_dirty = true;
            self.dirty.push(id);
        }
    }

    /// Sends one message at once, before anything that is being batched.
    pub fn send(&mut self, id: SessionId, epoch: Epoch, message: Message) {
        if let Some(session) = self.open.get(&id)
            && !deliver(session, epoch, message)
        {
            self.open.remove(&id);
        }
    }

    /// Tells every worker.
    pub fn send_all(&mut self, epoch: Epoch, message: &Message) {
        self.open.retain(|_, session| deliver(session, epoch, message.clone()));
    }

    /// Sends what has come together. A worker that does not read is cut off: it comes back, and what it
    /// missed is delivered again.
    pub fn flush(&mut self, epoch: Epoch) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(session) = self.open.get_mut(&id) else { continue };
            session.is_dirty = false;
            let acknowledged = std::mem::take(&mut session.acknowledged);
            let cancel = std::mem::take(&mut session.cancel);
            let assignments = std::mem::take(&mut session.assignments);
            session.usual = (assignments.assignments.len(), acknowledged.attempts.len());
            let mut parts = in_parts(assignments.assignments).into_iter();
            let sent = (acknowledged.attempts.is_empty()
                || deliver(session, epoch, Message::Acknowledged(acknowledged)))
                && (cancel.attempts.is_empty() || deliver(session, epoch, Message::Cancel(cancel)))
                && parts.all(|part| deliver(session, epoch, Message::Assignments(part)));
            if !sent {
                self.open.remove(&id);
            }
        }
    }

    /// The worker ended its part of the stream: this one ends, too.
    pub fn forget(&mut self, id: SessionId) {
        self.open.remove(&id);
    }

    /// Ends one stream with a reason.
    pub fn close(&mut self, id: SessionId, reason: Status) {
        if let Some(session) = self.open.remove(&id)
            && session.outbox.try_send(Err(reason)).is_err()
        {
            tracing::debug!(session = id.0, "a worker left before it could be told");
        }
    }

    /// The office ended: every worker goes to the other node.
    pub fn close_all(&mut self, reason: &Status) {
        for id in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(id, reason.clone());
        }
        self.dirty.clear();
    }
}

/// In messages that are not too large for the stream.
fn in_parts(assignments: Vec<WireAssignment>) -> Vec<Assignments> {
    let length = |assignment: &WireAssignment| ASSIGNMENT_BYTES + assignment.payload.len();
    if !assignments.is_empty() && assignments.iter().map(length).sum::<usize>() <= MESSAGE_BYTES {
        return vec![Assignments { assignments }];
    }
    let (mut parts, mut bytes) = (Vec::<Assignments>::new(), 0);
    for assignment in assignments {
        let length = length(&assignment);
        match parts.last_mut().filter(|_| bytes + length <= MESSAGE_BYTES) {
            Some(part) => part.assignments.push(assignment),
            None => {
                bytes = 0;
                parts.push(Assignments { assignments: vec![assignment] });
            }
        }
        bytes += length;
    }
    parts
}

fn deliver(session: &Session, epoch: Epoch, message: Message) -> bool {
    session
        .outbox
        .try_send(Ok(OrchestratorMessage { epoch: epoch.0, message: Some(message) }))
        .is_ok()
}

fn attempt_ref(attempt: AttemptRef) -> WireAttempt {
    WireAttempt { task_id: attempt.task.to_string(), attempt: attempt.attempt.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_no_more_than_the_stream_takes() {
        let lengths = [3 << 20, 1 << 20, 10, 4 << 20, 10];
        let assignments = lengths.map(|length| WireAssignment {
            payload: vec![0; length].into(),
            ..WireAssignment::default()
        });
        let parts = in_parts(assignments.to_vec());
        let counts: Vec<_> = parts.iter().map(|part| part.assignments.len()).collect();
        assert_eq!(counts, [1, 2, 1, 1]);
        assert!(in_parts(Vec::new()).is_empty());
    }
}
