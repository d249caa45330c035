//! Which node is principal: the rules V1–V15 of `docs/failover.md`, as pure code.

mod view;

pub use view::{Acceptor, Ballot, Durable, EntryHash, EntryId, Replica, View};
