//! One session with the principal: assignments come in, outcomes and ends go out. Never looks for another
//! principal; it only ends when one is named.

use std::time::{Duration, Instant};

use common::endpoint::Endpoint;
use common::messages::Message as _;
use common::messages::worker::WorkerMessage as Line;
use common::proto::orchestrator_message::Message as FromOrchestrator;
use common::proto::worker_message::Message;
use common::proto::{
    Assignment, AttemptOutput, AttemptRef, AttemptsEnded, AttemptsReturned, Drain, LiveOutput,
    OrchestratorMessage, Outcome, Outcomes, Prefetch, WorkerMessage, outcome,
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{STOPPING, Worker, at};
use crate::executor::{self, Start};
use crate::files::Seat;
use crate::prefetch::PATIENCE;
use crate::session::{self, Session};
use crate::slots::{Cancellation, Ending, Key, Reception};

/// Result bytes in one message.
const REPORT_BYTES: usize = 4 << 20;
/// Outcomes in one message.
const REPORT_COUNT: usize = 5_000;

/// Output of running attempts in one message.
const OUTPUT_BYTES: usize = 4 << 20;

/// A worker that ends waits so long for the orchestrator to end the stream.
const FAREWELL: Duration = Duration::from_secs(1);
/// So long outcomes wait for others.
const GATHER: Duration = Duration::from_millis(8);

/// Until the orchestrator has heard all that was said and ends the stream, too: a process that just ended would take its
/// last words along, and be considered failed.
async fn take_leave(mut inbox: Streaming<OrchestratorMessage>) {
    let ended = async { while let Ok(Some(_)) = inbox.message().await {} };
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        tracing::debug!("the orchestrator did not end the stream");
    }
}

