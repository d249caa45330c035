//! The hashes that make up the state's digest. Stable: nodes of different builds compare them, and
//! fingerprints outlive their process in snapshots.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128_with_seed};

use crate::command::Failure;
use crate::effect::{Token, UserRecord};
use crate::event::{ArrayFailure, Firing, Forgotten};
use crate::ids::{BlobRef, HandlerName, QueueName, TaskId, TokenName, UserName};
use crate::quota::Quota;
use crate::schedule::Schedule;
use crate::settings::QueueSettings;
use crate::state::groups::Group;
use crate::state::handlers::Handlers;
use crate::state::keys::Key;
use crate::state::schedules::{Entry, Made, ScheduleKey, Unmade};
use crate::state::tasks::{End, Finished, Wait};
use crate::state::workers::Worker;
use crate::trace::TraceContext;
use crate::webhook::{Owed, Settled};

/// What kind of record a hash is of.
#[derive(Clone, Copy)]
enum Kind {
    Task = 1,
    Worker = 2,
    User = 3,
    Handler = 4,
    Array = 5,
    Queue = 6,
    Key = 7,
    Quota = 8,
    Schedule = 9,
    Reference = 10,
    Group = 11,
    Owed = 15,
    Source = 16,
    Trace = 17,
}

pub fn text(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// What a repeated submission must equal.
pub fn fingerprint(owner_hash: u64, handler_hash: u64, payload: &[u8], terms_hash: u64) -> u64 {
    let seed = owner_hash ^ handler_hash.rotate_left(32);
    // The hash of terms that older tasks had is what theirs was: their fingerprints stay.
    xxh3_64_with_seed(payload, seed ^ terms_hash)
}

/// Of what a finished task holds.
pub fn content(end: &End) -> u64 {
    match end {
        End::Succeeded { result } => xxh3_64(result),
        End::Failed(Failure { code, message, output }) => {
            xxh3_64_with_seed(output, text(code) ^ text(message).rotate_left(32))
        }
        // One without output keeps the digest that it had before any was kept.
        End::Cancelled { output } if output.is_empty() => 0,
        End::Cancelled { output } => xxh3_64(output),
        End::Lost { cause, output } if output.is_empty() => *cause as u64,
        End::Lost { cause, output } => xxh3_64_with_seed(output, *cause as u64),
    }
}

/// The parts of a task's record, all of which the digest covers.
pub struct TaskParts<'a> {
    pub id: u128,
    pub owner_hash: u64,
    pub handler_hash: u64,
    pub fingerprint: u64,
    pub submitted_at: u64,
    pub attempt: u32,
    pub returned: u16,
    pub state: u8,
    pub terms_hash: u64,
    pub failed: u16,
    /// 0 when it is not.
    pub delayed_until: u64,
    /// 0 when it waits for no others.
    pub wait_hash: u64,
    /// Worker and start of the running attempt.
    pub running: Option<(u64, u64)>,
    pub finished: Option<&'a Finished>,
}

/// What a task waits for; never 0.
pub fn wait(wait: &Wait) -> u64 {
    let failed = wait.failed.map_or(0, one_of_wait);
    let words = [wait.condition as u64, failed, wait.open.len() as u64, wait.open_hash];
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    xxh3_64(&bytes) | 1
}

/// What a task or an array adds to the hash of a wait for it.
pub fn one_of_wait(id: TaskId) -> u64 {
    xxh3_64(&id.to_bytes())
}

