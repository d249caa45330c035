//! A small client of etcd: the part of its v3 API that Mutirão uses, of servers of version 3.4 and newer.
//!
//! It owns the connections, which endpoint is asked, and the token of its user. It never repeats a write that may have
//! been done: that is [`Error::Unknown`], and the caller looks. Keys and values are bytes to it.

mod call;
mod endpoints;
mod error;
mod failure;
mod kv;
mod lease;
mod maintenance;
mod options;
mod proto;
mod tls;
mod token;
mod txn;
mod value;
mod watch;

use std::sync::Arc;

use self::call::Caller;

pub use error::Error;
pub use lease::Lease;
pub use maintenance::{Alarm, AlarmKind, Status};
pub use options::{Credentials, Options, TlsOptions};
pub use tonic::Code;
pub use txn::{Compare, Op, Put, Txn, TxnOutcome};
pub use value::{KeyValue, Page, RangeQuery, end_of_prefix};
pub use watch::{Batch, Change, Kind, Watch};

/// What an operation gives, or why not.
pub type Result<T> = std::result::Result<T, Error>;

/// A client of one cluster of etcd. Cheap to clone; all clones share connections and the token.
///
/// Each request goes to the endpoint that answered last, and to the next after a failure. A read is tried at each
/// endpoint once, so it takes at most the timeout times their number. A write goes to another endpoint only when the one
/// before certainly did nothing.
#[derive(Clone, Debug)]
pub struct Etcd(Arc<Caller>);

impl Etcd {
    /// Reads the files of TLS. Connects when the first request is made, which needs a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Endpoint`]: there is none, or one is not `HOST:PORT`. [`Error::Files`]: a file of TLS cannot be read, or
    /// holds something else.
    pub fn new(options: Options) -> Result<Self> {
        Ok(Self(Arc::new(Caller::new(options)?)))
    }
}
