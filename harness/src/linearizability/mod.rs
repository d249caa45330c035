//! G4, looked at from outside: whether what real clients were answered is what one copy, asked by one client at a
//! time, could have answered.
//!
//! Linearizability is local: a history is linearizable if the part of each object is. Each task is an object of
//! its own, so there are many small histories. A list counts as a read of each task that it shows; what a
//! page leaves out is not looked at. A call that failed without a definite answer stays under way for ever: it may
//! have happened at any time after it began, or never.
//!
//! The search is [`stateright`]'s. It never asks the platform anything.

mod history;
mod reduce;
mod specification;

use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester};

pub use history::{Answer, Asked, Call, Histories, Sight, text};

use specification::KnownTask;

/// Whether the calls about one task have an order that one copy could have answered them in.
pub fn is_linearizable(calls: &[Call]) -> bool {
    let calls = reduce::telling(calls);
    let mut moments = Vec::with_capacity(2 * calls.len());
    for (nth, call) in calls.iter().enumerate() {
        moments.push((call.began, Moment::Invoked, nth));
        moments.extend(call.answered.map(|(ended, _)| (ended, Moment::Returned, nth)));
    }
    // What ends when another begins may overlap with it: invocations come first.
    moments.sort();
    let mut tester = LinearizabilityTester::new(KnownTask::default());
    for (_, moment, nth) in moments {
        // The tester's thread is the call: who asked says nothing that the times do not.
        let told = match moment {
            Moment::Invoked => tester.on_invoke(nth, calls[nth].asked),
            Moment::Returned => {
                tester.on_return(nth, calls[nth].answered.map(|(_, answer)| answer))
            }
        };
        assert!(told.is_ok(), "each call is told once when it begins and once when it ends");
    }
    tester.is_consistent()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Invoked,
    Returned,
}

#[cfg(test)]
mod tests;
