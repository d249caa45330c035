//! The generated stubs of `proto/mutirao/v1`.

#![allow(missing_docs, clippy::all)]

tonic::include_proto!("mutirao.v1");

/// The compiled descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
