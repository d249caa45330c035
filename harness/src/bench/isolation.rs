//! What a client in a tight loop of submissions sees when the principal's machine falls silent: every process on a
//! machine of its own (network namespaces), and all packets from and to the principal's dropped.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::figures::Runs;
use crate::net::{Cut, How, Load, Network, Source, SpreadCluster};

/// Longer than a new principal's silence is excused.
const TENURE: Duration = Duration::from_millis(2_500);

/// So many, one after the other, each audited.
///
/// # Errors
/// Nobody took over, or the audit found something.
pub fn run(dir: &Path, count: usize, say: &dyn Fn(&str), runs: &mut Runs) -> anyhow::Result<()> {
    if let Some(reason) = Network::unavailable() {
        say(&format!("  left out: {reason}"));
        return Ok(());
    }
    let dir = tempfile::tempdir_in(dir)?;
    let mut cluster = SpreadCluster::new(dir.path())?;
    cluster.start()?;
    for nth in 1..=count {
        say(&format!("  isolation {nth}/{count}"));
        cluster.wait_whole()?;
        std::thread::sleep(TENURE);
        let load = Load::start(&cluster)?;
        let before = load.wait_served(load.mark())?;
        let principal = cluster.serving()?.context("nobody serves")?;
        let mark = load.mark();
        cluster.cut(&Cut::isolate(principal, How::Drop))?;
        let later = |answer: &crate::net::Answer| {
            answer.source == Source::User && answer.epoch > before.epoch
        };
        load.wait_for(mark, "acknowledgement of a successor", later)?;
        cluster.heal()?;
        cluster.wait_whole()?;
        let history = load.stop()?;
        runs.lower("failover_isolation", "ms", history.outage().as_secs_f64() * 1e3);
        cluster.audit(&history)?;
    }
    Ok(())
}
