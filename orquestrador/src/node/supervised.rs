//! The node under a service manager: ready when it acts, alive as long as its driver answers.

use common::lang::Lang;
use common::messages::operator;
use common::supervisor::Supervisor;

use crate::api::operator::standing;
use crate::driver::DriverHandle;
use crate::driver::input::Input;

/// Until the driver ends. A node that waits for the other one acts as well: whoever starts both, one after the other, must
/// not wait for the first to have a standby.
pub async fn report(supervisor: Supervisor, driver: DriverHandle, lang: Lang) {
    if !supervisor.listens() {
        return;
    }
    let mut interval = tokio::time::interval(supervisor.interval());
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        interval.tick().await;
        // A driver that hangs does not answer, and there is no sign of life.
        let Ok(node) = driver.ask(|reply| Input::Describe { reply }).await else {
            return;
        };
        let now = (node.standing, node.epoch);
        if told.is_none() {
            supervisor.ready();
        }
        if told != Some(now) {
            told = Some(now);
            supervisor.status(&operator::standing_at(standing(node.standing), node.epoch.0, lang));
        }
        supervisor.alive();
    }
}
