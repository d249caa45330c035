//! Watches the standby: when it gives the principal up, and when it serves in its place.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cliente::Client;
use common::endpoint::Endpoint;
use common::proto::{GetClusterResponse, NodeRole};
use tokio::task::JoinHandle;

/// How often it is asked: no figure is finer.
const LOOK: Duration = Duration::from_millis(2);

/// When what was seen first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// It follows no longer.
    pub detected: Option<Instant>,
    /// It is principal of a later epoch.
    pub elected: Option<Instant>,
}

pub struct Watcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// `epoch`: of the principal that meets with an accident.
pub fn start(client: Client, standby: Endpoint, epoch: u64) -> Watcher {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        loop {
            if let Ok(cluster) = client.cluster_at(&standby).await {
                let mut seen = shared.lock().unwrap_or_else(PoisonError::into_inner);
                seen.note(&cluster, epoch, Instant::now());
                if seen.elected.is_some() {
                    return;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    Watcher { seen, task }
}

impl Watcher {
    pub fn stop(self) -> Seen {
        self.task.abort();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn note(&mut self, cluster: &GetClusterResponse, epoch: u64, now: Instant) {
        let own = cluster.nodes.iter().find(|node| node.answering);
        let Some(role) = own.map(|node| node.role()) else { return };
        if role != NodeRole::Standby || cluster.epoch > epoch {
            self.detected.get_or_insert(now);
        }
        // An elected one waits for the commit of its record before it serves.
        let serves = role == NodeRole::Principal && cluster.waiting_for.is_empty();
        if serves && cluster.epoch > epoch {
            self.elected.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use common::proto::NodeStatus;

    use super::*;

    fn answer(role: NodeRole, epoch: u64, waiting_for: &str) -> GetClusterResponse {
        let node = NodeStatus { role: role.into(), answering: true, ..NodeStatus::default() };
        let waiting_for = waiting_for.to_owned();
        GetClusterResponse { epoch, nodes: vec![node], waiting_for, ..Default::default() }
    }

    #[test]
    fn detection_comes_before_election_and_election_before_nothing_else() {
        let (mut seen, begin) = (Seen::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        seen.note(&answer(NodeRole::Standby, 1, ""), 1, at(1));
        assert!(seen.detected.is_none() && seen.elected.is_none());
        seen.note(&answer(NodeRole::Waiting, 1, "OTHER_ORCHESTRATOR"), 1, at(2));
        seen.note(&answer(NodeRole::Principal, 2, "COMMIT"), 1, at(3));
        assert!(seen.elected.is_none(), "it does not serve yet");
        seen.note(&answer(NodeRole::Principal, 2, ""), 1, at(4));
        seen.note(&answer(NodeRole::Principal, 2, ""), 1, at(5));
        assert_eq!((seen.detected, seen.elected), (Some(at(2)), Some(at(4))));
    }

    #[test]
    fn an_election_between_two_looks_was_noticed_no_later() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        seen.note(&answer(NodeRole::Principal, 2, ""), 1, now);
        assert_eq!((seen.detected, seen.elected), (Some(now), Some(now)));
    }
}
