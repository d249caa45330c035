//! Users: once there is one, there is an administrator among them for ever, with a token that does not expire.

use std::sync::Arc;

use crate::command::{NewToken, Role};
use crate::effect::{Answer, Effect, Token, UserRecord};
use crate::event::Event;
use crate::ids::{Timestamp, TokenName, UserName};
use crate::machine::{Machine, Step};
use crate::rejection::Rejection;

impl Machine {
    pub(super) fn add_user(
        &mut self,
        now: Timestamp,
        user: UserName,
        token_hash: Arc<str>,
        role: Role,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let users = &self.state.users;
        if !users.contains_key(&user) && users.len() >= self.limits.max_users {
            return Err(Rejection::TooManyUsers);
        }
        if role != Role::Admin && !self.has_admin_without((&user, None)) {
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
        if !self.has_admin_without((&user, None)) {
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

    pub(super) fn issue_token(
        &mut self,
        now: Timestamp,
        (user, token): (UserName, NewToken),
        replace: bool,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let NewToken { name, hash, expires_at } = token;
        let record = self.state.users.get(&user).ok_or(Rejection::UserNotFound)?;
        let is_known = record.tokens.contains_key(&name);
        match (is_known, replace) {
            (true, false) => return Err(Rejection::TokenKnown { name }),
            (false, true) => return Err(Rejection::TokenNotFound { name }),
            (true, true) | (false, false) => {}
        }
        if is_known && expires_at.is_some() && !self.has_admin_without((&user, Some(&name))) {
            return Err(Rejection::LastAdmin);
        }
        if !is_known {
            let most = self.limits.max_tokens;
            if self.without_expired(now, &user, step)?.tokens.len() >= most {
                return Err(Rejection::TooManyTokens { most });
            }
        }
        self.record(Event::TokenIssued { user, name, hash, expires_at, at: now }, step);
        self.tell_users(step);
        Ok(Answer::TokenIssued)
    }

    /// Those that nobody can use any more make room.
    fn without_expired(
        &mut self,
        now: Timestamp,
        user: &UserName,
        step: &mut Step,
    ) -> Result<&UserRecord, Rejection> {
        let record = self.state.users.get(user).ok_or(Rejection::UserNotFound)?;
        let is_over = |token: &Token| token.expires_at.is_some_and(|at| at <= now);
        let over = record.tokens.iter().filter(|(_, token)| is_over(token));
        for name in over.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.record(Event::TokenRevoked { user: user.clone(), name }, step);
        }
        self.state.users.get(user).ok_or(Rejection::UserNotFound)
    }

    pub(super) fn revoke_token(
        &mut self,
        user: UserName,
        name: TokenName,
        step: &mut Step,
    ) -> Result<Answer, Rejection> {
        let record = self.state.users.get(&user).ok_or(Rejection::UserNotFound)?;
        if !record.tokens.contains_key(&name) {
            return Err(Rejection::TokenNotFound { name });
        }
        if !self.has_admin_without((&user, Some(&name))) {
            return Err(Rejection::LastAdmin);
        }
        self.record(Event::TokenRevoked { user, name }, step);
        self.tell_users(step);
        Ok(Answer::TokenRevoked)
    }

    /// An administrator who can enter for ever is left without this user, or without this token of theirs.
    fn has_admin_without(&self, (user, token): (&UserName, Option<&TokenName>)) -> bool {
        let stays = |record: &UserRecord, name: &TokenName| {
            record.user != *user || token.is_some_and(|token| token != name)
        };
        let lasts = |record: &UserRecord| {
            let mut tokens = record.tokens.iter();
            tokens.any(|(name, token)| token.expires_at.is_none() && stays(record, name))
        };
        self.state.users.values().any(|record| record.role == Role::Admin && lasts(record))
    }
}