pub fn task(parts: &TaskParts<'_>) -> u128 {
    let (mut worker, mut started, mut finished_at, mut content, mut holds) = (0, 0, 0, 0, 0);
    if let Some((worker_hash, started_at)) = parts.running {
        (worker, started) = (worker_hash, started_at.wrapping_add(1));
    }
    if let Some(finished) = parts.finished {
        worker = finished.worker.as_ref().map_or(0, |id| text(&id.0));
        started = finished.started_at.map_or(0, |at| at.0.wrapping_add(1));
        finished_at = finished.finished_at.0;
        content = match &finished.again {
            // One without keeps the digest that it had before any were kept.
            None => finished.content_hash,
            Some(again) => {
                let payload = xxh3_64_with_seed(&again.payload, again.terms.hash());
                let sum = |ids: &[TaskId]| {
                    ids.iter().fold(0, |sum: u64, id| sum.wrapping_add(one_of_wait(*id)))
                };
                let (after, sources) = (sum(&again.after), sum(&again.sources));
                let by = again.by.map_or(0, one_of_wait);
                finished.content_hash
                    ^ payload.rotate_left(17)
                    ^ after.rotate_left(7)
                    ^ sources.rotate_left(11)
                    ^ by.rotate_left(39)
            }
        };
        // One without keeps the digest that it had before there were any.
        content ^=
            finished.webhook.as_deref().map_or(0, |webhook| settled(webhook).rotate_left(29));
        holds = u64::from(finished.order.is_none());
    }
    let (plain, terms) = plain_or_not(parts.terms_hash);
    let words = [
        (parts.id >> 64) as u64,
        parts.id as u64,
        parts.owner_hash,
        parts.handler_hash,
        parts.fingerprint,
        parts.submitted_at,
        u64::from(parts.returned) << 48
            | plain << 40
            | u64::from(parts.attempt) << 8
            | u64::from(parts.state),
        worker,
        started,
        finished_at,
        content,
        holds,
        terms,
        parts.failed.into(),
        parts.delayed_until,
        parts.wait_hash,
    ];
    let mut bytes = [0; 128];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    // A task of which these say nothing keeps the digest that it had before there were any.
    let covered = match (words[12..15] == [0; 3], parts.wait_hash) {
        (true, 0) => &bytes[..96],
        (false, 0) => &bytes[..120],
        (_, _) => &bytes[..],
    };
    xxh3_128_with_seed(covered, Kind::Task as u64)
}

/// The hash of terms that say nothing but the delivery stands where the delivery stood before there were others.
fn plain_or_not(terms_hash: u64) -> (u64, u64) {
    if terms_hash <= u8::MAX.into() { (terms_hash, 0) } else { (0, terms_hash) }
}

/// The parts of an array's record, all of which the digest covers.
pub struct ArrayParts {
    pub id: u128,
    pub owner_hash: u64,
    pub handler_hash: u64,
    pub fingerprint: u64,
    pub submitted_at: u64,
    pub terms_hash: u64,
    /// The first, and how many.
    pub numbers: (u32, u32),
    pub begun: u32,
    pub forgotten: Forgotten,
    /// Of the places that are early.
    pub early: [u128; 3],
    pub failed: Option<ArrayFailure>,
}

pub fn array(parts: &ArrayParts) -> u128 {
    let forgotten = parts.forgotten;
    let words = [
        (parts.id >> 64) as u64,
        parts.id as u64,
        parts.owner_hash,
        parts.handler_hash,
        parts.fingerprint,
        parts.submitted_at,
        parts.terms_hash,
        u64::from(parts.numbers.0) << 32 | u64::from(parts.numbers.1),
        u64::from(parts.begun),
        u64::from(forgotten.succeeded) << 32 | u64::from(forgotten.failed),
        u64::from(forgotten.cancelled) << 32 | u64::from(forgotten.lost),
        parts.early[0] as u64,
        parts.early[1] as u64,
        parts.early[2] as u64,
    ];
    // One that did not fail keeps the digest that it had before any could.
    let (failed, length) = match parts.failed {
        None => ([0, 0], 0),
        Some(ArrayFailure::Expired(expiry)) => ([expiry as u64, 0], 1),
        Some(ArrayFailure::Skipped { because }) => {
            ([(because.0 >> 64) as u64, because.0 as u64], 2)
        }
    };
    let mut bytes = [0; 128];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words.iter().chain(&failed)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    xxh3_128_with_seed(&bytes[..112 + 8 * length], Kind::Array as u64)
}

