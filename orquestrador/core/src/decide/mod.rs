//! What follows from each command: one file per group. Decides and records events, never changes the
//! replicated state in another way.

mod again;
mod arrays;
mod assign;
mod cancel;
mod dependencies;
mod firing;
mod flow;
mod groups;
mod heads;
mod keys;
mod outcomes;
mod prefetch;
mod purge;
mod query;
mod queues;
mod quotas;
mod retention;
mod schedules;
mod submit;
mod timers;
mod users;
mod view;
mod watching;
mod webhooks;
mod workers;

pub use query::MAX_SCANNED;
pub use watching::MAX_TOLD;
pub use workers::QUARANTINED;

use crate::command::Command;
use crate::effect::{Answer, CloseReason, Effect};
use crate::ids::{ArrayId, RequestId, SessionId, Timestamp};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::slab::Slot;
use crate::state::workers::Worker;

impl Machine {
    pub(crate) fn decide(&mut self, now: Timestamp, command: Command, step: &mut Step) {
        match command {
            Command::Submit { request, owner, tasks, allow_unknown_handler } => {
                let batch = submit::Batch { owner, tasks, allow_unknown_handler };
                self.submit(now, request, batch, step);
            }
            Command::SubmitArray { request, owner, array, allow_unknown_handler } => {
                let submitted = self.submit_array(now, &owner, *array, allow_unknown_handler, step);
                answer(step, request, submitted);
            }
            Command::SubmitFlow { request, owner, work, allow_unknown_handler } => {
                let submitted = self.submit_flow(now, &owner, work, allow_unknown_handler, step);
                answer(step, request, submitted);
            }
            Command::CancelArray { request, owner, array } => {
                let cancelled = self.cancel_array(now, &owner, array, step);
                answer(step, request, cancelled);
            }
            Command::QueryArray { request, owner, array } => {
                answer(step, request, self.query_array(&owner, array));
            }
            Command::Query { request, owner, task, with_result } => {
                answer(step, request, self.query(&owner, task, with_result));
            }
            Command::List { request, owner, filter, after, limit } => {
                answer(step, request, self.list(owner.as_ref(), &filter, after, limit));
            }
            Command::Watch { request, owner, tasks, with_results, only_ends } => {
                let watched = self.watch(&owner, &tasks, (with_results, only_ends));
                answer(step, request, Ok(watched));
            }
            Command::Look { request, owner, look } => {
                answer(step, request, self.look(&owner, look));
            }
            Command::QueryGroup { request, owner, group } => {
                answer(step, request, self.query_group(&owner, group));
            }
            Command::ListGroups { request, owner, after, limit } => {
                answer(step, request, Ok(self.list_groups(&owner, after.as_ref(), limit)));
            }
            Command::CancelGroup { request, owner, group } => {
                let cancelled = self.cancel_group(now, &owner, group, step);
                answer(step, request, cancelled);
            }
            Command::Retry { request, owner, task, new } => {
                let submitted = match task.is_array() {
                    true => {
                        let (array, new) = (ArrayId(task.0), ArrayId(new.0));
                        self.submit_array_again(now, &owner, (array, new), step)
                    }
                    false => self.submit_again(now, owner, (task, new), step),
                };
                answer(step, request, submitted);
            }
            Command::QuerySources { request, task, of } => {
                answer(step, request, self.query_sources(task, of));
            }
            Command::Cancel { request, owner, task } => {
                let cancelled = self.cancel(now, &owner, task, step);
                answer(step, request, cancelled);
            }
            Command::ConnectWorker(connect) => self.connect_worker(now, connect, step),
            Command::DisconnectWorker { session } => self.disconnect_worker(now, session, step),
            Command::WorkerHeartbeat { session } => {
                // Being seen is all there is to it.
                let _: Option<Slot<Worker>> = self.hear(now, session, step);
            }
            Command::DrainWorker { session } => self.drain_worker(now, session, step),
            Command::SetPrefetch { session, tasks } => {
                self.set_prefetch(now, session, tasks, step);
            }
            Command::ReturnAttempts { session, attempts, begun } => {
                self.return_attempts(now, session, (&attempts, begun), step);
            }
            Command::ReportOutcomes { session, outcomes } => {
                self.report_outcomes(now, session, outcomes, step);
            }
            Command::KeepOutput { attempt, output } => self.keep_output(attempt, output, step),
            Command::ReportEnded { session, attempts } => {
                self.report_ended(now, session, &attempts, step);
            }
            Command::Overview { request } => answer(step, request, Ok(self.overview(now))),
            Command::AddUser { request, user, token_hash, role } => {
                let added = self.add_user(now, user, token_hash, role, step);
                answer(step, request, added);
            }
            Command::RemoveUser { request, user } => {
                let removed = self.remove_user(now, user, step);
                answer(step, request, removed);
            }
            Command::IssueToken { request, user, token, replace } => {
                let issued = self.issue_token(now, (user, token), replace, step);
                answer(step, request, issued);
            }
            Command::RevokeToken { request, user, name } => {
                let revoked = self.revoke_token(user, name, step);
                answer(step, request, revoked);
            }
            Command::ListUsers { request } => answer(step, request, Ok(self.list_users())),
            Command::QueryUser { request, user } => {
                let user = self.user_snapshot(&user);
                answer(step, request, Ok(Answer::User { user }));
            }
            Command::ChangeQuota { request, user, first, change } => {
                let changed = self.change_quota(now, (user, first), change, step);
                answer(step, request, changed);
            }
            Command::ChangeQueue { request, queue, change } => {
                let changed = self.change_queue(now, queue, change, step);
                answer(step, request, changed);
            }
            Command::ListQueues { request } => answer(step, request, Ok(self.list_queues())),
            Command::PurgeQueue { request, queue } => {
                let purged = self.purge_queue(now, &queue, step);
                answer(step, request, purged);
            }
            Command::SetSchedule { request, owner, name, schedule, allow_unknown_handler } => {
                let set = (schedule, allow_unknown_handler);
                let done = self.set_schedule(now, (owner, name), set, step);
                answer(step, request, done);
            }
            Command::PauseSchedule { request, owner, name, paused } => {
                let done = self.pause_schedule(now, (owner, name), paused, step);
                answer(step, request, done);
            }
            Command::RemoveSchedule { request, owner, name } => {
                let done = self.remove_schedule(now, (owner, name), step);
                answer(step, request, done);
            }
            Command::QuerySchedule { request, owner, name } => {
                answer(step, request, self.query_schedule(&(owner, name)));
            }
            Command::ListSchedules { request, owner } => {
                answer(step, request, Ok(self.list_schedules(&owner)));
            }
            Command::RunSchedule { request, owner, name, task } => {
                let done = self.run_schedule(now, (owner, name), task, step);
                answer(step, request, done);
            }
            Command::ListWebhooks { request, owner, only_given_up, after, limit } => {
                let page = self.list_webhooks(owner.as_ref(), only_given_up, after, limit);
                answer(step, request, Ok(page));
            }
            Command::RetryWebhooks { request, owner, choice } => {
                let retried = self.retry_webhooks(now, owner.as_ref(), choice, step);
                answer(step, request, retried);
            }
            Command::ReportPost { task, tries, posted } => {
                self.report_post(now, (task, tries), posted, step);
            }
            Command::ExpireTimers => self.expire_timers(now, step),
        }
    }

    /// What follows when a worker may have room, or less of it.
    fn settle(&mut self, now: Timestamp, worker: Slot<Worker>, step: &mut Step) {
        self.office.refresh(&self.state, worker);
        self.assign_ready(now, step);
        self.prune(step);
    }

    /// The worker of this session, which has just given a sign of life.
    fn hear(
        &mut self,
        now: Timestamp,
        session: SessionId,
        step: &mut Step,
    ) -> Option<Slot<Worker>> {
        let Some(worker) = self.office.worker_of(session) else {
            let reason = CloseReason::Unknown;
            step.effects.push(Effect::CloseSession { session, reason });
            return None;
        };
        self.office.saw(worker, now);
        Some(worker)
    }
}

fn answer(step: &mut Step, request: RequestId, answer: Result<Answer, Rejection>) {
    step.effects.push(Effect::Answer { request, answer });
}
