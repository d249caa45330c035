//! The way of plain tasks through the task machine, and nothing else: how many instructions it takes can be counted, whatever
//! else the machine is doing.
//!
//! ```text
//! cargo build --release -p orquestrador-core --example steps
//! valgrind --tool=callgrind --callgrind-out-file=steps.out target/release/examples/steps
//! callgrind_annotate --inclusive=yes steps.out
//! ```
//!
//! What `Machine::handle` takes, divided by the number of tasks that is printed, is what a task takes.

use bytes::Bytes;
use orquestrador_core::command::{
    ConnectWorker, Delivery, NewTask, Outcome, ReportedOutcome, Start,
};
use orquestrador_core::ids::{ProcessId, RequestId, SessionId, TaskId, Timestamp};
use orquestrador_core::{Command, Effect, Limits, Machine, Step};

const TASKS: u64 = 30_016;
const BATCH: u64 = 64;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn connect(session: u64) -> Command {
    Command::ConnectWorker(ConnectWorker {
        session: SessionId(session),
        worker: format!("localhost:5006{session}").as_str().into(),
        incarnation: ProcessId(session.into()),
        slots: 4_096,
        handlers: ["command", "echo", "mandelbrot", "simulated"].map(Into::into).to_vec(),
        labels: Vec::new(),
        resources: Vec::new(),
        held: Vec::new(),
    })
}

/// Ids ascend, as those of clients do.
fn submit(first: u64, payload: &Bytes) -> Command {
    let tasks = (first..first + BATCH).map(|number| NewTask {
        id: TaskId(u128::from(number + 1) << 64 | u128::from(number << 32 | 1)),
        handler: "echo".into(),
        payload: payload.clone(),
        terms: Delivery::AtLeastOnce.into(),
        start: Start::Now,
        after: None,
        key: None,
        blobs: vec![],
        trace: None,
    });
    Command::Submit {
        request: RequestId(first),
        owner: "user1".into(),
        tasks: tasks.collect(),
        allow_unknown_handler: false,
    }
}

/// Of what the worker was given in this step: each task succeeds with its payload.
fn report(worker: u64, step: &Step) -> Command {
    let session = SessionId(worker);
    let given = step.effects.iter().filter_map(|effect| match effect {
        Effect::Assign { session: to, assignment } if *to == session => Some(assignment),
        _ => None,
    });
    let outcomes = given.map(|assignment| ReportedOutcome {
        attempt: assignment.attempt,
        outcome: Outcome::Succeeded { result: assignment.payload.clone() },
        blobs: vec![],
    });
    Command::ReportOutcomes { session, outcomes: outcomes.collect() }
}

fn main() {
    let mut machine = Machine::new(Limits::default());
    let mut step = Step::default();
    machine.take_office(NOW, &mut step);
    machine.tell_changes(false);
    for worker in 1..=2 {
        machine.handle(NOW, connect(worker), &mut step);
    }
    let payload = Bytes::from_static(&[7; 64]);
    for first in (0..TASKS).step_by(BATCH as usize) {
        // As a driver does, which keeps the room that earlier steps needed.
        step.events.clear();
        step.effects.clear();
        machine.handle(NOW, submit(first, &payload), &mut step);
        for worker in 1..=2 {
            let report = report(worker, &step);
            machine.handle(NOW, report, &mut step);
        }
    }
    println!("{} tasks", machine.task_count());
}
