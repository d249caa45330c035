//! What events do to users.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Applied;
use crate::command::Role;
use crate::digest;
use crate::effect::{Token, UserRecord};
use crate::ids::{Timestamp, TokenName, UserName};
use crate::state::State;

impl State {
    pub(super) fn user_added(
        &mut self,
        user: &UserName,
        token_hash: &Arc<str>,
        role: Role,
        at: Timestamp,
    ) {
        let before = self.users.remove(user);
        if let Some(before) = &before {
            self.digest = self.digest.wrapping_sub(digest::user(before));
        }
        let mut tokens = before.map_or_else(BTreeMap::new, |before| before.tokens);
        if !token_hash.is_empty() {
            let token = Token { hash: token_hash.clone(), issued_at: at, expires_at: None };
            tokens.insert(TokenName::main(), token);
        }
        let record = UserRecord { user: user.clone(), tokens, role, added_at: at };
        self.digest = self.digest.wrapping_add(digest::user(&record));
        self.users.insert(user.clone(), record);
    }

    pub(super) fn user_removed(&mut self, user: &UserName) -> Applied {
        let before = self.users.remove(user).ok_or("there is no such user")?;
        self.digest = self.digest.wrapping_sub(digest::user(&before));
        Ok(())
    }

    pub(super) fn token_issued(
        &mut self,
        user: &UserName,
        name: &TokenName,
        token: Token,
    ) -> Applied {
        self.change_tokens(user, |tokens| {
            tokens.insert(name.clone(), token);
            Ok(())
        })
    }

    pub(super) fn token_revoked(&mut self, user: &UserName, name: &TokenName) -> Applied {
        self.change_tokens(user, |tokens| {
            tokens.remove(name).map(drop).ok_or("there is no such token")
        })
    }

    fn change_tokens(
        &mut self,
        user: &UserName,
        change: impl FnOnce(&mut BTreeMap<TokenName, Token>) -> Applied,
    ) -> Applied {
        let record = self.users.get_mut(user).ok_or("there is no such user")?;
        self.digest = self.digest.wrapping_sub(digest::user(record));
        let changed = change(&mut record.tokens);
        self.digest = self.digest.wrapping_add(digest::user(record));
        changed
    }
}
