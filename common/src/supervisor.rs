//! What the service manager that started this process is told: that it serves, what it does, that it is alive. Started
//! by hand there is none, and nothing is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// So often at least it is told what a process does.
const STATUS: Duration = Duration::from_secs(5);
/// Two signs of life may come late.
const SIGNS: u32 = 3;
/// What a program started by this one must not inherit: it would speak in our name.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The service manager, as the environment describes it.
#[derive(Clone, Copy, Debug)]
pub struct Supervisor {
    listens: bool,
    /// It ends a process that has been silent for so long.
    patience: Option<Duration>,
}

impl Supervisor {
    /// The one that started this process, if any.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            listens: std::env::var_os("NOTIFY_SOCKET").is_some(),
            patience: sd_notify::watchdog_enabled(),
        }
    }

    /// Somebody wants to be told.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.listens
    }

    /// How often to give a sign of life.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let wanted = self.patience.map_or(STATUS, |patience| patience / SIGNS);
        wanted.clamp(Duration::from_millis(1), STATUS)
    }

    /// It serves from now on.
    pub fn ready(&self) {
        self.tell(NotifyState::Ready);
    }

    /// What it does, in a line for people.
    pub fn status(&self, status: &str) {
        self.tell(NotifyState::Status(status));
    }

    /// It is alive: not for the asking, but because what it is there for goes on.
    pub fn alive(&self) {
        if self.patience.is_some() {
            self.tell(NotifyState::Watchdog);
        }
    }

    /// It is about to end, in its own time.
    pub fn stopping(&self) {
        self.tell(NotifyState::Stopping);
    }

    fn tell(&self, state: NotifyState<'_>) {
        if self.listens
            && let Err(error) = sd_notify::notify(&[state])
        {
            tracing::debug!(%error, "the service manager could not be told");
        }
    }
}

/// Counts the turns of a loop whose standstill means that a process hangs.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop turns.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives signs of life as long as the loop has turned since the one before. Does not come to an end where somebody listens.
    pub async fn show(self, supervisor: Supervisor) {
        if !supervisor.listens() {
            return;
        }
        let mut interval = tokio::time::interval(supervisor.interval());
        let mut seen = None;
        loop {
            interval.tick().await;
            let now = Some(self.0.load(Ordering::Relaxed));
            if now != seen {
                seen = now;
                supervisor.alive();
            }
        }
    }
}
