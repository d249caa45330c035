//! What befalls workers and the principal.

use orquestrador_core::Command;
use orquestrador_core::ids::Timestamp;

use crate::agenda::{Happening, Nth};
use crate::cost::{Kind, Stopwatch};
use crate::day::{Day, MIDNIGHT};
use crate::settings::SLICE_MS;

/// Mean intervals of what happens to single workers, where there are 10,000.
const DEATH_EVERY_MS: f64 = 60_000.0;
const CUT_EVERY_MS: f64 = 12_000.0;
const SILENCE_EVERY_MS: f64 = 300_000.0;
/// One of so many workers dies at noon, all at once.
const NOON_DEATHS: usize = 20;
const DEAD_AT_NOON_MS: u64 = 300_000;
/// As the driver does it: entries between snapshots, and a guess at how long writing one takes.
pub const SNAPSHOT_ENTRIES: u64 = 200_000;
const SNAPSHOT_MS: u64 = 3_000;

impl Day {
    pub(crate) fn incidents(&mut self) {
        let span = self.settings.span_ms();
        let chance = SLICE_MS as f64 * self.fleet.count() as f64 / 10_000.0;
        let nth = self.random.below(self.fleet.count()) as Nth;
        if self.random.chance(chance / DEATH_EVERY_MS) {
            let incarnation = self.fleet[nth].incarnation;
            self.happen(Happening::Dies { worker: nth, incarnation });
        }
        if self.random.chance(chance / CUT_EVERY_MS) {
            self.disconnect(nth, true);
            self.agenda
                .add(self.now + self.random.between(50, 2_000), Happening::Dials { worker: nth });
        }
        if self.random.chance(chance / SILENCE_EVERY_MS) {
            self.disconnect(nth, false);
            let after = self.random.between(1_000, 10_000);
            self.agenda.add(self.now + after, Happening::Dials { worker: nth });
        }
        if self.now == span / 2 {
            for worker in (0..self.fleet.count()).step_by(NOON_DEATHS) {
                self.die(worker as Nth, DEAD_AT_NOON_MS);
            }
        }
        if self.now == span / 4 * 3 {
            self.take_office();
        }
    }

    /// Half of them with their machine, so that nobody hears of it before the lease ends.
    pub(crate) fn die(&mut self, worker: Nth, back: u64) {
        if !self.fleet[worker].is_up {
            return;
        }
        self.tally.deaths += 1;
        let session = self.fleet.kill(worker);
        self.agenda.add(self.now + back, Happening::Starts { worker });
        if let Some(session) = session.filter(|_| self.random.chance(0.5)) {
            self.command(Kind::Disconnect, Command::DisconnectWorker { session });
        }
    }

    /// The process goes on. `is_noticed`: by the principal, too.
    fn disconnect(&mut self, worker: Nth, is_noticed: bool) {
        self.fleet[worker].was_away = true;
        if let Some(session) = self.fleet.hang_up(worker).filter(|_| is_noticed) {
            self.command(Kind::Disconnect, Command::DisconnectWorker { session });
        }
    }

    /// Another principal has the same state and no worker yet: all of them dial within a second.
    pub(crate) fn take_office(&mut self) {
        let watch = Stopwatch::start();
        self.machine.take_office(Timestamp(MIDNIGHT + self.now), &mut self.step);
        self.costs.add(Kind::TakeOffice, watch.elapsed_ns());
        self.settle();
        for worker in 0..self.fleet.count() as Nth {
            self.fleet.hang_up(worker);
            self.agenda.add(self.now + self.random.below(1_000), Happening::Dials { worker });
        }
    }

    /// What is shared with a snapshot is copied when it changes.
    pub(crate) fn snapshots(&mut self) {
        if self.snapshot.as_ref().is_some_and(|(until, _)| *until <= self.now) {
            self.snapshot = None;
        }
        if self.tally.deciding_steps >= self.snapshot_at {
            self.snapshot_at = self.tally.deciding_steps + SNAPSHOT_ENTRIES;
            let watch = Stopwatch::start();
            let history = self.machine.history();
            self.costs.add(Kind::Snapshot, watch.elapsed_ns());
            self.snapshot = Some((self.now + SNAPSHOT_MS, history));
        }
    }
}
