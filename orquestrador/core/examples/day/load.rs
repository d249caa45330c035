//! What clients submit: batches that arrive at random, more of them by day than by night, of tasks most of which are
//! short and a few very long. What a task is follows from its id, so that nothing has to be kept.

use std::f64::consts::TAU;

use orquestrador_core::command::{Delivery, NewTask, Start};
use orquestrador_core::ids::{Blob, HandlerName, TaskId, UserName};

use crate::random::{Random, mix, unit};
use crate::settings::{SLICE_MS, Settings};

/// By how much the busiest moment exceeds the mean, and the quietest falls below.
const SWING: f64 = 0.5;
const MEAN_BATCH: f64 = 10.0;
const MAX_BATCH: u64 = 1_000;
const OWNERS: usize = 20;
/// What each worker offers, and how many of a thousand tasks are for it.
pub const HANDLERS: [(&str, u64); 3] = [("echo", 800), ("mandelbrot", 150), ("simulated", 50)];
pub static PAYLOAD: [u8; 64] = [7; 64];

/// Of a bounded Pareto distribution: the longest task is so many times the shortest.
const SHAPE: f64 = 1.5;
const SPREAD: f64 = 1_000.0;

/// Of a million tasks.
const POISONOUS: u64 = 5;
const FAILING: u64 = 10_000;
const AT_MOST_ONCE: u64 = 20_000;

pub struct Load {
    random: Random,
    left: u64,
    span_ms: u64,
    owners: Vec<UserName>,
    handlers: Vec<HandlerName>,
    shortest_ms: f64,
}

/// One client's request.
pub struct Batch {
    pub owner: UserName,
    pub tasks: Vec<NewTask>,
}

impl Load {
    pub fn new(settings: &Settings) -> Self {
        Self {
            random: Random::new(settings.seed),
            left: settings.tasks,
            span_ms: settings.span_ms(),
            owners: (0..OWNERS).map(|nth| format!("user{nth}").as_str().into()).collect(),
            handlers: HANDLERS.iter().map(|(name, _)| (*name).into()).collect(),
            shortest_ms: settings.mean_duration_ms() / mean_of_pareto(),
        }
    }

    /// How many requests arrive in the slice that begins now.
    pub fn arrivals(&mut self, now: u64) -> u64 {
        let (before, after) = (self.share_until(now), self.share_until(now + SLICE_MS));
        // What chance has put off or brought forward is made up for by the rest of the day.
        let expected = self.left as f64 * ((after - before) / (1.0 - before)).min(1.0);
        match now + SLICE_MS >= self.span_ms {
            true => self.left.div_ceil(MEAN_BATCH as u64),
            false => self.random.poisson(expected / MEAN_BATCH),
        }
    }

    /// Of the day's tasks, from midnight; noon is the busiest moment.
    fn share_until(&self, now: u64) -> f64 {
        let day = now as f64 / self.span_ms as f64;
        day - SWING / TAU * (TAU * day).sin()
    }

    /// `None` when the day's tasks are all submitted.
    pub fn batch(&mut self, unix_ms: u64) -> Option<Batch> {
        let wanted = self.random.geometric(MEAN_BATCH).min(MAX_BATCH);
        let size = wanted.min(self.left);
        if size == 0 {
            return None;
        }
        self.left -= size;
        let owner = self.owners[self.random.below(OWNERS as u64) as usize].clone();
        let tasks = (0..size).map(|nth| self.task(unix_ms, nth)).collect();
        Some(Batch { owner, tasks })
    }

    /// A UUIDv7, in ascending order within its batch.
    fn task(&mut self, unix_ms: u64, nth: u64) -> NewTask {
        let high = unix_ms << 16 | 7 << 12 | nth;
        let low = self.random.next() >> 2 | 1 << 63;
        let id = TaskId(u128::from(high) << 64 | u128::from(low));
        let mut place = mix(low ^ 1) % 1_000;
        let position = HANDLERS.iter().position(|(_, share)| {
            let is_here = place < *share;
            place = place.saturating_sub(*share);
            is_here
        });
        let once = lot(id, 2) < AT_MOST_ONCE && !is_poisonous(id);
        NewTask {
            id,
            handler: self.handlers[position.unwrap_or_default()].clone(),
            payload: Blob::from_static(&PAYLOAD),
            terms: if once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce }.into(),
            start: Start::Now,
            after: None,
            key: None,
            blobs: vec![],
            trace: None,
        }
    }

    pub fn duration_ms(&self, id: TaskId) -> u64 {
        let tail = 1.0 - SPREAD.powf(-SHAPE);
        let factor = (1.0 - unit(mix(id.0 as u64 ^ 3)) * tail).powf(-1.0 / SHAPE);
        ((self.shortest_ms * factor) as u64).max(1)
    }
}

/// It kills whatever worker runs it.
pub fn is_poisonous(id: TaskId) -> bool {
    lot(id, 4) < POISONOUS
}

pub fn is_failing(id: TaskId) -> bool {
    lot(id, 5) < FAILING
}

pub fn submitted_at(id: TaskId) -> u64 {
    (id.0 >> 80) as u64
}

fn lot(id: TaskId, about: u64) -> u64 {
    mix(id.0 as u64 ^ about) % 1_000_000
}

/// With the shortest as the unit.
fn mean_of_pareto() -> f64 {
    SHAPE / (SHAPE - 1.0) * (1.0 - SPREAD.powf(1.0 - SHAPE)) / (1.0 - SPREAD.powf(-SHAPE))
}
