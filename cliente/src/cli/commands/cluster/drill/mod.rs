//! `cliente cluster drill`: an accident to the principal under a load of our own, what it costs, and
//! whether anything was lost. It is not begun where nobody would go on.

mod load;
mod report;
mod watcher;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cliente::Accident;
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::messages::drill::{DrillKind, DrillMessage};

use super::super::super::Context;
use super::super::super::args;
use super::super::super::failure::Failure;
use super::super::super::terminal::say;
use load::Load;
use report::Observed;

/// How long the load goes on after the accident, at least.
const AFTERWARDS: Duration = Duration::from_secs(3);

pub async fn run(context: &Context, options: &args::Drill) -> Result<u8, Failure> {
    let before = context.client.cluster().await?;
    let principal: Endpoint = before.principal.parse().map_err(|_| no_principal())?;
    let (kind, accident) = match options.pause {
        None => (DrillKind::Kill, Accident::Kill),
        Some(time) => (DrillKind::Pause, Accident::Pause(time)),
    };
    context.client.may_drill_at(&principal).await?;
    let standby = standby(context, &principal, kind).await?;
    let load = Arc::new(Load::new(context.client.clone()));
    let submitters = load.begin(options.clients);
    tokio::time::sleep(options.load).await;
    if !context.is_json {
        let begins = DrillMessage::Begins { kind, address: principal.to_string() };
        say(&begins.text(context.lang));
    }
    let struck = Instant::now();
    let watcher = watcher::start(context.client.clone(), standby, before.epoch);
    let drilled = context.client.drill_at(&principal, accident).await;
    if drilled.is_ok() {
        tokio::time::sleep(options.load.max(AFTERWARDS)).await;
    }
    load.end();
    for submitter in submitters {
        submitter.await.map_err(|error| Failure::io("tokio")(error.into()))?;
    }
    drilled?;
    let seen = watcher.stop();
    let observed = Observed { kind, struck, epoch: before.epoch, seen, load: &load };
    report::show(context, observed).await
}

fn no_principal() -> cliente::Error {
    cliente::Error::new(ErrorCode::NotPrimary, "no orchestrator says that it is the principal")
}

/// Where the one is that would go on, as both of them see it now.
async fn standby(
    context: &Context,
    principal: &Endpoint,
    kind: DrillKind,
) -> Result<Endpoint, Failure> {
    let refused = |address: &Endpoint| {
        Failure::Denied(Box::new(DrillMessage::Refused { kind, address: address.to_string() }))
    };
    let answer = context.client.explain_at(principal).await?;
    let peer = answer.peer.as_ref().and_then(|peer| peer.address.parse().ok());
    let Some(standby) = peer.filter(|_| goes_on(&answer.failover, kind)) else {
        return Err(refused(principal));
    };
    let answer = context.client.explain_at(&standby).await?;
    match goes_on(&answer.failover, kind) && answer.standing == "STANDBY" {
        true => Ok(standby),
        false => Err(refused(&standby)),
    }
}

/// The port of a process that stands still does not refuse.
fn goes_on(failover: &str, kind: DrillKind) -> bool {
    match kind {
        DrillKind::Kill => matches!(failover, "BY_WITNESSES" | "BY_REFUSED_PORT"),
        DrillKind::Pause => failover == "BY_WITNESSES",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_needs_somebody_who_goes_on() {
        for (word, after_death, after_pause) in [
            ("BY_WITNESSES", true, true),
            ("BY_REFUSED_PORT", true, false),
            ("NO_STANDBY", false, false),
            ("BLOCKED", false, false),
            ("WORD_OF_TOMORROW", false, false),
        ] {
            assert_eq!(goes_on(word, DrillKind::Kill), after_death, "{word}");
            assert_eq!(goes_on(word, DrillKind::Pause), after_pause, "{word}");
        }
    }
}
