//! Telling receivers of tasks' ends: what is due is posted, and what that comes to is decided here.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use crate::effect::{Effect, Notice};
use crate::event::Event;
use crate::ids::{TaskId, Timestamp};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;
use crate::terms::Terms;
use crate::webhook::{Posted, WebhookStanding, asked_ms, delay_ms, shortened};

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
        let owed = self.state.webhooks.find(task).filter(|owed| owed.tries == tries);
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
                let event = Event::WebhookGivenUp { task, error: error.clone(), at: now };
                self.record(event, step);
                let notice = Notice::WebhookGivenUp { task, url, tries, error };
                step.effects.push(Effect::Notice(notice));
            }
        }
        self.post_webhooks(now, step);
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
        let owed = self.state.webhooks.find(task);
        if let Some(owed) = owed {
            let (url, error) = (owed.url.clone(), owed.error.clone());
            return Some(WebhookStanding::Owed { url, tries: owed.tries, next: owed.next, error });
        }
        let slot = self.state.tasks.find(task)?;
        let settled = self.state.tasks[slot].finished()?.webhook.as_deref()?;
        Some(WebhookStanding::Settled(settled.clone()))
    }
}
