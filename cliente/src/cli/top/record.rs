//! What this screen has seen while it was open: figures over time, and changes of principal. It outlives failovers.

use std::collections::VecDeque;

use common::proto::{Activity, GetClusterResponse, LatencyBucket, NodeStatus};

/// Figures are of what happened in so long.
const WINDOW_MS: u64 = 5_000;
/// Samples that are kept: what the widest chart shows.
const SAMPLES: usize = 512;
/// Changes that are kept.
const CHANGES: usize = 100;

/// What one look gave.
#[derive(Clone, Debug)]
pub struct Sample {
    at_ms: u64,
    node_id: String,
    address: String,
    activity: Activity,
    pub running: u64,
    pub waiting: u64,
    /// Tasks finished in a second.
    pub rate: Option<f64>,
    /// Milliseconds that this part of the commits took at most.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// Another node answered as principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at_ms: u64,
    pub from: String,
    pub to: String,
    pub epoch: u64,
    /// Between the last answer of the one and the first of the other.
    pub silent_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Record {
    pub samples: VecDeque<Sample>,
    /// The oldest first.
    pub changes: VecDeque<Change>,
}

/// The node that answered.
pub fn answering(cluster: &GetClusterResponse) -> Option<&NodeStatus> {
    cluster.nodes.iter().find(|node| node.answering)
}

/// Of the tasks in this state.
pub fn count(cluster: &GetClusterResponse, state: &str) -> u64 {
    cluster.task_counts.iter().find(|count| count.state == state).map_or(0, |count| count.count)
}

impl Record {
    /// When a principal answered last.
    pub fn last_ms(&self) -> Option<u64> {
        self.samples.back().map(|sample| sample.at_ms)
    }

    /// Takes note of an answer of a principal.
    pub fn note(&mut self, cluster: &GetClusterResponse, now_ms: u64) {
        let Some(node) = answering(cluster) else { return };
        if let Some(last) = self.samples.back().filter(|last| last.node_id != node.node_id) {
            self.changes.push_back(Change {
                at_ms: now_ms,
                from: last.address.clone(),
                to: node.address.clone(),
                epoch: cluster.epoch,
                silent_ms: now_ms.saturating_sub(last.at_ms),
            });
        }
        let mut sample = Sample {
            at_ms: now_ms,
            node_id: node.node_id.clone(),
            address: node.address.clone(),
            activity: cluster.activity.clone().unwrap_or_default(),
            running: count(cluster, "RUNNING"),
            waiting: count(cluster, "QUEUED"),
            rate: None,
            p50: None,
            p99: None,
        };
        let recent = |before: &&Sample| before.at_ms + WINDOW_MS >= now_ms;
        // What is finished is replicated, so it goes on at another node; what it measures is its own.
        if let Some(before) = self.samples.iter().find(recent).or(self.samples.back()) {
            sample.rate = rate(before, &sample);
        }
        let is_own = |before: &&Sample| before.node_id == node.node_id;
        if let Some(before) = self.samples.iter().filter(is_own).find(recent) {
            let grown = grown(&before.activity.commits, &sample.activity.commits);
            (sample.p50, sample.p99) = (quantile(&grown, 0.5), quantile(&grown, 0.99));
        }
        self.samples.push_back(sample);
        self.samples.drain(..self.samples.len().saturating_sub(SAMPLES));
        self.changes.drain(..self.changes.len().saturating_sub(CHANGES));
    }
}

fn rate(before: &Sample, after: &Sample) -> Option<f64> {
    let ms = after.at_ms.saturating_sub(before.at_ms);
    let finished = after.activity.finished_total.saturating_sub(before.activity.finished_total);
    (ms > 0).then(|| finished as f64 * 1e3 / ms as f64)
}

/// Bounds, and how many came between two looks up to each of them.
fn grown(before: &[LatencyBucket], after: &[LatencyBucket]) -> Vec<(f64, u64)> {
    let counts = before.iter().map(|bucket| bucket.count).chain(std::iter::repeat(0));
    let mut sum = 0;
    let up_to = |(bucket, before): (&LatencyBucket, u64)| {
        sum += bucket.count.saturating_sub(before);
        (bucket.up_to_ms, sum)
    };
    after.iter().zip(counts).map(up_to).collect()
}

/// Within its bucket as if all of them were as far apart. `None` of nothing.
fn quantile(grown: &[(f64, u64)], part: f64) -> Option<f64> {
    let all = grown.last()?.1;
    if all == 0 {
        return None;
    }
    let wanted = part * all as f64;
    let (mut lower, mut below) = (0.0, 0);
    for (bound, count) in grown {
        if *count as f64 >= wanted {
            if bound.is_infinite() {
                return Some(lower);
            }
            let share = (wanted - below as f64) / (count.saturating_sub(below)).max(1) as f64;
            return Some(lower + (bound - lower) * share);
        }
        (lower, below) = (*bound, *count);
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str, finished_total: u64, counts: [u64; 3]) -> GetClusterResponse {
        let bounds = [1.0, 10.0, f64::INFINITY];
        let commits = bounds.into_iter().zip(counts);
        let commits = commits.map(|(up_to_ms, count)| LatencyBucket { up_to_ms, count }).collect();
        let node = NodeStatus {
            node_id: name.into(),
            address: format!("http://{name}"),
            answering: true,
            ..NodeStatus::default()
        };
        GetClusterResponse {
            epoch: if name == "a" { 1 } else { 2 },
            nodes: vec![node],
            activity: Some(Activity { finished_total, witnesses: 1, commits }),
            ..GetClusterResponse::default()
        }
    }

    #[test]
    fn figures_are_of_what_came_between_two_looks() {
        let mut record = Record::default();
        record.note(&principal("a", 100, [50, 0, 0]), 1_000);
        record.note(&principal("a", 120, [50, 100, 0]), 3_000);
        let last = record.samples.back().expect("was noted");
        assert_eq!(last.rate, Some(10.0));
        assert_eq!((last.p50, last.p99), (Some(5.5), Some(9.91)));
        record.note(&principal("a", 120, [50, 100, 0]), 4_000);
        assert_eq!(record.samples.back().expect("was noted").p50, Some(5.5), "of five seconds");
        record.note(&principal("a", 120, [50, 100, 0]), 20_000);
        assert_eq!(record.samples.back().expect("was noted").p50, None, "nothing came");
    }

    #[test]
    fn another_principal_is_a_change_and_the_rate_goes_on() {
        let mut record = Record::default();
        record.note(&principal("a", 100, [9, 0, 0]), 1_000);
        record.note(&principal("b", 104, [0, 0, 7]), 3_000);
        let change = Change {
            at_ms: 3_000,
            from: "http://a".into(),
            to: "http://b".into(),
            epoch: 2,
            silent_ms: 2_000,
        };
        assert_eq!(record.changes, [change]);
        let last = record.samples.back().expect("was noted");
        assert_eq!((last.rate, last.p50), (Some(2.0), None));
        record.note(&principal("b", 104, [0, 0, 9]), 4_000);
        assert_eq!(record.samples.back().expect("was noted").p99, Some(10.0), "longer than all");
    }
}
