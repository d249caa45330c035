//! What a drill showed.

use std::pin::pin;
use std::time::{Duration, Instant};

use cliente::{Audit, Verdict};
use common::exit;
use common::messages::drill::{DrillKind, DrillMessage};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::super::super::super::Context;
use super::super::super::super::failure::Failure;
use super::super::super::super::output;
use super::super::super::audit;
use super::load::{Acknowledged, Load};
use super::watcher::Seen;

/// What there is to report on.
pub struct Observed<'a> {
    pub kind: DrillKind,
    /// When the accident was asked for.
    pub struck: Instant,
    /// Before it.
    pub epoch: u64,
    pub seen: Seen,
    pub load: &'a Load,
}

/// In milliseconds since the accident; `None` for what did not happen.
struct Times {
    outage: u64,
    detection: Option<u64>,
    elected: Option<u64>,
    first_acknowledged: Option<u64>,
}

/// Prints it; gives the exit code.
pub async fn show(context: &Context, observed: Observed<'_>) -> Result<u8, Failure> {
    let acknowledged = observed.load.take_acknowledged();
    let times = times(&observed, &acknowledged);
    let submitted = observed.load.submitted();
    let ids: Vec<String> = acknowledged.into_iter().map(|done| done.task_id).collect();
    if times.elected.is_none() && times.first_acknowledged.is_none() {
        no_failover(context, &observed, &times, ids.len())?;
        return Ok(exit::TASK_FAILED);
    }
    let mut updates = pin!(context.client.wait_many(ids.clone(), false));
    while let Some(update) = updates.next().await {
        // What is not there is for the audit to say: it may have been forgotten since.
        update?;
    }
    let audit = context.client.audit(&ids).await?;
    let lost = audit.missing().len() as u64;
    let duplicated = audit.nodes.iter().map(|n| n.report.second_outcomes).max().unwrap_or(0);
    let text = if context.is_json {
        let mut object = object(&times, submitted, ids.len());
        object["failover"] = true.into();
        object["lost"] = lost.into();
        object["duplicated"] = duplicated.into();
        object["audit"] = audit.verdict().word().into();
        format!("{object}\n")
    } else {
        let acknowledged = ids.len() as u64;
        let tasks = DrillMessage::Tasks { submitted, acknowledged, lost, duplicated };
        let tasks = tasks.text(context.lang);
        format!("{}\n{tasks}\n{}", line(&times, context), audited(context, &audit, ids.len()))
    };
    output::print(&text)?;
    let sound = lost == 0 && duplicated == 0 && audit.verdict() != Verdict::Violated;
    Ok(if sound { exit::OK } else { exit::BROKEN })
}

fn audited(context: &Context, audit: &Audit, asked: usize) -> String {
    let lines = audit::lines(audit, asked);
    lines.iter().map(|line| format!("{}\n", line.text(context.lang))).collect()
}

fn no_failover(
    context: &Context,
    observed: &Observed<'_>,
    times: &Times,
    acknowledged: usize,
) -> Result<(), Failure> {
    let text = if context.is_json {
        let mut object = object(times, observed.load.submitted(), acknowledged);
        object["failover"] = false.into();
        for unknown in ["lost", "duplicated", "audit"] {
            object[unknown] = Value::Null;
        }
        format!("{object}\n")
    } else {
        let nobody = DrillMessage::NoFailover { kind: observed.kind };
        format!("{}\n{}\n", line(times, context), nobody.text(context.lang))
    };
    output::print(&text)
}

fn line(times: &Times, context: &Context) -> String {
    let times = DrillMessage::Times {
        outage_ms: times.outage,
        detection_ms: times.detection,
        elected_ms: times.elected,
        first_acknowledged_ms: times.first_acknowledged,
    };
    times.text(context.lang)
}

fn object(times: &Times, submitted: u64, acknowledged: usize) -> Value {
    json!({
        "outage_ms": times.outage,
        "detection_ms": times.detection,
        "elected_ms": times.elected,
        "first_acknowledged_ms": times.first_acknowledged,
        "submitted": submitted,
        "acknowledged": acknowledged,
    })
}

fn times(observed: &Observed<'_>, acknowledged: &[Acknowledged]) -> Times {
    let since = |at: Instant| millis(at.saturating_duration_since(observed.struck));
    let first = acknowledged.iter().find(|done| done.epoch > observed.epoch);
    let first = first.map(|done| done.at);
    // An acknowledgement may be seen before the standby is asked again.
    let earliest = |at: Option<Instant>| at.into_iter().chain(first).min();
    let is_over = observed.seen.elected.is_some() || first.is_some();
    Times {
        outage: longest_gap(acknowledged),
        detection: match is_over {
            true => earliest(observed.seen.detected).map(since),
            false => observed.seen.detected.map(since),
        },
        elected: earliest(observed.seen.elected).map(since),
        first_acknowledged: first.map(since),
    }
}

fn longest_gap(acknowledged: &[Acknowledged]) -> u64 {
    acknowledged.windows(2).map(|pair| millis(pair[1].at - pair[0].at)).max().unwrap_or(0)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