pub fn worker(worker: &Worker, handlers: &Handlers) -> u128 {
    let mut bytes = Fields::default();
    bytes.text(&worker.id.0);
    bytes.0.extend(worker.incarnation.to_bytes());
    bytes.number(worker.slots.into());
    bytes.number(worker.handlers.len() as u64);
    for handler in &worker.handlers {
        bytes.text(&handlers[*handler].name.0);
    }
    for (key, value) in &worker.labels {
        bytes.text(key);
        bytes.text(value);
    }
    // A worker without any keeps the digest that it had before there were any.
    for (name, count) in &worker.resources {
        bytes.number(u64::MAX);
        bytes.text(name);
        bytes.number(*count);
    }
    bytes.hash(Kind::Worker)
}

pub fn user(user: &UserRecord) -> u128 {
    let mut bytes = Fields::default();
    let main = user.tokens.get(TokenName::MAIN).map_or("", |token| &token.hash);
    bytes.text(&user.user.0);
    bytes.text(main);
    bytes.number(user.role as u64);
    bytes.number(user.added_at.0);
    // One with the main token alone keeps the digest that it had before there were others.
    for (name, token) in &user.tokens {
        let Token { hash, issued_at, expires_at } = token;
        if &*name.0 == TokenName::MAIN && *issued_at == user.added_at && expires_at.is_none() {
            continue;
        }
        bytes.text(&name.0);
        bytes.text(hash);
        bytes.number(issued_at.0);
        bytes.number(expires_at.map_or(u64::MAX, |at| at.0));
    }
    bytes.hash(Kind::User)
}

pub fn learned(handler: &HandlerName) -> u128 {
    let mut bytes = Fields::default();
    bytes.text(&handler.0);
    bytes.hash(Kind::Handler)
}

pub fn key(key: &Key) -> u128 {
    let mut bytes = Fields::default();
    bytes.text(&key.owner.0);
    bytes.text(&key.name.0);
    bytes.0.extend(key.task.to_bytes());
    bytes.number(key.fingerprint);
    bytes.number(key.until.0);
    bytes.hash(Kind::Key)
}

pub fn schedule((owner, name): &ScheduleKey, entry: &Entry) -> u128 {
    let mut bytes = Fields::default();
    bytes.text(&owner.0);
    bytes.text(&name.0);
    let Schedule { expression, zone, catch_up, overlap, handler, payload, terms } =
        &*entry.schedule;
    for text in [expression, zone, &*handler.0] {
        bytes.text(text);
    }
    bytes.number(xxh3_64(payload));
    bytes.number(terms.hash());
    bytes.number(*catch_up as u64);
    bytes.number(*overlap as u64);
    bytes.number(entry.paused.into());
    bytes.number(entry.created.0);
    bytes.number(entry.changed.0);
    bytes.number(entry.next.map_or(0, |next| next.0.wrapping_add(1)));
    bytes.number(entry.made.is_some().into());
    if let Some(Made { due, task, by_hand, at }) = &entry.made {
        bytes.0.extend(task.to_bytes());
        [due.0, u64::from(*by_hand), at.0].into_iter().for_each(|number| bytes.number(number));
    }
    if let Some(Unmade { due, firing, at }) = &entry.unmade {
        [due.0, at.0].into_iter().for_each(|number| bytes.number(number));
        match firing {
            Firing::Made(_) | Firing::ByHand(_) => {}
            Firing::Missed => bytes.text("missed"),
            Firing::Overlapped => bytes.text("overlapped"),
            Firing::Refused { why } => {
                bytes.text("refused");
                bytes.text(why);
            }
        }
    }
    bytes.hash(Kind::Schedule)
}

pub fn group(group: &Group) -> u128 {
    let mut bytes = Fields::default();
    bytes.text(&group.owner.0);
    bytes.text(&group.name.0);
    group.past.forgotten.iter().for_each(|count| bytes.number(*count));
    for at in [group.past.submitted_at, group.past.started_at, group.past.finished_at] {
        bytes.number(at.map_or(0, |at| at.0.saturating_add(1)));
    }
    // One of which nothing is done once more keeps the digest that it had before that was counted.
    if group.past.repeated != [0; 6] {
        group.past.repeated.iter().for_each(|count| bytes.number(*count));
    }
    bytes.hash(Kind::Group)
}

