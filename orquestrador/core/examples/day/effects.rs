//! What the machine says to the workers, and what they do about it.

use orquestrador_core::command::AttemptRef;
use orquestrador_core::effect::{Notice, TaskState};
use orquestrador_core::ids::SessionId;
use orquestrador_core::{Answer, Effect};

use crate::agenda::Happening;
use crate::day::Day;
use crate::load;
use crate::settings::SLICE_MS;

const POISON_TAKES_MS: u64 = 2_000;

impl Day {
    pub(crate) fn settle(&mut self) {
        if self.step.events.is_empty() && self.step.effects.is_empty() {
            return;
        }
        let mut step = std::mem::take(&mut self.step);
        self.tally.record(&step);
        step.effects.drain(..).for_each(|effect| self.follow(effect));
        step.events.clear();
        self.step = step;
    }

    fn follow(&mut self, effect: Effect) {
        match effect {
            Effect::Assign { session, assignment } => self.begin(session, assignment.attempt),
            Effect::AcknowledgeOutcome { session, attempt } => {
                self.tally.to_workers += 1;
                if let Some(worker) = self.fleet.listener(session) {
                    self.fleet[worker].done.retain(|outcome| outcome.attempt != attempt);
                }
            }
            Effect::CancelAttempt { session, attempt } => {
                self.tally.to_workers += 1;
                let Some(worker) = self.fleet.listener(session) else { return };
                self.fleet[worker].running.retain(|running| *running != attempt);
                self.fleet[worker].done.retain(|outcome| outcome.attempt != attempt);
                let at = self.now + 2 * SLICE_MS;
                self.agenda.add(at, Happening::Stopped { worker, attempt });
            }
            Effect::CloseSession { session, .. } => {
                let Some(worker) = self.fleet.listener(session) else { return };
                self.fleet.hang_up(worker);
                let at = self.now + self.random.between(100, 1_000);
                self.agenda.add(at, Happening::Dials { worker });
            }
            Effect::Answer { answer, .. } => {
                self.tally.answers += 1;
                self.answered(answer.ok());
            }
            Effect::Notice(Notice::OutcomeFenced { .. }) => self.tally.fenced += 1,
            Effect::Welcome { .. } => self.tally.to_workers += 1,
            Effect::Notice(_)
            | Effect::TaskChanged { .. }
            | Effect::CancelledInArray { .. }
            | Effect::GroupEnded { .. }
            | Effect::Post { .. }
            | Effect::UsersChanged { .. } => {}
        }
    }

    fn begin(&mut self, session: SessionId, attempt: AttemptRef) {
        self.tally.to_workers += 1;
        let nth = self.fleet.worker_of(session);
        self.fleet[nth].assigned += 1;
        // Nobody reads what was sent to a dead or silent one.
        let Some(worker) = self.fleet.listener(session) else { return };
        self.fleet[worker].running.push(attempt);
        if load::is_poisonous(attempt.task) {
            let incarnation = self.fleet[worker].incarnation;
            let at = self.now + POISON_TAKES_MS;
            self.agenda.add(at, Happening::Dies { worker, incarnation });
        } else {
            let at = self.now + self.load.duration_ms(attempt.task);
            self.agenda.add(at, Happening::Ends { worker, attempt });
        }
    }

    fn answered(&mut self, answer: Option<Answer>) {
        match answer {
            Some(Answer::Overview(overview)) => {
                let busy = overview.workers.iter().map(|worker| u64::from(worker.busy)).sum();
                self.tally.looked(overview.counts[TaskState::Queued as usize], busy);
            }
            Some(_) => {}
            None => self.tally.refused += 1,
        }
    }
}
