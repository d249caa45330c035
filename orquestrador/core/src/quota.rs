//! How much of the platform a user may take, and takes.

/// What an administrator allows a user. Each limit is at least 1; `None`: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Quota {
    /// Unfinished tasks.
    pub max_active: Option<u64>,
    /// Payload bytes of unfinished tasks.
    pub max_bytes: Option<u64>,
    /// Tasks at a time that run, or are cancelled and have not ended.
    pub max_running: Option<u32>,
    /// Submissions per second.
    pub submit_rate: Option<u32>,
}

/// What a user's tasks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Unfinished tasks, those of arrays that have no record included.
    pub active: u64,
    /// Payloads of unfinished tasks; one for all of an array that have no record.
    pub bytes: u64,
    /// Tasks that run, other than cancelled ones.
    pub running: u32,
    /// Cancelled attempts that have not ended.
    pub held: u32,
}

impl Usage {
    /// Whether one more task may run.
    pub(crate) fn admits_another(&self, quota: Quota) -> bool {
        let taken = self.running.saturating_add(self.held);
        quota.max_running.is_none_or(|most| taken < most)
    }
}

/// One of the limits of a [`Quota`] on what a user submits, by the name that administrators give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLimit {
    MaxActive,
    MaxBytes,
}

impl std::fmt::Display for UserLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MaxActive => "unfinished tasks of one user (max_active)",
            Self::MaxBytes => "payload bytes of unfinished tasks of one user (max_bytes)",
        })
    }
}
