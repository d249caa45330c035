//! The orderly end of the whole cluster, as the operator wishes.

use std::time::Duration;

use common::proto::ShutdownResponse;
use orquestrador_core::effect::Overview;
use tokio::time::Instant;
use tonic::Status;

use super::cluster;
use crate::driver::DriverHandle;
use crate::driver::input::{Description, Input};
use crate::node::End;

/// How often it is looked whether the workers, or the other orchestrators, have ended.
const POLL: Duration = Duration::from_millis(50);
/// How long workers may take to stop what runs when their time is up, and to tell so; and then other orchestrators to
/// end, where etcd tells them.
const LEAVE: Duration = Duration::from_secs(4);

/// Workers first, then all orchestrators.
///
/// # Errors
/// This node is not the principal.
pub async fn shut_down(
    driver: &DriverHandle,
    end: &End,
    within_ms: u32,
) -> Result<ShutdownResponse, Status> {
    let interrupted = end_workers(driver, within_ms).await?;
    driver.send(Input::Farewell).await?;
    wait_for_others(driver).await?;
    end.soon();
    Ok(ShutdownResponse { interrupted })
}

/// Gives how many tasks still ran when their time was up.
async fn end_workers(driver: &DriverHandle, within_ms: u32) -> Result<u64, Status> {
    let deadline = Instant::now() + Duration::from_millis(within_ms.into());
    // Refuses where this is not the principal.
    let mut overview = cluster::overview(driver).await?;
    driver.send(Input::StopWorkers { within_ms }).await?;
    let busy = |overview: &Overview| -> u64 {
        overview.workers.iter().map(|worker| u64::from(worker.busy)).sum()
    };
    let mut interrupted = busy(&overview);
    while overview.workers.iter().any(|worker| worker.connected)
        && Instant::now() < deadline + LEAVE
    {
        // What runs when their time is up they stop, and give back.
        if Instant::now() < deadline {
            interrupted = busy(&overview);
        }
        tokio::time::sleep(POLL).await;
        overview = cluster::overview(driver).await?;
    }
    Ok(if Instant::now() < deadline { 0 } else { interrupted })
}

/// The key by which etcd tells them to end is there as long as this node is. Who does not hear of it by then is cut off
/// from etcd.
async fn wait_for_others(driver: &DriverHandle) -> Result<(), Status> {
    let deadline = Instant::now() + LEAVE;
    let has_others = |node: Description| node.members.is_some_and(|all| !all.others.is_empty());
    while Instant::now() < deadline
        && has_others(driver.ask(|reply| Input::Describe { reply }).await?)
    {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