pub fn owed(owed: &Owed) -> u128 {
    let Owed { report, url, tries, next, error, given_up } = owed;
    let mut bytes = Fields::default();
    for text in [&*url.0, error, &*report.owner.0, &*report.handler.0, &*report.queue.0] {
        bytes.text(text);
    }
    bytes.0.extend(report.task.to_bytes());
    let started = report.started_at.map_or(0, |at| at.0.wrapping_add(1));
    for number in [
        u64::from(*tries),
        next.0,
        report.state as u64,
        report.attempt.0.into(),
        report.submitted_at.0,
        started,
        report.finished_at.0,
        report.result_bytes,
    ] {
        bytes.number(number);
    }
    if let Some((code, message)) = &report.error {
        bytes.text(code);
        bytes.text(message);
    }
    let group = report.group.as_ref().map(|group| &*group.0);
    let schedule = report.schedule.as_ref().map(|schedule| &*schedule.0);
    for text in [group, schedule] {
        bytes.number(text.is_some().into());
        bytes.text(text.unwrap_or_default());
    }
    bytes.0.extend(report.retry_of.map_or([0; 16], TaskId::to_bytes));
    // One of which these say nothing keeps the digest that it had before there were any.
    if let Some(rest) = &report.rest {
        bytes.number(1);
        bytes.number(rest.tasks.into());
        rest.numbers.iter().for_each(|range| {
            bytes.number(u64::from(range.start) << 32 | u64::from(range.end));
        });
    }
    if let Some(at) = given_up {
        bytes.number(2);
        bytes.number(at.0);
    }
    bytes.hash(Kind::Owed)
}

fn settled(settled: &Settled) -> u64 {
    let Settled { is_delivered, tries, error, at } = settled;
    let seed = u64::from(*is_delivered) << 32 | u64::from(*tries);
    xxh3_64_with_seed(error.as_bytes(), seed ^ at.0.rotate_left(40))
}

pub fn source(task: TaskId, source: TaskId) -> u128 {
    let mut bytes = Fields::default();
    bytes.0.extend(task.to_bytes());
    bytes.0.extend(source.to_bytes());
    bytes.hash(Kind::Source)
}

pub fn trace(task: TaskId, TraceContext { trace, span, sampled }: TraceContext) -> u128 {
    let mut bytes = Fields::default();
    bytes.0.extend(task.to_bytes());
    bytes.0.extend(trace.to_le_bytes());
    bytes.number(span);
    bytes.number(sampled.into());
    bytes.hash(Kind::Trace)
}

pub fn reference(task: TaskId, blob: BlobRef) -> u128 {
    let mut bytes = Fields::default();
    bytes.0.extend(task.to_bytes());
    bytes.0.extend(blob.id.0);
    bytes.number(blob.bytes);
    bytes.hash(Kind::Reference)
}

/// A queue that has no settings of its own adds nothing.
pub fn queue(name: &QueueName, settings: QueueSettings) -> u128 {
    if settings == QueueSettings::default() {
        return 0;
    }
    let mut bytes = Fields::default();
    bytes.text(&name.0);
    bytes.number(settings.weight.into());
    bytes.number(settings.max_running.map_or(0, |most| u64::from(most) + 1));
    bytes.number(settings.paused.into());
    bytes.hash(Kind::Queue)
}

/// `user`: `None` of the default one, which adds nothing as long as it limits nothing.
pub fn quota(user: Option<&UserName>, quota: Option<Quota>) -> u128 {
    let Some(quota) = quota.filter(|quota| user.is_some() || *quota != Quota::default()) else {
        return 0;
    };
    let Quota { max_active, max_bytes, max_running, submit_rate } = quota;
    let mut bytes = Fields::default();
    bytes.number(user.is_some().into());
    bytes.text(user.map_or("", |user| &user.0));
    for limit in [max_active, max_bytes, max_running.map(u64::from), submit_rate.map(u64::from)] {
        // Each is at least 1.
        bytes.number(limit.unwrap_or(0));
    }
    bytes.hash(Kind::Quota)
}

/// Fields one after another, each with its length.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn hash(&self, kind: Kind) -> u128 {
        xxh3_128_with_seed(&self.0, kind as u64)
    }
}
