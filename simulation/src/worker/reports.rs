//! What a simulated worker tells of attempts: what they came to, and what it gives back of those that it holds ready and,
//! when it is drained, of those that it runs.

use common::proto::worker_message::Message;
use common::proto::{
    AttemptRef, AttemptsEnded, AttemptsReturned, Drain, Outcome, Outcomes, Prefetch,
};

use crate::network::ConnId;
use crate::world::{Phase, World};

impl World {
    /// Now and then: other tasks take other times.
    pub(super) fn ask_ahead(&mut self, nth: usize, conn: ConnId) {
        let worker = &mut self.workers[nth];
        if worker.session.as_ref().is_none_or(|s| s.epoch.is_none()) {
            return;
        }
        if worker.chance.one_in_thousand(200) {
            let tasks = worker.chance.between(0, 4) as u32;
            self.say(nth, conn, Message::Prefetch(Prefetch { tasks }));
        }
        let worker = &mut self.workers[nth];
        if !worker.waiting.is_empty() && worker.chance.one_in_thousand(300) {
            let returned: Vec<_> = worker.waiting.drain(..).map(|(key, _)| key).collect();
            returned.iter().for_each(|key| worker.slots.give_back(key));
            self.tell(|_| format!("worker {nth} gives back {}", returned.len()));
            self.give_back(nth, returned.iter().map(AttemptRef::from).collect(), false);
        }
    }

    /// Those that were stopped; in the next session, if there is none.
    pub(super) fn tell_given_up(&mut self, nth: usize) {
        let given_up = self.workers[nth].slots.given_up();
        if !given_up.is_empty() && self.registered_conn(nth).is_some() {
            self.workers[nth].slots.forget_given_up(&given_up);
            self.give_back(nth, given_up, true);
        }
    }

    pub(super) fn give_back(&mut self, nth: usize, attempts: Vec<AttemptRef>, begun: bool) {
        if let Some(conn) = self.registered_conn(nth) {
            self.say(nth, conn, Message::Returned(AttemptsReturned { attempts, begun }));
        }
    }

    /// An operator ends it, now and then, and has no patience: what runs is stopped. It leaves once nothing is held.
    pub(super) fn drain(&mut self, nth: usize, conn: ConnId) {
        let (odds, is_quiet) = (self.plan.drains, self.phase != Phase::Faults);
        if odds == 0 || self.registered_conn(nth).is_none() {
            return;
        }
        let worker = &mut self.workers[nth];
        if worker.drains {
            if worker.slots.is_empty() {
                self.kill_worker(nth);
            }
        } else if !is_quiet && worker.chance.one_in_thousand(odds) {
            worker.drains = true;
            let waiting: Vec<_> = worker.waiting.drain(..).map(|(key, _)| key).collect();
            waiting.iter().for_each(|key| worker.slots.give_back(key));
            let running = worker.slots.give_up();
            self.tell(|_| format!("worker {nth} drains and stops {}", running.len()));
            self.say(nth, conn, Message::Drain(Drain {}));
            self.give_back(nth, waiting.iter().map(AttemptRef::from).collect(), false);
            running.into_iter().for_each(|key| self.stop(nth, key));
        }
    }

    pub(super) fn report(&mut self, nth: usize, outcomes: Vec<Outcome>) {
        if let Some(conn) = self.registered_conn(nth) {
            self.say(nth, conn, Message::Outcomes(Outcomes { outcomes }));
        }
    }

    pub(super) fn report_end(&mut self, nth: usize, attempt: AttemptRef) {
        if let Some(conn) = self.registered_conn(nth) {
            let attempts = vec![attempt];
            self.say(nth, conn, Message::Ended(AttemptsEnded { attempts }));
        }
    }
}
