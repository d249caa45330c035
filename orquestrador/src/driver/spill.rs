//! Long payloads and results are put where the kernel can take them out of memory, before the machine sees them:
//! it keeps those as they come.

use std::borrow::Cow;

use orquestrador_core::command::Outcome;
use orquestrador_core::event::RestoredEnd;
use orquestrador_core::ids::Blob;
use orquestrador_core::limits::SMALL_BYTES;
use orquestrador_core::{Command, Event};
use orquestrador_spill::Kind;

use super::store::Store;

/// What was asked for, with its long contents on the disk.
pub fn command(store: &impl Store, mut command: Command) -> Command {
    match &mut command {
        Command::Submit { tasks, .. } => {
            tasks.iter_mut().for_each(|task| keep(store, Kind::Payload, &mut task.payload));
        }
        Command::SubmitArray { array, .. } => keep(store, Kind::Payload, &mut array.payload),
        Command::ReportOutcomes { outcomes, .. } => {
            for reported in outcomes {
                let content = match &mut reported.outcome {
                    Outcome::Succeeded { result } => result,
                    Outcome::Failed(failure) => &mut failure.output,
                };
                keep(store, Kind::Result, content);
            }
        }
        _ => {}
    }
    command
}

/// What happened, with its long contents on the disk.
pub fn event<'a>(store: &impl Store, event: &'a Event) -> Cow<'a, Event> {
    // Most are short, and are not copied to find that out.
    if content(event).is_none_or(|content| content.len() <= SMALL_BYTES) {
        return Cow::Borrowed(event);
    }
    let mut event = event.clone();
    if let Some((kind, content)) = content_mut(&mut event) {
        keep(store, kind, content);
    }
    Cow::Owned(event)
}

fn content(event: &Event) -> Option<&Blob> {
    match event {
        Event::TaskSubmitted { payload, .. } | Event::ArraySubmitted { payload, .. } => {
            Some(payload)
        }
        Event::ArrayRestored(restored) => Some(&restored.payload),
        Event::TaskSucceeded { result, .. } => Some(result),
        Event::TaskFailed { failure, .. } => Some(&failure.output),
        Event::TaskRestored(restored) => match &restored.end {
            RestoredEnd::Succeeded { result } => Some(result),
            RestoredEnd::Failed(failure) => Some(&failure.output),
            RestoredEnd::Cancelled | RestoredEnd::Lost(_) => None,
        },
        _ => None,
    }
}

fn content_mut(event: &mut Event) -> Option<(Kind, &mut Blob)> {
    match event {
        Event::TaskSubmitted { payload, .. } | Event::ArraySubmitted { payload, .. } => {
            Some((Kind::Payload, payload))
        }
        Event::ArrayRestored(restored) => Some((Kind::Payload, &mut restored.payload)),
        Event::TaskSucceeded { result, .. } => Some((Kind::Result, result)),
        Event::TaskFailed { failure, .. } => Some((Kind::Result, &mut failure.output)),
        Event::TaskRestored(restored) => match &mut restored.end {
            RestoredEnd::Succeeded { result } => Some((Kind::Result, result)),
            RestoredEnd::Failed(failure) => Some((Kind::Result, &mut failure.output)),
            RestoredEnd::Cancelled | RestoredEnd::Lost(_) => None,
        },
        _ => None,
    }
}

fn keep(store: &impl Store, kind: Kind, blob: &mut Blob) {
    if blob.len() > SMALL_BYTES {
        *blob = store.keep(kind, blob);
    }
}
