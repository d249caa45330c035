//! What users may take of the platform, and take.

use std::collections::BTreeSet;

use crate::command::QuotaChange;
use crate::effect::{Answer, Effect, Notice, UserSnapshot};
use crate::event::Event;
use crate::ids::{Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::mutation::Mutation;
use crate::quota::{Quota, Usage, UserLimit};
use crate::rejection::Rejection;

impl Machine {
    /// Answers how the user stands then.
    pub(super) fn change_quota(
        &mut self,
        now: Timestamp,
        (user, first): (Option<UserName>, Option<UserName>),
        change: QuotaChange,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let owners = &self.state.owners;
        let (before, applies) = match &user {
            Some(user) => (owners.own_quota(user), owners.quota_of(user)),
            None => (Some(owners.default_quota()), owners.default_quota()),
        };
        if let Some(user) = &user {
            self.check_known(user, first.as_ref())?;
            if before.is_none() && owners.own_quotas() >= self.limits.max_users {
                return Err(Rejection::TooManyUsers);
            }
        }
        let quota = change.apply(applies);
        let is_same = match user {
            Some(_) => quota == before,
            None => quota.unwrap_or_default() == applies,
        };
        if !is_same {
            self.set_quota(now, (user.clone(), quota), step);
        }
        self.assign_ready(now, step);
        let users = user.iter().map(|user| self.user_snapshot(user)).collect();
        Ok(Answer::Users { users, default_quota: self.state.owners.default_quota() })
    }

    pub(super) fn set_quota(
        &mut self,
        now: Timestamp,
        (user, quota): (Option<UserName>, Option<Quota>),
        step: &mut Step,
    ) {
        self.record(Event::QuotaChanged { user: user.clone(), quota, at: now }, step);
        step.effects.push(Effect::Notice(Notice::QuotaChanged { user, quota }));
    }

    /// A quota for a name that nobody has is a slip. Without users there is the first one, who is not in the state.
    fn check_known(&self, user: &UserName, first: Option<&UserName>) -> Result<(), Rejection> {
        let (users, owners) = (&self.state.users, &self.state.owners);
        let is_known = users.is_empty() && first == Some(user)
            || users.contains_key(user)
            || owners.find(user).is_some()
            || owners.own_quota(user).is_some();
        if is_known { Ok(()) } else { Err(Rejection::UserNotFound) }
    }

    /// There is room for so many tasks and bytes of this owner.
    pub(super) fn check_quota(
        &self,
        owner: &UserName,
        (tasks, bytes): (u64, u64),
    ) -> Result<(), Rejection> {
        let Quota { max_active, max_bytes, .. } = self.state.owners.quota_of(owner);
        if (max_active, max_bytes) == (None, None) || self.lacks(Mutation::NoQuotas) {
            return Ok(());
        }
        let usage = self.state.owners.usage_of(owner);
        for (more, used, limit, what) in [
            (tasks, usage.active, max_active, UserLimit::MaxActive),
            (bytes, usage.bytes, max_bytes, UserLimit::MaxBytes),
        ] {
            let Some(limit) = limit else { continue };
            if more > limit {
                return Err(Rejection::NeverFitsQuota { limit, what });
            }
            if used.saturating_add(more) > limit {
                return Err(Rejection::QuotaExceeded { limit, what });
            }
        }
        Ok(())
    }

    /// The owner does not submit too fast. The last check of a submission: it counts this one.
    pub(super) fn take_rate(
        &mut self,
        now: Timestamp,
        owner: &UserName,
        tasks: usize,
    ) -> Result<(), Rejection> {
        let Some(rate) = self.state.owners.quota_of(owner).submit_rate.filter(|_| tasks > 0) else {
            return Ok(());
        };
        let taken = self.office.rates.take(now, owner, (rate, tasks));
        taken.map_err(|retry_after_ms| Rejection::RateLimited { rate, retry_after_ms })
    }

    /// Of owners who came to their limit of running tasks nothing is assigned until they are below it again.
    pub(super) fn heed_quotas(&mut self) {
        let crossed = self.state.owners.take_crossed();
        if self.lacks(Mutation::RunningNotHeeded) {
            return;
        }
        for owner in crossed {
            self.office.refresh_owner(&self.state, owner);
        }
    }

    pub(super) fn list_users(&self) -> Answer {
        let owners = &self.state.owners;
        let busy = owners.iter().map(|(_, owner)| owner).filter(|o| o.usage != Usage::default());
        let names: BTreeSet<_> = self
            .state
            .users
            .keys()
            .chain(busy.map(|owner| &owner.name))
            .chain(owners.quotas().filter_map(|(user, _)| user))
            .collect();
        let users = names.into_iter().map(|user| self.user_snapshot(user)).collect();
        Answer::Users { users, default_quota: owners.default_quota() }
    }

    pub(super) fn user_snapshot(&self, user: &UserName) -> UserSnapshot {
        let owners = &self.state.owners;
        UserSnapshot {
            user: user.clone(),
            record: self.state.users.get(user).cloned(),
            quota: owners.quota_of(user),
            is_own: owners.own_quota(user).is_some(),
            is_owner: owners.find(user).is_some(),
            usage: owners.usage_of(user),
        }
    }
}
