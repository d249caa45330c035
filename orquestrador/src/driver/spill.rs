//! Long payloads and all results are put where the kernel can take them out of memory, before the machine sees them:
//! it keeps those as they come.

use std::sync::Arc;

use orquestrador_core::command::{Failure, Outcome};
use orquestrador_core::event::RestoredEnd;
use orquestrador_core::ids::Blob;
use orquestrador_core::limits::SMALL_BYTES;
use orquestrador_core::{Command, Event};

use super::store::Store;

/// What was asked for, with its contents on the disk.
pub fn command(store: &impl Store, mut command: Command) -> Command {
    match &mut command {
        Command::Submit { tasks, .. } => {
            tasks.iter_mut().for_each(|task| keep_payload(store, &mut task.payload));
        }
        Command::SubmitArray { array, .. } => keep_payload(store, &mut array.payload),
        Command::SubmitFlow { work, .. } => {
            work.iter_mut().for_each(|part| keep_payload(store, part.payload_mut()));
        }
        Command::KeepOutput { output, .. } => keep_results(store, vec![output]),
        Command::SetSchedule { schedule, .. } => {
            keep_payload(store, &mut Arc::make_mut(schedule).payload);
        }
        Command::ReportOutcomes { outcomes, .. } => {
            let results = outcomes.iter_mut().map(|reported| match &mut reported.outcome {
                Outcome::Succeeded { result } => result,
                Outcome::Failed(failure) => &mut failure.output,
            });
            keep_results(store, results.collect());
        }
        _ => {}
    }
    command
}

/// What happened, with its contents on the disk.
pub fn events(store: &impl Store, events: &mut [Event]) {
    let mut results = Vec::new();
    for event in events {
        match event {
            Event::TaskSubmitted { payload, .. } | Event::ArraySubmitted { payload, .. } => {
                keep_payload(store, payload);
            }
            Event::ScheduleSet { schedule, .. } => {
                keep_payload(store, &mut Arc::make_mut(schedule).payload);
            }
            Event::ArrayRestored(restored) => keep_payload(store, &mut restored.payload),
            Event::TaskSucceeded { result, .. } => results.push(result),
            Event::TaskFailed { failure, .. } => results.push(&mut failure.output),
            Event::OutputKept { output, .. } => results.push(output),
            Event::TaskRestored(restored) => {
                if let Some(again) = &mut restored.again {
                    keep_payload(store, &mut again.payload);
                }
                match &mut restored.end {
                    RestoredEnd::Succeeded { result } => results.push(result),
                    RestoredEnd::Failed(Failure { output, .. })
                    | RestoredEnd::Lost { output, .. }
                    | RestoredEnd::Cancelled { output } => results.push(output),
                }
            }
            _ => {}
        }
    }
    keep_results(store, results);
}

fn keep_payload(store: &impl Store, payload: &mut Blob) {
    if payload.len() > SMALL_BYTES {
        *payload = store.keep_payload(payload);
    }
}

/// Many at a time: each is short, and a write is not.
fn keep_results(store: &impl Store, mut results: Vec<&mut Blob>) {
    if !results.is_empty() {
        store.keep_results(&mut results);
    }
}
