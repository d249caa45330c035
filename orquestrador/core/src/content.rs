//! Payloads and results as records keep them: the bytes themselves or, of long ones, a reference to the blob that holds them,
//! in the same place. So nothing of the machine differs for long ones, and equal contents compare as equal.

use crate::ids::{Blob, BlobId, BlobRef};

/// What no payload is expected to begin with; one that does follows it and [`INLINE`].
const MARK: [u8; 16] = *b"\xffmutirao-content";
const INLINE: u8 = 0;
const REFERRED: u8 = 1;
/// Bytes of a reference.
const REFERENCE: usize = MARK.len() + 1 + 32 + 8;

/// What a record stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Inline(Blob),
    Referred(BlobRef),
}

impl Content {
    /// What a record keeps of it.
    pub fn into_kept(self) -> Blob {
        match self {
            Self::Inline(bytes) if bytes.starts_with(&MARK) => {
                [&MARK[..], &[INLINE], &bytes].concat().into()
            }
            Self::Inline(bytes) => bytes,
            Self::Referred(BlobRef { id, bytes }) => {
                [&MARK[..], &[REFERRED], &id.0, &bytes.to_le_bytes()].concat().into()
            }
        }
    }

    /// What a record means by it.
    pub fn of_kept(kept: Blob) -> Self {
        match (kept.strip_prefix(&MARK), referred(&kept)) {
            (_, Some(blob)) => Self::Referred(blob),
            (Some([INLINE, ..]), None) => Self::Inline(kept.slice(MARK.len() + 1..)),
            (Some(_) | None, None) => Self::Inline(kept),
        }
    }
}

/// The blob that it refers to, if it is a reference.
pub fn referred(kept: &[u8]) -> Option<BlobRef> {
    let [REFERRED, rest @ ..] = kept.strip_prefix(&MARK)? else { return None };
    let (id, bytes) = rest.split_at_checked(32)?;
    let bytes = u64::from_le_bytes(bytes.try_into().ok()?);
    Some(BlobRef { id: BlobId::from_bytes(id)?, bytes })
}

/// How long the content is that is kept so.
pub fn length(kept: &[u8]) -> u64 {
    let escape =
        if kept.len() > MARK.len() && kept.starts_with(&MARK) { MARK.len() + 1 } else { 0 };
    referred(kept).map_or((kept.len() - escape) as u64, |blob| blob.bytes)
}

const _: () = assert!(REFERENCE < crate::limits::SMALL_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_kept_means_the_same_and_has_its_length() {
        let blob = BlobRef { id: BlobId([7; 32]), bytes: 50 << 20 };
        let reference = Content::Referred(blob).into_kept();
        assert_eq!(reference.len(), REFERENCE);
        let inline = [Blob::new(), "text".into(), reference.clone(), Blob::from_static(&MARK)];
        for bytes in inline {
            let kept = Content::Inline(bytes.clone()).into_kept();
            assert_eq!(length(&kept), bytes.len() as u64, "{bytes:?}");
            assert_eq!(Content::of_kept(kept), Content::Inline(bytes));
        }
        assert_eq!((length(&reference), referred(&reference)), (blob.bytes, Some(blob)));
        assert_eq!(referred(&reference[..REFERENCE - 1]), None);
        assert_eq!(Content::of_kept(reference), Content::Referred(blob));
    }
}
