//! What events do to users.

use super::Applied;
use crate::digest;
use crate::effect::UserRecord;
use crate::ids::UserName;
use crate::state::State;

impl State {
    pub(super) fn user_added(&mut self, user: UserRecord) {
        self.digest = self.digest.wrapping_add(digest::user(&user));
        if let Some(before) = self.users.insert(user.user.clone(), user) {
            self.digest = self.digest.wrapping_sub(digest::user(&before));
        }
    }

    pub(super) fn user_removed(&mut self, user: &UserName) -> Applied {
        let before = self.users.remove(user).ok_or("there is no such user")?;
        self.digest = self.digest.wrapping_sub(digest::user(&before));
        Ok(())
    }
}
