//! `cliente cluster drill`: an accident to the principal under a load of our own, what it costs, and
//! whether anything was lost.

use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cliente::{Accident, Client, TaskSpec, Verdict};
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::operator::{DrillKind, OperatorMessage};
use futures::StreamExt as _;
use serde_json::json;

use super::super::super::Context;
use super::super::super::args;
use super::super::super::failure::Failure;
use super::super::super::output;
use super::super::super::terminal::say;

/// How often a standby is asked whether it has become principal.
const LOOK: Duration = Duration::from_millis(10);

/// One acknowledgement.
struct Acknowledged {
    task_id: String,
    at: Instant,
    epoch: u64,
}

/// What the submitters share.
struct Load {
    client: Client,
    submitted: AtomicU64,
    acknowledged: Mutex<Vec<Acknowledged>>,
    ends: AtomicBool,
}

pub async fn run(context: &Context, options: &args::Drill) -> Result<u8, Failure> {
    let before = context.client.cluster().await?;
    let principal: Endpoint = before.principal.parse().map_err(|_| no_principal())?;
    let load = Arc::new(Load {
        client: context.client.clone(),
        submitted: AtomicU64::new(0),
        acknowledged: Mutex::default(),
        ends: AtomicBool::new(false),
    });
    let submitters: Vec<_> =
        (0..options.clients).map(|_| tokio::spawn(submit(load.clone()))).collect();
    tokio::time::sleep(options.load).await;
    let (kind, accident) = match options.pause {
        None => (DrillKind::Kill, Accident::Kill),
        Some(time) => (DrillKind::Pause, Accident::Pause(time)),
    };
    if !context.is_json {
        let begins = OperatorMessage::DrillBegins { kind, address: principal.to_string() };
        say(&begins.text(context.lang));
    }
    let struck = Instant::now();
    let watcher =
        tokio::spawn(elected(context.client.clone(), others(context, &principal), before.epoch));
    let drilled = context.client.drill_at(&principal, accident).await;
    if drilled.is_ok() {
        tokio::time::sleep(options.load.max(Duration::from_secs(3))).await;
    }
    load.ends.store(true, Ordering::Relaxed);
    for submitter in submitters {
        submitter.await.map_err(|error| Failure::io("tokio")(error.into()))??;
    }
    drilled?;
    let elected = if watcher.is_finished() { watcher.await.ok() } else { None };
    report(context, &load, struck, before.epoch, elected).await
}

fn no_principal() -> cliente::Error {
    cliente::Error::new(ErrorCode::Unavailable, "no orchestrator is principal")
}

fn others(context: &Context, principal: &Endpoint) -> Vec<Endpoint> {
    let all = context.orchestrators.iter();
    all.filter(|endpoint| {
        endpoint.port() != principal.port() || endpoint.host() != principal.host()
    })
    .cloned()
    .collect()
}

async fn submit(load: Arc<Load>) -> Result<(), cliente::Error> {
    while !load.ends.load(Ordering::Relaxed) {
        let number = load.submitted.fetch_add(1, Ordering::Relaxed);
        let task = TaskSpec::new("echo", format!("drill {number}").into_bytes());
        let task_id = task.task_id.clone();
        let epoch = load.client.submit(task, false).await?.receipt.epoch;
        let done = Acknowledged { task_id, at: Instant::now(), epoch };
        load.acknowledged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(done);
    }
    Ok(())
}

/// When another one says that it is principal.
async fn elected(client: Client, others: Vec<Endpoint>, epoch: u64) -> Instant {
    loop {
        for other in &others {
            if let Ok(cluster) = client.cluster_at(other).await
                && cluster.epoch > epoch
            {
                return Instant::now();
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn report(
    context: &Context,
    load: &Load,
    struck: Instant,
    epoch: u64,
    elected: Option<Instant>,
) -> Result<u8, Failure> {
    let mut acknowledged = std::mem::take(
        &mut *load.acknowledged.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
    );
    acknowledged.sort_by_key(|done| done.at);
    let ids: Vec<String> = acknowledged.iter().map(|done| done.task_id.clone()).collect();
    let mut finished = 0_u64;
    let mut updates = pin!(load.client.wait_many(ids.clone(), false));
    while let Some(update) = updates.next().await {
        finished += u64::from(!update?.not_found);
    }
    let audit = context.client.audit(&ids).await?;
    let missing = audit.nodes.iter().map(|n| n.report.missing.len() as u64).max().unwrap_or(0);
    let lost = (ids.len() as u64 - finished).max(missing);
    let duplicated = audit.nodes.iter().map(|n| n.report.second_outcomes).max().unwrap_or(0);
    let outage_ms = longest_gap(&acknowledged);
    let detection_ms = elected.map(|at| millis(at.saturating_duration_since(struck)));
    let first = acknowledged.iter().find(|done| done.epoch > epoch).map(|done| done.at);
    let first_acknowledged_ms = first.map_or(0, |at| millis(at.saturating_duration_since(struck)));
    let submitted = load.submitted.load(Ordering::Relaxed);
    let text = if context.is_json {
        json!({
            "outage_ms": outage_ms, "elected_ms": detection_ms,
            "first_acknowledged_ms": first_acknowledged_ms, "submitted": submitted,
            "acknowledged": ids.len(), "lost": lost, "duplicated": duplicated,
            "audit": audit.verdict().word(),
        })
        .to_string()
    } else {
        let outage =
            OperatorMessage::DrillOutage { outage_ms, detection_ms, first_acknowledged_ms };
        let acknowledged = ids.len() as u64;
        let verdict = OperatorMessage::DrillVerdict { submitted, acknowledged, lost, duplicated };
        format!("{}\n{}", outage.text(context.lang), verdict.text(context.lang))
    };
    output::print(&format!("{text}\n"))?;
    let sound = lost == 0 && duplicated == 0 && audit.verdict() != Verdict::Violated;
    Ok(if sound { exit::OK } else { exit::BROKEN })
}

fn longest_gap(acknowledged: &[Acknowledged]) -> u64 {
    acknowledged.windows(2).map(|pair| millis(pair[1].at - pair[0].at)).max().unwrap_or(0)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
