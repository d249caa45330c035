//! What is simulated.

pub const USAGE: &str = "usage: day [--full] [--workers N] [--tasks N] [--hours N] [--seed N]   (--full: 10,000 and 100,000,000)";

/// Virtual time goes by in slices; what happens within one happens at its beginning.
pub const SLICE_MS: u64 = 10;
/// How often the driver looks at leases.
pub const TICK_MS: u64 = 50;
/// A sixth of the lease, as the principal tells its workers.
pub const HEARTBEAT_MS: u64 = 500;
/// How often somebody looks at the whole cluster.
pub const OVERVIEW_MS: u64 = 10_000;
/// Slots that are busy on average. The tasks' mean duration is chosen for it.
pub const UTILISATION: f64 = 0.75;

#[derive(Clone, Copy)]
pub struct Settings {
    pub workers: u64,
    pub tasks: u64,
    /// The length of the day: its curve is stretched or shrunk to it.
    pub hours: u64,
    pub seed: u64,
}

impl Settings {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut settings = Self { workers: 100, tasks: 1_000_000, hours: 24, seed: 1 };
        while let Some(word) = words.next() {
            let place = match word.as_str() {
                "--full" => {
                    (settings.workers, settings.tasks) = (10_000, 100_000_000);
                    continue;
                }
                "--workers" => &mut settings.workers,
                "--tasks" => &mut settings.tasks,
                "--hours" => &mut settings.hours,
                "--seed" => &mut settings.seed,
                other => return Err(format!("unknown argument {other}")),
            };
            let value = words.next().ok_or_else(|| format!("{word} wants a number"))?;
            *place = value.replace('_', "").parse().map_err(|error| format!("{word}: {error}"))?;
        }
        if settings.workers == 0 || settings.tasks == 0 || settings.hours == 0 {
            return Err("nothing to simulate".to_owned());
        }
        Ok(settings)
    }

    pub fn span_ms(&self) -> u64 {
        self.hours * 3_600_000
    }

    /// Every other worker has two slots.
    pub fn slots_of(worker: u64) -> u32 {
        1 + u32::from(worker % 2 == 1)
    }

    pub fn slots(&self) -> u64 {
        self.workers + self.workers / 2
    }

    pub fn mean_duration_ms(&self) -> f64 {
        UTILISATION * self.slots() as f64 * self.span_ms() as f64 / self.tasks as f64
    }
}
