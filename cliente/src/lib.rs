//! The client of Mutirão: submits tasks, waits for them, and follows the principal through a failover.
//!
//! Each call is repeated by itself, at whichever orchestrator is the principal, until it is answered, refused for
//! good, or the timeout is over. The ids of tasks are chosen on this side and stay the same, so that a repetition never
//! duplicates. An answer of a fenced principal, of a lower epoch than was seen before, is not believed.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cliente::{Client, ClientConfig, TaskSpec};
//! use common::auth::Credentials;
//! use futures::StreamExt as _;
//!
//! let endpoints = vec!["http://localhost:50051".parse()?, "http://localhost:50052".parse()?];
//! let credentials = Credentials::new("user1", "token_valido_123")?;
//! let client = Client::new(ClientConfig::new(endpoints, credentials));
//! let task = TaskSpec::new("echo", b"hello".to_vec());
//! let id = task.task_id.clone();
//! client.submit(task, false).await?;
//! let mut finished = std::pin::pin!(client.wait_many(vec![id], true));
//! while let Some(update) = finished.next().await {
//!     println!("{:?}", update?.result);
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod arrays;
mod audit;
mod backup;
mod blobs;
mod client;
mod encoded;
mod error;
mod filter;
mod groups;
mod operator;
mod output;
mod produced;
mod queues;
mod retry;
mod run;
mod schedules;
mod shards;
mod spec;
mod submit;
mod users;
mod watch;
mod webhooks;

pub use arrays::{ArraySpec, SubmittedArray, Work, task_ids as array_task_ids};
pub use audit::{Audit, AuditedNode, NotRead, UnreadNode, Verdict};
pub use backup::Backup;
pub use blobs::Unreceived;
pub use client::{Batch, Client, ClientConfig, Submitted};
pub use error::Error;
pub use filter::TaskFilter;
pub use operator::Accident;
pub use produced::Produced;
pub use queues::QueueChange;
pub use schedules::{CatchUp, Overlap, ScheduleSpec};
pub use spec::{
    After, Delivery, Needs, Place, RetryPolicy, Start, TaskSpec, TimeLimits, UniqueKey,
    canonical_task_id, new_task_id, part_array_id, part_id, retry_array_id, retry_id,
};
pub use users::{NewLimits, QuotaChange};
pub use watch::is_final;
