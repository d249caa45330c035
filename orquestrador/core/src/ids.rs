//! Identifiers and counters. Each is its own type, so that none is taken for another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Without the formatting of each group: tasks are named in every message.
fn write_canonical(id: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut text = [b'-'; 36];
    for (place, byte) in PLACES.into_iter().zip(id.to_be_bytes()) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

macro_rules! uuid_like {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// The 16 bytes of the UUID, most significant first.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// `None` unless there are exactly 16 bytes.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
            }
        }

        impl fmt::Display for $name {
            /// The canonical form of a UUID: 8-4-4-4-12 hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_canonical(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

uuid_like! {
    /// A task, named by the client with a UUIDv7.
    TaskId
}
uuid_like! {
    /// An array of tasks, named by the client with a UUID of version 8 whose last four bytes are 0: there its tasks
    /// have their numbers and 1.
    ArrayId
}

/// Where a UUID says of which version it is.
const VERSION_SHIFT: u32 = 76;

fn is_of_version_8(uuid: u128) -> bool {
    (uuid >> VERSION_SHIFT) & 0xf == 8
}

impl ArrayId {
    pub fn is_valid(self) -> bool {
        is_of_version_8(self.0) && self.0 as u32 == 0
    }

    /// The task with this number, which is less than `u32::MAX`.
    pub fn task(self, number: u32) -> TaskId {
        TaskId(self.0 | (u128::from(number) + 1))
    }

    /// Whether the task is one of so many in this array.
    pub fn has(self, task: TaskId, first: u32, count: u32) -> bool {
        task.in_array().is_some_and(|(array, number)| {
            array == self && number.checked_sub(first).is_some_and(|place| place < count)
        })
    }
}

impl TaskId {
    /// Only arrays and their tasks have such ids.
    pub fn is_for_arrays(self) -> bool {
        is_of_version_8(self.0)
    }

    /// It names an array, not one of its tasks.
    pub fn is_array(self) -> bool {
        ArrayId(self.0).is_valid()
    }

    /// As people read and write it: a task of an array is `ARRAY_7`, where 7 is its number.
    pub fn shown(self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.in_array() {
            Some((array, number)) => write!(f, "{array}_{number}"),
            None => write!(f, "{self}"),
        })
    }

    /// The array that it belongs to, and its number there.
    pub fn in_array(self) -> Option<(ArrayId, u32)> {
        let number = (self.0 as u32).checked_sub(1)?;
        self.is_for_arrays().then_some((ArrayId(self.0 & !u128::from(u32::MAX)), number))
    }
}
uuid_like! {
    /// An orchestrator's data directory: a wiped node is another node.
    NodeId
}
uuid_like! {
    /// One run of a process. A worker's is called its incarnation.
    ProcessId
}
uuid_like! {
    /// All nodes that share one history.
    ClusterId
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The one that follows.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// The fencing number: grows with each change of the principal's process. 0 is before any.
    Epoch(u64)
}
counter! {
    /// The number of a view; 0 is before the founding.
    ViewNumber(u64)
}
counter! {
    /// A place in the journal; the first entry is 1, 0 is before it.
    Index(u64)
}
counter! {
    /// How often a task was assigned; the first attempt is 1.
    Attempt(u32)
}
counter! {
    /// A pending question of a client, numbered by the shell; names where the answer goes.
    RequestId(u64)
}
counter! {
    /// A worker's open stream, numbered by the shell.
    SessionId(u64)
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// A worker's address, which is its identity; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub Arc<str>);

/// The user that a task belongs to; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(pub Arc<str>);

/// One of a user's tokens; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(pub Arc<str>);

impl TokenName {
    /// The one that a user is added with.
    pub const MAIN: &str = "main";

    /// The one that a user is added with.
    pub fn main() -> Self {
        Self::from(Self::MAIN)
    }
}

impl Borrow<str> for TokenName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UserName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The kind of work; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerName(pub Arc<str>);

/// What a user calls a task by, so that it is not done twice; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(pub Arc<str>);

/// A schedule of a user's; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleName(pub Arc<str>);

/// What a user calls tasks by that belong together; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(pub Arc<str>);

/// Where the end of a task is told to, as `http` or `https` URL; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookUrl(pub Arc<str>);

/// A queue; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(pub Arc<str>);

macro_rules! name_like {
    ($name:ident) => {
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
name_like!(WorkerId);
name_like!(UserName);
name_like!(TokenName);
name_like!(HandlerName);
name_like!(KeyName);
name_like!(GroupName);
name_like!(QueueName);
name_like!(WebhookUrl);
name_like!(ScheduleName);

impl WebhookUrl {
    /// Scheme, host and port: what is served by one receiver.
    pub fn target(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let rest = self.0.get(after_scheme..).unwrap_or_default();
        let end = rest.find(['/', '?', '#']).map_or(self.0.len(), |at| after_scheme + at);
        self.0.get(..end).unwrap_or_default()
    }
}

impl Default for QueueName {
    /// The queue of tasks that name none.
    fn default() -> Self {
        // Every task without a queue asks for it.
        static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("default"));
        Self(Arc::clone(&DEFAULT))
    }
}

/// A blob, by its content: the BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// `None` unless there are exactly 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// What [`fmt::Display`] writes; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.as_bytes().iter().all(is_hex) {
            return None;
        }
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for BlobId {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blob that a task refers to, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobRef {
    pub id: BlobId,
    pub bytes: u64,
}

/// Payloads and results on their way: shared, immutable bytes. They may be part of a larger message, which they
/// keep in memory: what stays is copied.
pub type Blob = bytes::Bytes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_uuids_are() {
        let id = TaskId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!(TaskId(0).to_string(), "00000000-0000-0000-0000-000000000000");
    }
}
