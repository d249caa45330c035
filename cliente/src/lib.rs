//! The client of Mutirão: submits tasks, waits for them, and follows the principal through a failover.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cliente::{Client, ClientConfig, TaskSpec};
//! use common::auth::Credentials;
//! use futures::StreamExt as _;
//!
//! let client = Client::new(ClientConfig {
//!     endpoints: vec!["http://localhost:50051".parse()?, "http://localhost:50052".parse()?],
//!     credentials: Credentials::new("user1", "token_valido_123")?,
//!     timeout: std::time::Duration::from_secs(30),
//! });
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

mod client;
mod error;
mod retry;
mod spec;
mod watch;

pub use client::{Client, ClientConfig, Submitted};
pub use error::Error;
pub use spec::{TaskSpec, new_task_id};
