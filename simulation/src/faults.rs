//! What goes wrong, and how much of it may: everything that the guarantees promise to survive, never both
//! disks.

use std::sync::atomic::Ordering;

use crate::clock::{MILLI, SECOND};
use crate::disk::{Disk, lock};
use crate::invariants::Violation;
use crate::network::{Party, Side};
use crate::plan::{Shape, Weights};
use crate::world::{Event, Phase, World};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Crash,
    CrashInOperation,
    Terminate,
    Pause,
    Cut,
    BreakConnection,
    SlowDisk,
    FullDisk,
    Wipe,
    Flip,
    WorkerCrash,
    WorkerPause,
    SetClock,
}

/// Every kind, with its weight.
fn table(weights: &Weights) -> [(Fault, u64); 13] {
    [
        (Fault::Crash, weights.crash),
        (Fault::CrashInOperation, weights.crash_in_operation),
        (Fault::Terminate, weights.terminate),
        (Fault::Pause, weights.pause),
        (Fault::Cut, weights.cut),
        (Fault::BreakConnection, weights.break_connection),
        (Fault::SlowDisk, weights.slow_disk),
        (Fault::FullDisk, weights.full_disk),
        (Fault::Wipe, weights.wipe),
        (Fault::Flip, weights.flip),
        (Fault::WorkerCrash, weights.worker_crash),
        (Fault::WorkerPause, weights.worker_pause),
        (Fault::SetClock, weights.set_clock),
    ]
}

impl World {
    /// The next fault, and when the one after it comes.
    pub fn fault(&mut self) -> Result<(), Violation> {
        if self.phase != Phase::Faults {
            return Ok(());
        }
        let table = table(&self.plan.weights);
        let sum: u64 = table.iter().map(|(_, weight)| weight).sum();
        if sum > 0 {
            let mut ticket = self.chance.between(0, sum - 1);
            for (fault, weight) in table {
                if ticket < weight {
                    self.strike(fault);
                    break;
                }
                ticket -= weight;
            }
        }
        let next = self.now() + 1 + self.chance.around(self.plan.fault_every);
        self.schedule.put(next, Event::Fault);
        Ok(())
    }

    fn strike(&mut self, fault: Fault) {
        let place = self.chance.index(2);
        let worker = self.chance.index(self.workers.len());
        if !self.may_harm(place) {
            return;
        }
        self.tell(|_| format!("fault: {fault:?} (node {place}, worker {worker})"));
        match fault {
            Fault::Crash => {
                self.kill_node(place);
                self.restart_soon(place);
            }
            Fault::CrashInOperation => {
                let after = self.chance.between(0, 12) as u32;
                lock(&self.places[place].disk).dies_in = Some(after);
            }
            Fault::Terminate => self.terminate_node(place),
            Fault::Pause => {
                let duration = self.chance.between(10, 3_000) * MILLI;
                self.pause_node(place, duration);
            }
            Fault::Cut => self.cut(place),
            Fault::BreakConnection => {
                if let Some(conn) = self.network.any() {
                    let now = self.now();
                    self.schedule.put(now, Event::Broken(conn, Side::Dialler));
                    let later = now + self.chance.between(0, 100) * MILLI;
                    self.schedule.put(later, Event::Broken(conn, Side::Server));
                }
            }
            Fault::SlowDisk => {
                self.places[place].slow_disk = true;
                let end = self.now() + self.chance.between(50, 2_000) * MILLI;
                self.schedule.put(end, Event::DiskIsFast(place));
            }
            Fault::FullDisk => {
                lock(&self.places[place].disk).full = true;
                let end = self.now() + self.chance.between(50, 1_500) * MILLI;
                self.schedule.put(end, Event::DiskHasRoom(place));
            }
            Fault::Wipe => {
                if self.may_lose_disk(place) {
                    self.kill_node(place);
                    self.replace_disk(place);
                }
            }
            Fault::Flip => {
                if self.may_lose_disk(place) {
                    self.kill_node(place);
                    lock(&self.places[place].disk).flip();
                    self.restart_soon(place);
                }
            }
            Fault::WorkerCrash => self.kill_worker(worker),
            Fault::WorkerPause => {
                let until = self.now() + self.chance.between(10, 3_000) * MILLI;
                self.workers[worker].paused_until = until;
            }
            Fault::SetClock => {
                // By seconds, sometimes by minutes; on or back.
                let most = if self.chance.one_in_thousand(300) { 600_000 } else { 5_000 };
                let by = self.chance.between(0, 2 * most) as i64 - most as i64;
                let before = self.places[place].set_by.fetch_add(by, Ordering::Relaxed);
                self.latest_clock = self.latest_clock.max(before + by);
            }
        }
    }

