//! The figures of a node in the OpenMetrics text format, as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use orquestrador_core::effect::TaskState;
use orquestrador_core::figures::HandlerFigures;
use orquestrador_core::role::{Failover, Standing};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::health::word;
use crate::driver::input::{Figures, Input};
use crate::meters::{MAX_NAMES, OTHERS, state_word};

const PREFIX: &str = "mutirao";
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const STANDINGS: [Standing; 6] = [
    Standing::Unfounded,
    Standing::Learner,
    Standing::Standby,
    Standing::Waiting,
    Standing::Elected,
    Standing::Principal,
];

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<u64, AtomicU64>>;

pub async fn all(State(state): State<super::State>) -> Response {
    let figures = match state.driver.ask(|reply| Input::Figures { reply }).await {
        Ok(figures) => figures,
        Err(status) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", status.message()))
                .into_response();
        }
    };
    let mut registry = Registry::with_prefix(PREFIX);
    let build = Info::new(vec![
        ("version", env!("CARGO_PKG_VERSION")),
        ("commit", common::version::COMMIT),
    ]);
    registry.register("build", "The program", build);
    of_node(&figures, &mut registry);
    of_tasks(&figures, &mut registry);
    let (blobs, bytes) = state.blobs.size();
    gauge(&mut registry, "blobs", "Files of tasks, and long contents, on this node", blobs as u64);
    gauge(&mut registry, "blob_bytes", "Their bytes", bytes);
    of_disk(&state, &mut registry).await;
    let open = state.connections.open();
    gauge(&mut registry, "connections", "Connections that are open at the node's port", open);
    registry.register(
        "connections_refused",
        "Connections that were closed at once, because there was no room for them",
        ConstCounter::new(state.connections.refused()),
    );
    of_certificates(&state, &mut registry);
    state.meters.register(&mut registry);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// In a thread that may wait: a file system can hang.
async fn of_disk(state: &super::State, registry: &mut Registry) {
    let blobs = state.blobs.clone();
    match tokio::task::spawn_blocking(move || blobs.disk()).await.map_err(std::io::Error::other) {
        Ok(Ok((free, all))) => {
            gauge(registry, "disk_free_bytes", "Free where the data directory is", free);
            gauge(registry, "disk_bytes", "The size of that file system", all);
        }
        Ok(Err(error)) | Err(error) => tracing::debug!(%error, "the disk tells nothing of itself"),
    }
}

/// None of a node that speaks no TLS.
fn of_certificates(state: &super::State, registry: &mut Registry) {
    let (own, authority) = state.tls.ends();
    let ends = [("own", own), ("authority", authority)].into_iter().filter_map(|(which, end)| {
        let seconds = u64::try_from(end?.unix_timestamp()).ok()?;
        Some((vec![("certificate", which.to_owned())], seconds))
    });
    let ends: Vec<_> = ends.collect();
    if !ends.is_empty() {
        let help = "When the certificate is over, in seconds since 1970";
        gauges(registry, "certificate_expiry_seconds", help, ends);
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(value));
}

fn gauges(registry: &mut Registry, name: &str, help: &str, values: Vec<(Labels, u64)>) {
    let family = Gauges::default();
    for (labels, value) in values {
        // Something may bear the name that stands for others.
        family.get_or_create(&labels).inc_by(value);
    }
    registry.register(name, help, family);
}

fn of_node(figures: &Figures, registry: &mut Registry) {
    let node = &figures.node;
    let standings = STANDINGS.map(|standing| {
        (vec![("standing", word(standing).to_owned())], u64::from(standing == node.standing))
    });
    gauges(registry, "standing", "1 for what this node is", standings.into());
    gauge(registry, "epoch", "The fencing number of the newest view", node.epoch.0);
    // Where etcd keeps the log there are neither.
    if node.members.is_none() {
        of_pair(figures, registry);
    }
    let is_possible = matches!(
        figures.failover,
        Failover::ByWitnesses | Failover::ByRefusedPort | Failover::ByEngine
    );
    gauge(
        registry,
        "failover_possible",
        "Whether another orchestrator goes on if one dies now",
        is_possible.into(),
    );
    gauge(registry, "journal_last_index", "The last entry of the journal", node.last_index.0);
    gauge(registry, "journal_committed_index", "Committed up to there", figures.committed.0);
    let waiting = figures.uncommitted as u64;
    gauge(registry, "turns_uncommitted", "Turns that wait for their commit", waiting);
}

