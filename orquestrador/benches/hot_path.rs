//! What one task costs in each layer by itself: `cargo bench -p orquestrador`. Every figure is of a batch.

use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use orquestrador::journal::{Content, Entry, Journal};
use orquestrador_core::command::{
    ConnectWorker, Delivery, NewTask, Outcome, ReportedOutcome, Start,
};
use orquestrador_core::ids::{Epoch, ProcessId, RequestId, SessionId, TaskId, Timestamp};
use orquestrador_core::{Command, Effect, Event, Limits, Machine, Step};

const BATCH: usize = 1_000;
const PAYLOAD: [u8; 64] = [7; 64];
const RECOVERED: usize = 100_000;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Two workers with room for everything.
fn machine() -> Machine {
    let mut machine = Machine::new(Limits::default());
    let mut step = Step::default();
    machine.take_office(NOW, &mut step);
    for nth in 1..=2_u64 {
        let worker = ConnectWorker {
            session: SessionId(nth),
            worker: format!("localhost:5006{nth}").as_str().into(),
            incarnation: ProcessId(nth.into()),
            slots: 4_096,
            handlers: ["command", "echo", "mandelbrot", "simulated"].map(Into::into).to_vec(),
            labels: Vec::new(),
            resources: Vec::new(),
            held: Vec::new(),
        };
        machine.handle(NOW, Command::ConnectWorker(worker), &mut step);
    }
    machine
}

fn submission(first: u128) -> Command {
    // Ascending, as those of clients do, and none of an array.
    let tasks = (first..first + BATCH as u128).map(|number| NewTask {
        id: TaskId(number << 80 | 7 << 76 | 1),
        handler: "echo".into(),
        payload: PAYLOAD[..].into(),
        terms: Delivery::AtLeastOnce.into(),
        start: Start::Now,
        after: None,
        key: None,
        blobs: vec![],
        trace: None,
    });
    Command::Submit {
        request: RequestId(1),
        owner: "user1".into(),
        tasks: tasks.collect(),
        allow_unknown_handler: false,
    }
}

fn outcomes(effects: &[Effect]) -> Vec<Command> {
    (1..=2)
        .map(|nth| {
            let session = SessionId(nth);
            let of_session = effects.iter().filter_map(|effect| match effect {
                Effect::Assign { session: to, assignment } if *to == session => Some(assignment),
                _ => None,
            });
            let outcomes = of_session.map(|assignment| ReportedOutcome {
                attempt: assignment.attempt,
                outcome: Outcome::Succeeded { result: assignment.payload.clone() },
                blobs: vec![],
            });
            Command::ReportOutcomes { session, outcomes: outcomes.collect() }
        })
        .collect()
}

/// The task machine alone: submitted, assigned, finished.
fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.throughput(Throughput::Elements(BATCH as u64));
    let (mut machine, mut first) = (machine(), 1);
    group.bench_function("task", |bencher| {
        bencher.iter_batched(
            || {
                first += BATCH as u128;
                submission(first)
            },
            |submission| {
                let mut step = Step::default();
                machine.handle(NOW, submission, &mut step);
                for command in outcomes(&step.effects) {
                    machine.handle(NOW, command, &mut step);
                }
                assert!(step.events.len() >= 3 * BATCH, "submitted, assigned, finished");
                step
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// The events of a batch, from submission to outcome.
fn events() -> Vec<Event> {
    let mut machine = machine();
    let mut step = Step::default();
    machine.handle(NOW, submission(1), &mut step);
    for command in outcomes(&step.effects) {
        machine.handle(NOW, command, &mut step);
    }
    // What was refused would cost nothing.
    assert_eq!(step.events.len(), 3 * BATCH, "submitted, assigned, finished");
    step.events
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(BATCH as u64));
    let content = Content::Events(events());
    let encoded = content.encode();
    group.bench_function("encode", |bencher| bencher.iter(|| content.encode()));
    group.bench_function("decode", |bencher| bencher.iter(|| Content::decode(&encoded)));
    group.finish();
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.measurement_time(Duration::from_secs(5));
    for (name, payload) in [("append_200_B", vec![1; 200]), ("append_256_KiB", vec![1; 256 << 10])]
    {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (journal, _) = Journal::open(dir.path()).expect("an empty journal");
        let payload = Bytes::from(payload);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let entry = Entry::following(&journal.last(), Epoch(1), payload.clone());
                journal.append(&[entry]).expect("an append");
            });
        });
    }
    group.finish();
}

/// Opening a journal of tasks that were only submitted, and applying it.
fn recovery(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (journal, _) = Journal::open(dir.path()).expect("an empty journal");
    for first in (0..RECOVERED).step_by(BATCH) {
        let mut machine = Machine::new(Limits::default());
        let mut step = Step::default();
        machine.take_office(NOW, &mut step);
        machine.handle(NOW, submission(1 + first as u128), &mut step);
        let payload = Content::Events(step.events).encode();
        let entry = Entry::following(&journal.last(), Epoch(1), payload);
        journal.append(&[entry]).expect("an append");
    }
    drop(journal);
    let mut group = criterion.benchmark_group("recovery");
    group.throughput(Throughput::Elements(RECOVERED as u64)).sample_size(10);
    group.bench_function("tasks", |bencher| {
        bencher.iter(|| {
            let (journal, _) = Journal::open(dir.path()).expect("a whole journal");
            let mut machine = Machine::new(Limits::default());
            let entries = journal.read(journal.first(), usize::MAX).expect("entries");
            for entry in entries {
                let Ok(Content::Events(events)) = Content::decode(&entry.payload) else {
                    unreachable!("only events were appended");
                };
                events.iter().for_each(|event| machine.apply(event));
            }
            assert_eq!(machine.task_count(), RECOVERED as u64);
            machine
        });
    });
    group.finish();
}

criterion_group!(hot_path, step, codec, journal, recovery);
criterion_main!(hot_path);
