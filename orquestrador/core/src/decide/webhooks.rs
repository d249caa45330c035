//! Telling receivers of tasks' ends: what is due is posted, and what that comes to is decided here.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use crate::command::WebhookChoice;
use crate::effect::{Answer, Effect, Notice};
use crate::event::{Event, Kept};
use crate::ids::{TaskId, Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::state::arrays::Array;
use crate::terms::Terms;
use crate::webhook::{Owed, Posted, WebhookStanding, asked_ms, delay_ms, shortened};

/// Reports that one page looks at. It may end here with fewer than asked for, or none.
const MAX_SCANNED: usize = 10_000;

impl Machine {
    /// What is due, as far as there is room for it; one target after the other, so that none keeps the others waiting.
    pub(super) fn post_webhooks(&mut self, now: Timestamp, step: &mut Step) {
        if self.state.webhooks.is_empty() {
            return;
        }
        let targets = self.state.webhooks.targets();
        let last = self.office.posts.last_target().to_owned();
        let behind = targets.range::<str, _>((Excluded(&*last), Unbounded));
        let before = targets.range::<str, _>((Unbounded, Included(&*last)));
        let mut chosen: Vec<TaskId> = Vec::new();
        for (target, due) in behind.chain(before) {
            let under_way = self.office.posts.len() + chosen.len();
            let room = self.limits.max_posts.saturating_sub(under_way);
            let of_target = self.limits.max_posts_to_target;
            let room = room.min(of_target.saturating_sub(self.office.posts.to_target(target)));
            let due = due.iter().take_while(|(at, _)| *at <= now).map(|(_, task)| *task);
            let open = due.filter(|task| !self.office.posts.is_under_way(*task));
            chosen.extend(open.take(room));
        }
        for task in chosen {
            let Some(owed) = self.state.webhooks.find(task).map(Arc::clone) else { continue };
            self.office.posts.begin(task, owed.url.target());
            step.effects.push(Effect::Post { owed });
        }
    }

    pub(super) fn report_post(
        &mut self,
        now: Timestamp,
        (task, tries): (TaskId, u16),
        posted: Posted,
        step: &mut Step,
    ) {
        self.office.posts.end(task);
        // The report may be of an attempt before this office.
        let is_it = |owed: &&Arc<Owed>| owed.tries == tries && owed.given_up.is_none();
        let owed = self.state.webhooks.find(task).filter(is_it);
        if let Some(url) = owed.map(|owed| owed.url.clone()) {
            let tries = tries.saturating_add(1);
            let is_last = tries >= self.limits.webhook_attempts;
            let lost = match posted {
                Posted::Accepted => {
                    self.record(Event::WebhookDelivered { task, at: now }, step);
                    None
                }
                Posted::Failed { error, after_ms } if !is_last => {
                    let delay = delay_ms(self.limits.webhook_retry_ms, tries, task);
                    let until = now.plus_ms(delay.max(asked_ms(after_ms)));
                    let error = shortened(&error);
                    let event = Event::WebhookDelayed { task, tries, until, error, at: now };
                    self.record(event, step);
                    None
                }
                Posted::Failed { error, .. } | Posted::Gone { error } => Some(shortened(&error)),
            };
            if let Some(error) = lost {
                self.give_up(now, task, error.clone(), step);
                let notice = Notice::WebhookGivenUp { task, url, tries, error };
                step.effects.push(Effect::Notice(notice));
            }
        }
        self.post_webhooks(now, step);
    }

    /// As many as may be are kept: who wants them can have them tried again.
    fn give_up(&mut self, now: Timestamp, task: TaskId, error: String, step: &mut Step) {
        let given_up = self.state.webhooks.given_up();
        let is_full = given_up.len() >= self.limits.max_given_up;
        let instead_of = given_up.first().filter(|_| is_full).map(|(_, oldest)| *oldest);
        let kept = Some(Kept { instead_of });
        self.record(Event::WebhookGivenUp { task, error, kept, at: now }, step);
    }

    /// What is owed or was given up, by task. `owner`: `None` of all.
    pub(super) fn list_webhooks(
        &self,
        owner: Option<&UserName>,
        only_given_up: bool,
        after: Option<TaskId>,
        limit: usize,
    ) -> Answer {
        let mut behind = self.state.webhooks.behind(after);
        let (mut webhooks, mut next) = (Vec::new(), None);
        for (task, owed) in behind.by_ref().take(MAX_SCANNED) {
            let is_wanted = !only_given_up || owed.given_up.is_some();
            if is_wanted && is_of(owed, owner) {
                webhooks.push(Arc::clone(owed));
            }
            next = Some(task);
            if webhooks.len() >= limit.max(1) {
                break;
            }
        }
        Answer::Webhooks { webhooks, next: next.filter(|_| behind.next().is_some()) }
    }

    /// What was given up or waits is tried at once.
    pub(super) fn retry_webhooks(
        &mut self,
        now: Timestamp,
        owner: Option<&UserName>,
        choice: WebhookChoice,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let (chosen, next) = match choice {
            WebhookChoice::These(tasks) => {
                let webhooks = &self.state.webhooks;
                let is_known =
                    |task: &TaskId| webhooks.find(*task).is_some_and(|owed| is_of(owed, owner));
                if let Some(task) = tasks.iter().find(|task| !is_known(task)) {
                    return Err(Rejection::WebhookNotFound { task: *task });
                }
                (BTreeSet::from_iter(tasks), None)
            }
            WebhookChoice::All { after } => {
                let all = self.list_webhooks(owner, false, after, self.limits.retry_webhooks);
                let Answer::Webhooks { webhooks, next } = all else { return Ok(all) };
                (webhooks.iter().map(|owed| owed.report.task).collect(), next)
            }
        };
        let retried = chosen.len() as u64;
        let is_idle = |task: &TaskId| !self.office.posts.is_under_way(*task);
        let tasks: Vec<_> = chosen.into_iter().filter(is_idle).collect();
        if !tasks.is_empty() {
            self.record(Event::WebhooksRetried { tasks, at: now }, step);
            self.post_webhooks(now, step);
        }
        Ok(Answer::WebhooksRetried { retried, next })
    }

    /// When the next report is due that is not under way, and for which there is room.
    pub(super) fn next_post(&self) -> Option<Timestamp> {
        if self.office.posts.len() >= self.limits.max_posts {
            return None;
        }
        let most = self.limits.max_posts_to_target;
        let targets = self.state.webhooks.targets().iter();
        let open = targets.filter(|(target, _)| self.office.posts.to_target(target) < most);
        let first = open.filter_map(|(_, due)| {
            due.iter().find(|(_, task)| !self.office.posts.is_under_way(*task)).map(|(at, _)| *at)
        });
        first.min()
    }

    /// There is room for the reports of so many tasks that are new.
    pub(super) fn check_webhooks(&self, more: u64) -> Result<(), Rejection> {
        let (limit, unit) = (self.limits.max_webhooks, "tasks whose webhooks are not delivered");
        if more == 0 {
            return Ok(());
        }
        if more > limit {
            return Err(Rejection::NeverFits { limit, unit });
        }
        let webhooks = &self.state.webhooks;
        match webhooks.expected + webhooks.len() as u64 + more > limit {
            true => Err(Rejection::BacklogFull { limit, unit }),
            false => Ok(()),
        }
    }

    /// How the webhook of a task stands. `settled`: what became of it, if it is owed no more.
    pub(super) fn webhook_standing(&self, task: TaskId, terms: &Terms) -> Option<WebhookStanding> {
        if let Some(url) = &terms.webhook {
            return Some(WebhookStanding::Expected(url.clone()));
        }
        if let Some(owed) = self.state.webhooks.find(task) {
            return Some(owed.standing());
        }
        let slot = self.state.tasks.find(task)?;
        let settled = self.state.tasks[slot].finished()?.webhook.as_deref()?;
        Some(WebhookStanding::Settled(settled.clone()))
    }

    /// Of a task that ended and never had a record, or is forgotten: it may be told with the rest of its array.
    pub(super) fn webhook_without_record(
        &self,
        array: &Array,
        place: u32,
    ) -> Option<WebhookStanding> {
        let find = |task| self.state.webhooks.find(task);
        let of_rest = || {
            let owed = find(TaskId(array.id.0))?;
            let rest = owed.report.rest.as_ref()?;
            let number = array.first + place;
            rest.numbers.iter().any(|range| range.contains(&number)).then_some(owed)
        };
        find(array.task(place)).or_else(of_rest).map(|owed| owed.standing())
    }
}

fn is_of(owed: &Owed, owner: Option<&UserName>) -> bool {
    owner.is_none_or(|owner| owed.report.owner == *owner)
}