/// The other orchestrator, and the witnesses.
fn of_pair(figures: &Figures, registry: &mut Registry) {
    let node = &figures.node;
    let view = node.view.as_ref();
    let replicas = view.map_or(0, |view| view.replicas.len());
    gauge(registry, "view_replicas", "Orchestrators that keep the journal", replicas as u64);
    let witnesses = view.map_or(0, |view| view.witnesses.len());
    gauge(registry, "view_witnesses", "Workers that decide with them", witnesses as u64);
    let heard = figures.witnesses_heard as u64;
    gauge(registry, "witnesses_heard", "Those of them that this node hears", heard);
    let is_linked = u64::from(node.peer.is_some());
    gauge(registry, "peer_linked", "Whether the other orchestrator is linked", is_linked);
    if let Some(acknowledged) = node.peer.as_ref().and_then(|peer| peer.acknowledged) {
        let lag = node.last_index.0.saturating_sub(acknowledged.0);
        gauge(registry, "replication_lag_entries", "Entries that the other one lacks", lag);
    }
}

fn by_state(counts: [u64; 6]) -> impl Iterator<Item = ((&'static str, String), u64)> {
    let states = TaskState::ALL.map(|state| ("state", state_word(state).to_owned()));
    states.into_iter().zip(counts)
}

/// Of the first ones alone, and of all others together.
fn of_handlers(handlers: &[HandlerFigures]) -> Vec<(Labels, u64)> {
    let (told, others) = handlers.split_at(handlers.len().min(MAX_NAMES));
    let sum = others.iter().fold([0_u64; 6], |sum, handler| {
        std::array::from_fn(|state| sum[state] + handler.counts[state])
    });
    let told = told.iter().map(|handler| (handler.handler.0.as_ref(), handler.counts));
    let others = (!others.is_empty()).then_some((OTHERS, sum));
    let labelled = told.chain(others).flat_map(|(name, counts)| {
        by_state(counts)
            .map(move |(state, count)| (vec![("handler", name.to_owned()), state], count))
    });
    labelled.collect()
}

fn of_tasks(figures: &Figures, registry: &mut Registry) {
    let machine = &figures.machine;
    gauges(
        registry,
        "tasks",
        "Tasks by state, finished ones until they are forgotten",
        by_state(machine.counts).map(|(state, count)| (vec![state], count)).collect(),
    );
    gauges(registry, "handler_tasks", "The same by handler", of_handlers(&machine.handlers));
    let finished = ConstCounter::new(machine.finished_ever);
    registry.register(
        "tasks_finished",
        "Tasks that have finished, forgotten ones included",
        finished,
    );
    let label =
        |queue: &str, state: &str| vec![("queue", queue.to_owned()), ("state", state.to_owned())];
    let queues = machine.queues.iter().flat_map(|queue| {
        let name = queue.queue.0.as_ref();
        [(label(name, "queued"), queue.queued), (label(name, "running"), queue.running)]
    });
    gauges(registry, "queue_tasks", "Tasks that wait and run, by queue", queues.collect());
    let paused = machine
        .queues
        .iter()
        .map(|queue| (vec![("queue", queue.queue.0.to_string())], u64::from(queue.paused)));
    let ages = machine.queues.iter().map(|queue| {
        let age = queue.oldest.map_or(0, |at| figures.now.0.saturating_sub(at.0)) / 1_000;
        (vec![("queue", queue.queue.0.to_string())], age)
    });
    gauges(
        registry,
        "queue_oldest_seconds",
        "Since the submission of the task that has waited for a worker longest; 0: none waits",
        ages.collect(),
    );
    gauges(registry, "queue_paused", "Whether the queue is paused", paused.collect());
    gauge(registry, "payload_bytes", "Payload bytes of unfinished tasks", machine.active_bytes);
    gauge(registry, "result_bytes", "Bytes that finished tasks hold", machine.finished_bytes);
    // Only a principal has workers of its own.
    if figures.node.standing == Standing::Principal {
        let workers = machine.workers;
        gauge(registry, "workers", "Workers that are connected", workers.connected);
        gauge(registry, "workers_draining", "Those that take no more work", workers.draining);
        gauge(registry, "worker_slots", "Their slots", workers.slots);
        gauge(registry, "worker_slots_busy", "Slots in use", workers.busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_without_end_are_counted_together() {
        let figures = |number| HandlerFigures {
            handler: format!("h{number}").as_str().into(),
            counts: [0, 2, 0, 1, 0, 0],
        };
        let handlers: Vec<_> = (0..MAX_NAMES + 7).map(figures).collect();
        let told = of_handlers(&handlers);
        assert_eq!(told.len(), (MAX_NAMES + 1) * 6);
        let value = |handler: &str, state: &str| {
            let labels = vec![("handler", handler.to_owned()), ("state", state.to_owned())];
            told.iter().find(|(of, _)| *of == labels).map(|(_, value)| *value)
        };
        let [_, second, _, fourth, ..] = TaskState::ALL.map(state_word);
        assert_eq!((value("h199", second), value("h200", second)), (Some(2), None));
        assert_eq!((value("others", second), value("others", fourth)), (Some(14), Some(7)));
        assert_eq!(of_handlers(&handlers[..3]).len(), 3 * 6);
    }
}
