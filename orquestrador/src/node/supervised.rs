//! The node under a service manager: ready when it acts, alive as long as its driver answers.

use std::time::Duration;

use common::lang::Lang;
use common::messages::operator;
use common::supervisor::Supervisor;
use orquestrador_core::ids::Epoch;
use orquestrador_core::role::Standing;

use crate::api::operator::standing;
use crate::driver::DriverHandle;
use crate::driver::input::Input;

/// What the driver says of the node.
type Answer = (Standing, Epoch);

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Ready,
    Is(Answer),
    Alive,
}

/// Until the driver ends.
pub async fn report(supervisor: Supervisor, driver: DriverHandle, lang: Lang) {
    if !supervisor.listens() {
        return;
    }
    let ask = || {
        let driver = driver.clone();
        async move {
            let node = driver.ask(|reply| Input::Describe { reply }).await.ok()?;
            Some((node.standing, node.epoch))
        }
    };
    let tell = |sign| match sign {
        Sign::Ready => supervisor.ready(),
        Sign::Is((is, epoch)) => {
            supervisor.status(&operator::standing_at(standing(is), epoch.0, lang));
        }
        Sign::Alive => supervisor.alive(),
    };
    signs(supervisor.interval(), ask, tell).await;
}

/// A node that waits for the other one acts as well: whoever starts both, one after the other, must not wait for the first
/// to have a standby.
async fn signs<F: Future<Output = Option<Answer>>>(
    interval: Duration,
    ask: impl Fn() -> F,
    mut tell: impl FnMut(Sign),
) {
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        interval.tick().await;
        // A driver that hangs does not answer, and there is no sign of life.
        let Some(now) = ask().await else { return };
        if told.is_none() {
            tell(Sign::Ready);
        }
        if told != Some(now) {
            told = Some(now);
            tell(Sign::Is(now));
        }
        tell(Sign::Alive);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const WAITS: Answer = (Standing::Waiting, Epoch(1));
    const SERVES: Answer = (Standing::Principal, Epoch(2));

    /// What is told while the driver gives these answers, one after the other, and then none any more.
    async fn told(answers: &[Answer]) -> Vec<Sign> {
        let (next, told) = (Cell::new(0), RefCell::new(Vec::new()));
        let hangs = tokio::sync::Notify::new();
        let ask = || async {
            let Some(answer) = answers.get(next.get()) else {
                hangs.notify_one();
                return std::future::pending().await;
            };
            next.set(next.get() + 1);
            Some(*answer)
        };
        let signs = signs(Duration::from_millis(1), ask, |sign| told.borrow_mut().push(sign));
        tokio::select! {
            () = signs => panic!("it ended"),
            // Long enough for many more.
            () = async {
                hangs.notified().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            } => {}
        }
        told.into_inner()
    }

    #[tokio::test]
    async fn a_driver_that_hangs_gives_no_sign_of_life() {
        let alive = |told: &[Sign]| told.iter().filter(|sign| **sign == Sign::Alive).count();
        assert_eq!(told(&[]).await, [], "not even ready");
        assert_eq!(alive(&told(&[SERVES; 3]).await), 3, "one for each answer");
    }

    #[tokio::test]
    async fn it_is_ready_once_whatever_it_is_and_tells_what_it_becomes() {
        let expected = [Sign::Ready, Sign::Is(WAITS), Sign::Alive, Sign::Is(SERVES), Sign::Alive];
        assert_eq!(told(&[WAITS, SERVES]).await, expected);
    }
}