    /// While the other node copies everything from this one, this one is spared.
    fn may_harm(&mut self, place: usize) -> bool {
        let other = &mut self.places[1 - place];
        if other.is_wiped && lock(&other.disk).role.cluster.is_some() {
            other.is_wiped = false;
        }
        !other.is_wiped
    }

    /// The other node has everything that was ever committed, safe on its disk.
    fn may_lose_disk(&self, place: usize) -> bool {
        let other = &self.places[1 - place];
        let disk = lock(&other.disk);
        let last = self.truth.last();
        let has_all = disk.id_at(last.index) == Some(last) && disk.durable().index >= last.index;
        let is_up = other.process.is_some() && other.paused_until <= self.now() && !disk.dead;
        has_all && is_up && last.index.0 > 0 && !disk.full && disk.dies_in.is_none()
    }

    fn restart_soon(&mut self, place: usize) {
        let delay = self.chance.between(5, 2_000) * MILLI;
        self.restart_later(place, delay);
    }

    /// The data directory is gone: what starts there is another node.
    pub fn replace_disk(&mut self, place: usize) {
        let chance = self.places[place].chance.fork();
        *lock(&self.places[place].disk) = Disk::new(chance);
        self.places[place].is_wiped = true;
        self.lost_a_disk = true;
        self.restart_soon(place);
    }

    fn pause_node(&mut self, place: usize, duration: u64) {
        let now = self.now();
        // A short one the node need not notice.
        let is_long = duration > self.plan.limits.worker_lease_ms * MILLI / 5;
        let place = &mut self.places[place];
        if place.process.is_some() && place.paused_until <= now {
            place.paused_until = now + duration;
            place.paused_in_all += if is_long { duration } else { 0 };
        }
    }

    /// Something cannot reach the node, or the node cannot reach it, or both.
    fn cut(&mut self, place: usize) {
        let node = Party::Node(place);
        let mut others: Vec<Party> = (0..self.workers.len()).map(Party::Worker).collect();
        others.extend((0..self.clients.len()).map(Party::Client));
        let has_newcomer = self.places.iter().any(|place| place.is_wiped);
        if self.plan.shape == Shape::TwoMachines && !has_newcomer {
            others.extend([Party::Node(1 - place); 3]);
        }
        let duration = self.chance.between(20, 2_500) * MILLI;
        let ways = self.chance.between(1, 3);
        if self.plan.shape == Shape::TwoMachines && !has_newcomer && self.chance.coin() {
            // Only clients still reach it: nothing else tells them that it is principal no more.
            others.retain(|party| !matches!(party, Party::Client(_)));
            for other in others {
                self.cut_off(node, other, ways, duration);
            }
        } else {
            let other = others[self.chance.index(others.len())];
            self.cut_off(node, other, ways, duration);
        }
    }

    /// `ways`: from the node to the other (1), back (2), or both (3).
    fn cut_off(&mut self, node: Party, other: Party, ways: u64, duration: u64) {
        let now = self.now();
        if ways & 1 != 0 {
            self.network.cut(node, other, now + duration);
        }
        if ways & 2 != 0 {
            self.network.cut(other, node, now + duration);
        }
        for conn in self.network.between(node, other) {
            for side in [Side::Dialler, Side::Server] {
                // Whoever hears nothing gives up after a while; a short cut nobody notices.
                let patience = self.chance.between(200, 1_500) * MILLI;
                if patience < duration {
                    self.schedule.put(now + patience, Event::Broken(conn, side));
                }
            }
        }
    }

    /// From now on nothing new goes wrong. Who is paused wakes at its time, what is cut heals at its time.
    pub fn end_faults(&mut self) {
        self.network.latency = self.network.latency.min(2 * MILLI);
        // What has piled up is soon done.
        self.plan.work = self.plan.work.min(5 * MILLI);
        // What was to be done at some moment of a clock that was ahead is done soon.
        let ahead = self.latest_clock;
        for place in 0..2 {
            let spot = &mut self.places[place];
            spot.set_by.store(ahead, Ordering::Relaxed);
            spot.slow_disk = false;
            let mut disk = lock(&spot.disk);
            disk.full = false;
            disk.dies_in = None;
            drop(disk);
            if self.places[place].process.is_none() {
                self.restart_later(place, SECOND / 2);
            }
        }
    }
}
