//! How long tasks waited and ran, by queue and handler.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use orquestrador_core::effect::Timeline;
use orquestrador_core::ids::{HandlerName, QueueName, Timestamp};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{MAX_NAMES, OTHERS};

/// Seconds: from some milliseconds to a day.
const BUCKETS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0,
    7_200.0, 86_400.0,
];

type Labels = [(&'static str, Arc<str>); 2];

#[derive(Clone, Debug)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

type Histograms = Family<Labels, Histogram, Buckets>;

/// Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    waits: Histograms,
    runs: Histograms,
    known: Arc<Mutex<BTreeSet<(QueueName, HandlerName)>>>,
}

impl Default for Latencies {
    fn default() -> Self {
        let histograms = || Histograms::new_with_constructor(Buckets);
        Self { waits: histograms(), runs: histograms(), known: Arc::default() }
    }
}

impl Latencies {
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "task_wait",
            "From the submission of a task that has ended to the start of its last attempt",
            Unit::Seconds,
            self.waits.clone(),
        );
        registry.register_with_unit(
            "task_run",
            "From the start of the last attempt of a task that has ended to its end",
            Unit::Seconds,
            self.runs.clone(),
        );
    }

    /// Tasks of which no attempt began are not counted.
    pub fn observe(&self, timeline: &Timeline) {
        let Some(started_at) = timeline.started_at else { return };
        let labels = self.labels(&timeline.queue, &timeline.handler);
        let seconds = |from: Timestamp, to: Timestamp| to.0.saturating_sub(from.0) as f64 / 1e3;
        let wait = seconds(timeline.submitted_at, started_at);
        self.waits.get_or_create(&labels).observe(wait);
        self.runs.get_or_create(&labels).observe(seconds(started_at, timeline.finished_at));
    }

    fn labels(&self, queue: &QueueName, handler: &HandlerName) -> Labels {
        // A set is whole after each of its changes.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (queue.clone(), handler.clone());
        let is_known = known.contains(&pair) || (known.len() < MAX_NAMES && known.insert(pair));
        match is_known {
            true => [("queue", queue.0.clone()), ("handler", handler.0.clone())],
            false => [("queue", OTHERS.into()), ("handler", OTHERS.into())],
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn ended(queue: &str, handler: &str, times: (u64, Option<u64>, u64)) -> Timeline {
        let (submitted, started, finished) = times;
        Timeline {
            handler: handler.into(),
            queue: queue.into(),
            attempt: orquestrador_core::ids::Attempt(1),
            submitted_at: Timestamp(submitted),
            started_at: started.map(Timestamp),
            worker: None,
            finished_at: Timestamp(finished),
            trace: None,
        }
    }

    fn text(latencies: &Latencies) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        latencies.register(&mut registry);
        encode(&mut text, &registry).expect("a string takes all");
        text
    }

    #[test]
    fn waits_and_runs_are_counted_by_queue_and_handler() {
        let latencies = Latencies::default();
        latencies.observe(&ended("night", "echo", (1_000, Some(3_000), 3_200)));
        latencies.observe(&ended("night", "echo", (1_000, None, 9_000)));
        let text = text(&latencies);
        let labels = r#"{queue="night",handler="echo"}"#;
        assert!(text.contains(&format!("task_wait_seconds_sum{labels} 2.0")), "{text}");
        assert!(text.contains(&format!("task_run_seconds_sum{labels} 0.2")), "{text}");
        assert!(text.contains(&format!("task_run_seconds_count{labels} 1")), "{text}");
    }

    #[test]
    fn names_without_end_are_counted_together() {
        let latencies = Latencies::default();
        for number in 0..MAX_NAMES + 7 {
            latencies.observe(&ended("default", &format!("h{number}"), (0, Some(1), 2)));
        }
        let text = text(&latencies);
        let count = r#"task_run_seconds_count{queue="others",handler="others"} 7"#;
        assert!(text.contains(count), "{text}");
        assert_eq!(text.matches("task_run_seconds_count").count(), MAX_NAMES + 1);
    }
}
