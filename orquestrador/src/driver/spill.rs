//! Long payloads and results are put where the kernel can take them out of memory, before the machine sees them:
//! it keeps those as they come.

use std::borrow::Cow;

use orquestrador_core::command::Outcome;
use orquestrador_core::event::RestoredEnd;
use orquestrador_core::ids::Blob;
use orquestrador_core::limits::SMALL_BYTES;
use orquestrador_core::{Command, Event};

use super::store::Store;
use crate::journal::Error;

/// What was asked for, with its long contents on the disk.
///
/// # Errors
/// They could not be written.
pub fn command(store: &impl Store, mut command: Command) -> Result<Command, Error> {
    match &mut command {
        Command::Submit { tasks, .. } => {
            tasks.iter_mut().try_for_each(|task| keep(store, &mut task.payload))?;
        }
        Command::ReportOutcomes { outcomes, .. } => {
            for reported in outcomes {
                match &mut reported.outcome {
                    Outcome::Succeeded { result } => keep(store, result)?,
                    Outcome::Failed(failure) => keep(store, &mut failure.output)?,
                }
            }
        }
        _ => {}
    }
    Ok(command)
}

/// What happened, with its long contents on the disk.
///
/// # Errors
/// They could not be written.
pub fn event<'a>(store: &impl Store, event: &'a Event) -> Result<Cow<'a, Event>, Error> {
    let mut event = Cow::Borrowed(event);
    if !content(&event).is_some_and(is_long) {
        return Ok(event);
    }
    let blob = match event.to_mut() {
        Event::TaskSubmitted { payload, .. } => payload,
        Event::TaskSucceeded { result, .. } => result,
        Event::TaskFailed { failure, .. } => &mut failure.output,
        Event::TaskRestored(restored) => match &mut restored.end {
            RestoredEnd::Succeeded { result } => result,
            RestoredEnd::Failed(failure) => &mut failure.output,
            RestoredEnd::Cancelled | RestoredEnd::Lost(_) => return Ok(event),
        },
        _ => return Ok(event),
    };
    keep(store, blob)?;
    Ok(event)
}

fn content(event: &Event) -> Option<&Blob> {
    match event {
        Event::TaskSubmitted { payload, .. } => Some(payload),
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

fn is_long(blob: &Blob) -> bool {
    blob.len() > SMALL_BYTES
}

fn keep(store: &impl Store, blob: &mut Blob) -> Result<(), Error> {
    if is_long(blob) {
        *blob = store.keep(blob)?;
    }
    Ok(())
}
