//! Users: once there is one, there is an administrator among them for ever.

use crate::command::Role;
use crate::effect::{Answer, Effect};
use crate::event::Event;
use crate::ids::{Timestamp, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;

impl Machine {
    pub(super) fn add_user(
        &mut self,
        now: Timestamp,
        user: UserName,
        token_hash: String,
        role: Role,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let users = &self.state.users;
        if !users.contains_key(&user) && users.len() >= self.limits.max_users {
            return Err(Rejection::TooManyUsers);
        }
        if role != Role::Admin && !self.has_other_admin(&user) {
            return Err(match users.keys().any(|other| *other != user) {
                true => Rejection::LastAdmin,
                false => Rejection::FirstUserNotAdmin,
            });
        }
        self.record(Event::UserAdded { user, token_hash, role, at: now }, step);
        self.tell_users(step);
        Ok(Answer::UserAdded)
    }

    /// Its tasks stay, and nothing makes more of them.
    pub(super) fn remove_user(
        &mut self,
        now: Timestamp,
        user: UserName,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        if !self.state.users.contains_key(&user) {
            return Err(Rejection::UserNotFound);
        }
        // Without any user the demo's credentials would be accepted again.
        if !self.has_other_admin(&user) {
            return Err(Rejection::LastAdmin);
        }
        let schedules: Vec<_> =
            self.state.schedules.of(&user).map(|(key, _)| key.clone()).collect();
        for key in schedules {
            self.forget_schedule(now, key, step);
        }
        self.record(Event::UserRemoved { user: user.clone() }, step);
        if self.state.owners.own_quota(&user).is_some() {
            self.set_quota(now, (Some(user), None), step);
        }
        self.tell_users(step);
        self.assign_ready(now, step);
        Ok(Answer::UserRemoved)
    }

    pub(crate) fn tell_users(&self, step: &mut Step) {
        step.effects.push(Effect::UsersChanged { users: self.users() });
    }

    fn has_other_admin(&self, user: &UserName) -> bool {
        self.state.users.values().any(|other| other.role == Role::Admin && other.user != *user)
    }
}
