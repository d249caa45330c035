//! Payloads in task records.

use std::ops::Deref;

use crate::ids::Blob;
use crate::limits::SMALL_BYTES;

/// As large as a pointer and a length.
#[derive(Clone)]
pub enum Kept {
    Small(Box<[u8]>),
    Large(Box<Blob>),
}

impl Kept {
    pub fn new(blob: &Blob) -> Self {
        match blob.len() <= SMALL_BYTES {
            true => Self::Small(Box::from(&blob[..])),
            false => Self::Large(Box::new(blob.clone())),
        }
    }

    pub fn to_blob(&self) -> Blob {
        match self {
            Self::Small(bytes) => Blob::copy_from_slice(bytes),
            Self::Large(blob) => Blob::clone(blob),
        }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::Small(Box::default())
    }
}

impl Deref for Kept {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(blob) => blob,
        }
    }
}

// There may be millions.
const _: () = assert!(size_of::<Kept>() == 2 * size_of::<usize>());
