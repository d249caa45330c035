//! Telling receivers of tasks' ends: attempts take time, fail, and are lost with the process or the office that began them.

use std::sync::{Arc, Mutex, PoisonError};

use orquestrador::driver::input::Input;
use orquestrador::driver::posts::Posts;
use orquestrador_core::Command;
use orquestrador_core::ids::TaskId;
use orquestrador_core::webhook::{Owed, Posted};

use crate::clock::MILLI;
use crate::invariants::Violation;
use crate::network::{End, Party};
use crate::world::{Event, World};

/// What the driver has begun since the world looked.
#[derive(Clone, Default)]
pub struct SimulatedPosts(Arc<Mutex<Begun>>);

#[derive(Default)]
struct Begun {
    owed: Vec<Arc<Owed>>,
    /// Offices that ended: their attempts are reported no more.
    offices: u64,
}

/// On its way to the receiver.
pub struct Attempt {
    pub end: End,
    owed: Arc<Owed>,
    office: u64,
}

impl SimulatedPosts {
    fn with<T>(&self, look: impl FnOnce(&mut Begun) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Posts for SimulatedPosts {
    fn post(&self, owed: Arc<Owed>) {
        self.with(|begun| begun.owed.push(owed));
    }

    fn stop(&self) {
        self.with(|begun| {
            begun.owed.clear();
            begun.offices += 1;
        });
    }
}

impl World {
    /// What the driver began in this turn is on its way.
    pub fn begin_posts(&mut self, place: usize) -> Result<(), Violation> {
        let end = self.places[place].end();
        let Some(process) = &self.places[place].process else { return Ok(()) };
        let (owed, office) =
            process.posts.with(|begun| (std::mem::take(&mut begun.owed), begun.offices));
        for owed in owed {
            self.truth.webhooks.on_posted(&owed.report)?;
            let at = self.now() + self.posts_chance.between(1, 400) * MILLI;
            self.schedule.put(at, Event::Posted(Attempt { end, owed, office }));
        }
        Ok(())
    }

    /// The receiver decides; whoever asked may hear it.
    pub fn posted(&mut self, attempt: Attempt) -> Result<(), Violation> {
        if let Some(until) = self.paused_until(attempt.end.party) {
            self.schedule.put(until, Event::Posted(attempt));
            return Ok(());
        }
        let Attempt { end, owed, office } = attempt;
        let Party::Node(place) = end.party else { return Ok(()) };
        let living = self.places[place].living(end);
        let is_heard =
            living.is_some_and(|process| process.posts.with(|begun| begun.offices) == office);
        // The request of one that is gone may have arrived all the same.
        if !is_heard && self.posts_chance.coin() {
            return Ok(());
        }
        let posted = self.receive(owed.report.task);
        if is_heard {
            let (task, tries) = (owed.report.task, owed.tries);
            self.put_in(place, Input::Session(Command::ReportPost { task, tries, posted }));
        }
        Ok(())
    }

    fn receive(&mut self, task: TaskId) -> Posted {
        let posted = match self.posts_chance.between(0, 100) {
            0..55 => Posted::Accepted,
            55..60 => Posted::Gone { error: "gone".into() },
            60..80 => Posted::Failed { error: "busy".into(), after_ms: Some(700) },
            _ => Posted::Failed { error: "broken".into(), after_ms: None },
        };
        self.truth.webhooks.on_answered(task, &posted);
        posted
    }
}
