//! The generated stubs; how they are nested is how the packages refer to each other.

#![allow(clippy::all, clippy::pedantic, missing_docs)]

pub(crate) mod mvccpb {
    tonic::include_proto!("mvccpb");
}

pub(crate) mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}
