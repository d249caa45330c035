//! Every sentence that a person reads, in both languages.
//!
//! One enum per audience; each language is one exhaustive `match`, so a missing translation does not
//! compile. Keys, codes, flags and metrics are not sentences and are never translated.

use crate::lang::Lang;

pub mod amounts;
pub mod audit;
pub mod client;
pub mod client_arrays;
pub mod client_backup;
pub mod client_certs;
pub mod client_files;
pub mod client_headings;
pub mod client_help;
pub mod client_queues;
pub mod client_tables;
pub mod client_usage;
pub mod client_users;
pub mod client_webhooks;
pub mod command_line;
pub mod drill;
pub mod error;
pub mod failures;
pub mod fault;
pub mod flow;
pub mod io;
pub mod menu;
pub mod node;
pub mod node_arrays;
pub mod node_backup;
pub mod node_blobs;
pub mod node_engine;
pub mod node_help;
pub mod node_journal;
pub mod node_migrate;
pub mod node_peer;
pub mod node_shards;
pub mod node_webhooks;
pub mod operator;
pub mod refused;
pub mod run_as;
pub mod telemetry;
pub mod tls;
pub mod top;
pub mod traces;
pub mod webhook_failures;
pub mod words;
pub mod worker;
pub mod worker_help;

/// A sentence with its typed parts.
pub trait Message {
    /// A constant English name for machines, for example `worker_registered`.
    fn event(&self) -> &'static str;

    /// The sentence.
    fn text(&self, lang: Lang) -> String;

    /// What the sentence is about, for structured logs.
    fn fields(&self) -> Fields<'_> {
        Fields::default()
    }
}

/// The structured fields that console lines share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    /// `task.id`
    pub task: Option<&'a str>,
    /// `worker.id`
    pub worker: Option<&'a str>,
    /// `epoch`
    pub epoch: Option<u64>,
}