impl Worker {
    /// Until the stream ends, falls silent, or a draining worker is done.
    /// Gives the principal that was elected meanwhile, if that is why.
    pub(super) async fn converse(&mut self, session: Session) -> Option<Endpoint> {
        let Session { endpoint, epoch, registered, outbox, mut inbox } = session;
        self.highest_epoch = epoch;
        self.cluster_id = registered.cluster_id;
        let cluster = self.cluster_id.clone();
        self.seat.send_replace(Some(Seat { endpoint: endpoint.clone(), cluster }));
        self.bear_witness();
        let connected = Line::Connected { address: endpoint.to_string(), epoch };
        self.console.info(&connected);
        self.supervisor.status(&connected.text(self.config.lang));
        self.supervisor.ready();
        let interval = Duration::from_millis(u64::from(registered.heartbeat_interval_ms.max(10)));
        let lease = Duration::from_millis(u64::from(registered.lease_ms.max(100)));
        let heartbeat = tokio::spawn(session::heartbeat(outbox.clone(), interval));
        // What was reported before may have been lost with the stream before.
        self.reports = self.slots.outcomes();
        self.stopped = self.slots.given_up();
        self.alone_since = None;
        self.prefetch.forget_told();
        self.executor.forget_told();
        self.said.clear();
        let mut heard = tokio::time::Instant::now();
        let (drain, mut told_drain) = (self.drain.clone(), false);
        let give_up = self.give_up.clone();
        let mut next = None;
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            self.pulse.beat();
            if drain.is_cancelled() && !told_drain {
                told_drain = true;
                if outbox.send(message(Message::Drain(Drain {}))).await.is_err() {
                    break;
                }
            }
            self.give_up_running().await;
            self.give_back_waiting(told_drain);
            let gather = self.gather_until();
            if gather.is_none() && self.report(&outbox).await.is_err() {
                break;
            }
            // And has told all: also that what was cancelled has ended.
            if self.is_done() {
                break;
            }
            let patience = self.executor.waiting_since().map(|since| since + PATIENCE);
            tokio::select! {
                received = inbox.message() => match of_epoch(received, epoch) {
                    Some(received) => {
                        heard = tokio::time::Instant::now();
                        self.receive(received);
                        if self.hanging {
                            break;
                        }
                    }
                    None => break,
                },
                Some((key, outcome)) = self.ended.recv() => {
                    self.finished(&key, outcome);
                    while let Ok((key, outcome)) = self.ended.try_recv() {
                        self.finished(&key, outcome);
                    }
                }
                () = tokio::time::sleep_until(heard + lease) => {
                    tracing::debug!("the principal is silent");
                    break;
                }
                successor = self.news.successor_of(epoch) => {
                    tracing::debug!(?successor, "another principal was elected");
                    next = Some(self.heard_of(successor));
                    break;
                }
                () = drain.cancelled(), if !told_drain => {}
                () = give_up.cancelled(), if self.drop_at.is_none() => {}
                () = at(self.drop_at), if self.slots.running() > 0 => {}
                () = at(patience) => {}
                () = at(gather) => {}
                _ = tick.tick() => {
                    self.lines.tick();
                    self.said.extend(self.executor.output());
                }
            }
        }
        heartbeat.abort();
        self.alone_since = Some(Instant::now());
        self.leave_waiting();
        if self.hanging {
            // As asked: the connection stays open, and nothing is said any more.
            std::mem::forget((outbox, inbox));
        } else if self.is_done() {
            drop(outbox);
            take_leave(inbox).await;
        }
        next
    }

    fn receive(&mut self, received: OrchestratorMessage) {
        let Some(content) = received.message else { return };
        match content {
            FromOrchestrator::Assignments(assignments) => {
                for assignment in assignments.assignments {
                    self.assigned(assignment, received.epoch);
                }
            }
            FromOrchestrator::Acknowledged(acknowledged) => {
                acknowledged
                    .attempts
                    .iter()
                    .for_each(|attempt| self.slots.acknowledge(&attempt.into()));
            }
            FromOrchestrator::Cancel(cancel) => {
                cancel.attempts.iter().for_each(|attempt| self.cancelled(attempt));
            }
            FromOrchestrator::Members(members) => self.meet(&members.addresses),
            FromOrchestrator::Stop(stop) => {
                let limit = stop
                    .within_ms
                    .map_or(self.config.drain_timeout, |ms| Duration::from_millis(ms.into()));
                self.stop.send_replace(Some(limit));
            }
            FromOrchestrator::Heartbeat(_) | FromOrchestrator::Registered(_) => {}
        }
    }

    fn assigned(&mut self, assignment: Assignment, epoch: u64) {
        match self.slots.receive(&assignment) {
            Reception::Start { stop } => {
                if let Some(older) = stop {
                    self.slots.cancel(&older);
                    self.stop(&older);
                }
                let key = Key { task_id: assignment.task_id.clone(), attempt: assignment.attempt };
                if self.give_up.is_cancelled() {
                    self.slots.give_back(&key);
                    self.returned.push(AttemptRef::from(&key));
                    return;
                }
                self.lines.started(&assignment.task_id, &assignment.handler);
                match self.executor.start(assignment, epoch) {
                    Start::Running => {}
                    Start::Done(outcome, took) => {
                        took.into_iter().for_each(|took| self.prefetch.observe(took));
                        self.finished(&key, outcome);
                    }
                    Start::Hang => self.hanging = true,
                }
            }
            Reception::Running => tracing::debug!(task.id = assignment.task_id, "runs already"),
            Reception::Done(outcome) => self.reports.push(outcome),
            Reception::StartedBefore if self.give_up.is_cancelled() => {
                // That it was stopped got lost on the way.
                let (task_id, attempt) = (assignment.task_id, assignment.attempt);
                self.stopped.push(AttemptRef { task_id, attempt });
            }
            Reception::StartedBefore => {
                // Nothing is known here of what it came to; the orchestrator must not wait for it.
                let key = Key { task_id: assignment.task_id, attempt: assignment.attempt };
                self.reports.push(executor::started_before(&key));
            }
            Reception::Stale => tracing::debug!(task.id = assignment.task_id, "an older attempt"),
        }
    }

    fn cancelled(&mut self, attempt: &AttemptRef) {
        let key = Key::from(attempt);
        match self.slots.cancel(&key) {
            Cancellation::Stop => self.stop(&key),
            Cancellation::Ended => self.ends.push(attempt.clone()),
        }
    }

    fn stop(&mut self, key: &Key) {
        if !self.executor.stop(key) {
            self.slots.give_back(key);
            self.ends.push(AttemptRef::from(key));
        }
    }

    /// Once the time to drain is up, what still runs is stopped, and dropped where it does not listen.
    async fn give_up_running(&mut self) {
        let now = Instant::now();
        if self.give_up.is_cancelled() && self.drop_at.is_none() {
            self.drop_at = Some(now + STOPPING);
            for key in self.slots.give_up() {
                if !self.executor.stop(&key) {
                    self.slots.give_back(&key);
                    self.returned.push(AttemptRef::from(&key));
                }
            }
        }
        if self.drop_at.is_some_and(|at| now >= at) && self.slots.running() > 0 {
            self.executor.abort().await;
            for (key, ending) in self.slots.drop_running() {
                self.executor.forget(&key);
                self.tell(&key, ending);
            }
        }
    }

    /// What waits in vain for a slot may find one elsewhere.
    fn give_back_waiting(&mut self, drains: bool) {
        let waits = self.executor.waiting_since().map(|since| since.elapsed());
        if waits.is_some_and(|waits| drains || waits >= PATIENCE) {
            self.prefetch.distrust();
            for key in self.executor.give_up_waiting() {
                self.slots.give_back(&key);
                self.returned.push(AttemptRef::from(&key));
            }
        }
    }

    /// The session is over, and with it all claim to what has not begun: whoever is principal next gives it again, or
    /// elsewhere. Giving it back in the next session would be too late, for it may have come again by then.
    fn leave_waiting(&mut self) {
        self.returned.clear();
        for key in self.executor.give_up_waiting() {
            self.slots.give_back(&key);
        }
    }

    pub(super) fn finished(&mut self, key: &Key, outcome: Outcome) {
        if let Some((took, unheard)) = self.executor.forget(key) {
            self.prefetch.observe(took);
            // What was cut off here is in the outcome, as far as that keeps it.
            let room = OUTPUT_BYTES.saturating_sub(self.said.iter().map(output_bytes).sum());
            self.said.extend(unheard.filter(|unheard| output_bytes(unheard) <= room));
        }
        let ending = self.slots.finish(key, outcome);
        self.tell(key, ending);
    }

    fn tell(&mut self, key: &Key, ending: Ending) {
        match &ending {
            Ending::Report(Outcome {
                outcome: Some(outcome::Outcome::Failed(failure)), ..
            }) => {
                self.lines.failed(&key.task_id, &format!("{}: {}", failure.code, failure.message));
            }
            Ending::Report(_) => self.lines.finished(&key.task_id),
            Ending::Ended | Ending::GivenUp => self.lines.stopped(&key.task_id),
        }
        match ending {
            Ending::Report(outcome) => {
                self.reports.push(outcome);
                self.unreported_since.get_or_insert_with(Instant::now);
            }
            Ending::Ended => self.ends.push(AttemptRef::from(key)),
            Ending::GivenUp => self.stopped.push(AttemptRef::from(key)),
        }
    }

    /// Until when outcomes come together before they are sent; `None`: no longer. Each message costs a commit,
    /// and while there is work at hand no slot waits for one.
    fn gather_until(&self) -> Option<Instant> {
        self.executor.waiting_since()?;
        let until = self.unreported_since? + GATHER;
        (until > Instant::now()).then_some(until)
    }

    /// Sends what has come together, in messages of bounded size.
    async fn report(&mut self, outbox: &mpsc::Sender<WorkerMessage>) -> Result<(), ()> {
        self.unreported_since = None;
        if !self.said.is_empty() {
            let attempts = std::mem::take(&mut self.said);
            let sent = outbox.send(message(Message::Output(LiveOutput { attempts }))).await;
            sent.map_err(drop)?;
        }
        while !self.reports.is_empty() {
            let mut bytes = 0;
            let mut fits = |outcome: &Outcome| {
                bytes += result_bytes(outcome);
                bytes <= REPORT_BYTES
            };
            let count =
                self.reports.iter().take(REPORT_COUNT).take_while(|o| fits(o)).count().max(1);
            let outcomes = self.reports.drain(..count).collect();
            let sent = outbox.send(message(Message::Outcomes(Outcomes { outcomes }))).await;
            sent.map_err(drop)?;
        }
        if !self.ends.is_empty() {
            let attempts = std::mem::take(&mut self.ends);
            let sent = outbox.send(message(Message::Ended(AttemptsEnded { attempts }))).await;
            sent.map_err(drop)?;
        }
        // Before anything is given back, or it would come again.
        if let Some(tasks) = self.prefetch.news() {
            let sent = outbox.send(message(Message::Prefetch(Prefetch { tasks }))).await;
            sent.map_err(drop)?;
        }
        for (given_back, begun) in [(&mut self.returned, false), (&mut self.stopped, true)] {
            if !given_back.is_empty() {
                let attempts = std::mem::take(given_back);
                self.slots.forget_given_up(&attempts);
                let returned = AttemptsReturned { attempts, begun };
                outbox.send(message(Message::Returned(returned))).await.map_err(drop)?;
            }
        }
        Ok(())
    }
}

/// What the principal of the session says; `None` ends the session.
fn of_epoch(
    received: Result<Option<OrchestratorMessage>, Status>,
    epoch: u64,
) -> Option<OrchestratorMessage> {
    match received {
        Ok(Some(received)) if received.epoch == epoch => Some(received),
        Ok(Some(stale)) => {
            tracing::debug!(epoch = stale.epoch, "a message of another epoch ends the session");
            None
        }
        Ok(None) => None,
        Err(status) => {
            tracing::debug!(%status, "the session broke");
            None
        }
    }
}

fn message(message: Message) -> WorkerMessage {
    WorkerMessage { message: Some(message) }
}

fn output_bytes(output: &AttemptOutput) -> usize {
    64 + output.pieces.iter().map(|piece| piece.data.len()).sum::<usize>()
}

fn result_bytes(outcome: &Outcome) -> usize {
    64 + match &outcome.outcome {
        Some(outcome::Outcome::Succeeded(result)) => result.len(),
        Some(outcome::Outcome::Failed(failure)) => failure.output.len() + failure.message.len(),
        None => 0,
    }
}
