//! A submission that was answered with "known already" is two calls: the client library repeats what nobody answers,
//! so the task may have been accepted by a first try, and shown as it was at a later one.
//!
//! Of many calls with one answer a few tell everything, so that a search stays small however often a task was
//! looked at.
//!
//! A task never returns to where it was. Between two calls with the same answer it therefore looked the same all
//! the time, and whoever got that answer in between could be answered then. What matters is the call that *ended
//! first*, the one that *began last*, and, because a repeated submission or cancellation changes something once,
//! the one that *began first*: whichever of them changed it, the first could have. The verdict is the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{Answer, Asked, Call};

/// The calls that decide.
pub fn telling(calls: &[Call]) -> Vec<Call> {
    let mut told = Vec::new();
    let mut groups: BTreeMap<(Effect, Option<Answer>), Vec<Call>> = BTreeMap::new();
    for call in &calls.iter().flat_map(tries).collect::<Vec<_>>() {
        let (effect, answer) = (effect(call), call.answered.map(|(_, answer)| answer));
        match answer {
            // Two of them are one too many.
            Some(Answer::Accepted { existed: false, .. }) => told.push(*call),
            None if effect == Effect::Nothing => {}
            Some(_) | None => groups.entry((effect, answer)).or_default().push(*call),
        }
    }
    for group in groups.values() {
        let ended = |call: &Call| call.answered.map_or(Duration::MAX, |(ended, _)| ended);
        let mut kept: Vec<usize> = [
            (0..group.len()).min_by_key(|nth| group[*nth].began),
            (0..group.len()).min_by_key(|nth| ended(&group[*nth])),
            (0..group.len()).max_by_key(|nth| group[*nth].began),
        ]
        .into_iter()
        .flatten()
        .collect();
        kept.sort_unstable();
        kept.dedup();
        told.extend(kept.into_iter().map(|nth| group[nth]));
    }
    told
}

fn tries(call: &Call) -> Vec<Call> {
    match call.answered {
        Some((ended, Answer::Accepted { sight, existed: true })) => {
            vec![
                Call { answered: None, ..*call },
                Call { answered: Some((ended, Answer::Shown(sight))), ..*call },
            ]
        }
        Some(_) | None => vec![*call],
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    Nothing,
    Submits,
    Cancels,
}

fn effect(call: &Call) -> Effect {
    match (call.asked, call.answered.map(|(_, answer)| answer)) {
        (_, Some(Answer::Shown(_) | Answer::NotFound | Answer::Finished)) => Effect::Nothing,
        (Asked::Submit, _) => Effect::Submits,
        (Asked::Cancel, _) => Effect::Cancels,
        (Asked::Status | Asked::Result | Asked::List, _) => Effect::Nothing,
    }
}
