//! Between the role machine's words and their encoded form, for the orchestrators and for the workers
//! that are witnesses. It holds no state and does no I/O.
//!
//! Decoding is strict: what does not say a complete, valid thing is an error, never a default.

mod view;
mod witness;

pub use view::{
    ballot_from_proto, ballot_to_proto, entry_id_from_proto, entry_id_to_proto, hash, node,
    process, view_from_proto, view_to_proto,
};
pub use witness::{
    control_to_proto, inquiry_from_proto, inquiry_to_proto, sender_from_proto,
    testimony_from_proto, testimony_to_proto,
};

/// Encoded bytes that do not say a complete, valid thing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    #[error("not the encoding of the expected message")]
    Malformed(#[from] prost::DecodeError),
    #[error("`{0}` does not have the right number of bytes")]
    Length(&'static str),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` has a value that is not allowed")]
    Invalid(&'static str),
}
