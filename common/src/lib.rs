//! What every Mutirão binary shares. It knows the wire and the people, never the core.

#![warn(missing_docs)]

pub mod array_id;
pub mod auth;
pub mod blobs;
pub mod connections;
pub mod console;
pub mod endpoint;
pub mod error_code;
pub mod exit;
pub mod failure_code;
pub mod grpc_status;
pub mod help;
pub mod lang;
pub mod manual;
#[allow(missing_docs, reason = "the sentences say what their fields are")]
pub mod messages;
pub mod proto;
pub mod shutdown;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
pub mod traces;
pub mod version;
