//! Blobs in an S3-compatible store, which outlives every machine of ours. An object's name ends in the epoch of the
//! principal that put it: see `docs/adr/0019-object-store.md`.

mod connect;
mod index;

use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::blobs::{Content, Hash, chunks};
use common::error_code::ErrorCode;
use common::grpc_status;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use orquestrador_core::ids::{ClusterId, Epoch};
use tonic::Status;

use super::store::{self, Store};
use crate::api::blobs::refusal;
use index::{Index, Present};

pub use index::Object;

pub use connect::{NoBucket, S3};

/// What is put in one piece; larger ones in parts of that size, so many at a time.
const PART_BYTES: usize = 8 << 20;
const PARTS: usize = 4;
/// For a question, and for the next piece of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is being removed is looked at again so often.
const PAUSE: Duration = Duration::from_millis(20);

/// Whose blobs: the names of objects begin so, and two clusters in one bucket do not touch each other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Office {
    pub cluster: ClusterId,
    pub epoch: Epoch,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{store} refuses: {source}")]
    Refused { store: Arc<str>, source: object_store::Error },
    #[error("{store} cannot be used now: {why}")]
    Away { store: Arc<str>, why: String },
    #[error("the office of this node has ended")]
    Ended,
    #[error("blob {0} is in no object")]
    Missing(Hash),
    #[error("the object of blob {0} is not what its name says")]
    Damaged(Hash),
    #[error(transparent)]
    Disk(#[from] store::Error),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Refused { .. } => ErrorCode::BlobStoreRefused,
            Error::Away { .. } => ErrorCode::BlobStoreAway,
            Error::Ended => ErrorCode::NotPrimary,
            Error::Missing(_) => ErrorCode::BlobNotFound,
            Error::Damaged(_) => ErrorCode::BlobDamaged,
            Error::Disk(error) => return refusal(error),
        };
        grpc_status::status(code, error.to_string())
    }
}

/// One for the whole node.
pub struct Bucket {
    objects: Arc<dyn ObjectStore>,
    /// As people know it.
    name: Arc<str>,
    prefix: String,
    /// Of all that tasks refer to, and what is on its way.
    limit: u64,
    index: Mutex<Index>,
    /// Objects that were found to be damaged in this process.
    damaged: Mutex<Vec<Object>>,
    /// Something that was there is not any more, and nobody has looked yet.
    has_lost: AtomicBool,
    /// Why it could not be used, and told to nobody yet.
    trouble: Mutex<Option<String>>,
}

impl Bucket {
    pub fn new(objects: Arc<dyn ObjectStore>, s3: &S3, limit: u64) -> Self {
        Self {
            objects,
            name: s3.name().into(),
            prefix: s3.prefix.clone(),
            limit,
            index: Mutex::default(),
            damaged: Mutex::default(),
            has_lost: AtomicBool::new(false),
            trouble: Mutex::default(),
        }
    }

    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Makes sure that there is an object of this office, from an earlier one or from the own copy: no principal but this
    /// one removes it. It stays for some time.
    ///
    /// # Errors
    /// The store does not take it; there is neither an earlier one nor a copy.
    pub async fn secure(
        &self,
        office: Office,
        content: Content,
        copies: &Store,
    ) -> Result<(), Error> {
        loop {
            let present = self.index_of(office)?.want(content.hash, Instant::now());
            let earlier = match present {
                Present::Own => return Ok(()),
                Present::Going => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Present::Earlier(object) => Some(object),
                Present::Unknown if copies.has(content.hash) => None,
                Present::Unknown => self.look_for(office.cluster, content.hash).await?,
            };
            let is_there = match earlier {
                // Put by this office, which had no list yet.
                Some(object) if object.epoch == office.epoch => true,
                Some(object) => self.copy(office, &object).await?,
                None => false,
            };
            if !is_there {
                self.put(office, content, copies).await?;
            }
            self.index_of(office)?.put(content, Instant::now());
            return Ok(());
        }
    }

    /// False if it is gone meanwhile.
    async fn copy(&self, office: Office, object: &Object) -> Result<bool, Error> {
        let newer = Object { epoch: office.epoch, ..*object };
        let (from, to) = (self.path(office.cluster, object), self.path(office.cluster, &newer));
        match self.objects.copy(&from, &to).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn put(&self, office: Office, content: Content, copies: &Store) -> Result<(), Error> {
        let Content { hash, bytes } = content;
        if !copies.has(hash) {
            return Err(Error::Missing(hash));
        }
        let full = |kept| store::Error::Full { bytes, kept, limit: self.limit, flag: store::MAX };
        self.index().room(bytes, self.limit).map_err(full)?;
        let object = Object { hash, epoch: office.epoch, bytes };
        let (to, file) = (self.path(office.cluster, &object), copies.path(hash));
        match bytes <= PART_BYTES as u64 {
            true => {
                let whole = tokio::fs::read(file).await.map_err(store::Error::from)?;
                if Content::of(&whole) != content {
                    return Err(Error::Damaged(hash));
                }
                self.objects.put(&to, whole.into()).await.map_err(|e| self.failed(e))?;
            }
            false => self.put_parts(&to, content, &file).await?,
        }
        self.damaged().retain(|damaged| *damaged != object);
        Ok(())
    }

    async fn put_parts(&self, to: &Path, content: Content, file: &FilePath) -> Result<(), Error> {
        let upload = self.objects.put_multipart(to).await.map_err(|error| self.failed(error))?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut hasher = blake3::Hasher::new();
        let mut pieces = std::pin::pin!(chunks(file.to_owned(), 0));
        let written: Result<(), Error> = async {
            while let Some(piece) = pieces.try_next().await.map_err(store::Error::from)? {
                hasher.update(&piece);
                parts.wait_for_capacity(PARTS).await.map_err(|error| self.failed(error))?;
                parts.put(piece);
            }
            match *hasher.finalize().as_bytes() == content.hash.0 {
                true => Ok(()),
                false => Err(Error::Damaged(content.hash)),
            }
        }
        .await;
        if let Err(error) = written {
            if let Err(left) = parts.abort().await {
                tracing::warn!(error = %left, "parts of an object that is not finished stay in the store");
            }
            return Err(error);
        }
        parts.finish().await.map(drop).map_err(|error| self.failed(error))
    }

    /// Into the directory, from whatever object there is. Gives its length.
    ///
    /// # Errors
    /// The store or the disk; there is none; it is damaged.
    pub async fn fetch(&self, office: Office, hash: Hash, copies: &Store) -> Result<u64, Error> {
        let object = self.present(office, hash).await?.ok_or(Error::Missing(hash))?;
        let content = Content { hash, bytes: object.bytes };
        let mut incoming = copies.receive(content).await?;
        let answer = self.objects.get(&self.path(office.cluster, &object)).await;
        let mut pieces = match answer {
            Ok(answer) => answer.into_stream(),
            Err(object_store::Error::NotFound { .. }) => return Err(Error::Missing(hash)),
            Err(error) => return Err(self.failed(error)),
        };
        while let Some(piece) = self.patiently(pieces.try_next()).await? {
            match incoming.write(&piece).await {
                Err(store::Error::Other) => return Err(self.is_damaged(object)),
                written => written?,
            }
        }
        match incoming.keep().await {
            Err(store::Error::Other) => return Err(self.is_damaged(object)),
            kept => kept?,
        }
        copies.is_elsewhere(hash, true);
        Ok(object.bytes)
    }

    fn is_damaged(&self, object: Object) -> Error {
        tracing::error!(blob = %object.hash, epoch = object.epoch.0, "an object is not what its name says");
        self.damaged().push(object);
        // The next one who puts the blob puts it anew.
        self.index().gone(&object);
        self.has_lost.store(true, Ordering::Relaxed);
        Error::Damaged(object.hash)
    }

    /// The newest object of a blob, whoever put it, unless it is being removed; it stays for some time.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn present(&self, office: Office, hash: Hash) -> Result<Option<Object>, Error> {
        let (present, known) = match self.index_of(office) {
            Ok(mut index) => (index.want(hash, Instant::now()), index.find(hash)),
            Err(_) => (Present::Unknown, None),
        };
        match present {
            Present::Own | Present::Earlier(_) => Ok(known),
            Present::Going => Ok(None),
            Present::Unknown => self.look_for(office.cluster, hash).await,
        }
    }

    async fn look_for(&self, cluster: ClusterId, hash: Hash) -> Result<Option<Object>, Error> {
        let of_blob = Path::from(format!("{}{hash}", self.root(cluster)));
        let found = self.objects.list(Some(&of_blob)).try_collect::<Vec<_>>();
        let found = self.patiently(found).await?;
        let damaged = self.damaged();
        let objects = found.iter().filter_map(|meta| object(&meta.location, meta.size));
        Ok(objects.filter(|object| !damaged.contains(object)).max())
    }

    /// Looks at all objects of the cluster.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn list(&self, office: Office) -> Result<(), Error> {
        let began = Instant::now();
        let root = Path::from(self.root(office.cluster));
        let mut listing = self.objects.list(Some(&root));
        let mut all = Vec::new();
        while let Some(meta) = self.patiently(listing.try_next()).await? {
            all.extend(object(&meta.location, meta.size));
        }
        {
            let damaged = self.damaged();
            all.retain(|object| !damaged.contains(object));
        }
        self.index_of(office)?.list(&all, began, Instant::now());
        Ok(())
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// It does not, or refuses.
    pub async fn try_it(&self, office: Office) -> Result<(), Error> {
        let root = Path::from(self.root(office.cluster));
        self.patiently(self.objects.list(Some(&root)).try_next()).await.map(drop)
    }

    /// Why it could not be used, if that is so since somebody asked.
    pub fn take_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// When this office listed them, if it did.
    pub fn listed(&self, office: Office) -> Option<Instant> {
        self.index_of(office).ok()?.listed()
    }

    /// Whether something that was there is not any more, since somebody asked.
    pub fn take_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::Relaxed)
    }

    /// Whether this office knows an object of it.
    pub fn knows(&self, hash: Hash) -> bool {
        self.index().find(hash).is_some()
    }

    pub fn is_newest(&self, object: &Object) -> bool {
        self.index().find(object.hash) == Some(*object)
    }

    /// What nobody needs is going: whoever is about to refer to it waits. At most `most`.
    pub fn depart(
        &self,
        grace: Duration,
        stays: impl Fn(Hash) -> bool,
        most: usize,
    ) -> Vec<Object> {
        self.index().depart(Instant::now(), grace, self.limit, stays, most)
    }

    /// These stay.
    pub fn stay(&self, objects: &[Object]) {
        let mut index = self.index();
        objects.iter().for_each(|object| index.stay(object));
    }

    /// Removes what is going. Gives how many blobs are gone with it, and their bytes.
    ///
    /// # Errors
    /// The store. Some may be gone, or go later: all of them are to be removed again before anybody can rely upon such an
    /// object.
    pub async fn remove(
        &self,
        office: Office,
        going: &[Object],
        copies: &Store,
    ) -> Result<(u64, u64), Error> {
        let paths: Vec<_> =
            going.iter().map(|object| Ok(self.path(office.cluster, object))).collect();
        let removed = self.objects.delete_stream(futures::stream::iter(paths).boxed());
        self.patiently(removed.try_collect::<Vec<_>>()).await?;
        let mut sum = (0, 0);
        let mut index = self.index_of(office)?;
        for object in going {
            if index.gone(object) {
                copies.is_elsewhere(object.hash, false);
                sum = (sum.0 + 1, sum.1 + object.bytes);
            }
        }
        Ok(sum)
    }

    fn root(&self, cluster: ClusterId) -> String {
        match self.prefix.is_empty() {
            true => format!("{cluster}/"),
            false => format!("{}/{cluster}/", self.prefix),
        }
    }

    /// `[PREFIX/]CLUSTER/HASH/EPOCH`.
    fn path(&self, cluster: ClusterId, object: &Object) -> Path {
        Path::from(format!("{}{}/{}", self.root(cluster), object.hash, object.epoch.0))
    }

    async fn patiently<T>(
        &self,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.failed(error)),
            Err(_) => {
                let why = format!("no answer for {} s", PATIENCE.as_secs());
                Err(self.in_trouble(Error::Away { store: self.name(), why }))
            }
        }
    }

    fn failed(&self, source: object_store::Error) -> Error {
        use object_store::Error as E;
        self.in_trouble(match source {
            // Of a question that is not about one object: there is no such bucket.
            E::PermissionDenied { .. } | E::Unauthenticated { .. } | E::NotFound { .. } => {
                Error::Refused { store: self.name(), source }
            }
            other if is_refusal(&other.to_string()) => {
                Error::Refused { store: self.name(), source: other }
            }
            other => Error::Away { store: self.name(), why: other.to_string() },
        })
    }

    fn in_trouble(&self, error: Error) -> Error {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = Some(error.to_string());
        error
    }

    fn index_of(&self, office: Office) -> Result<MutexGuard<'_, Index>, Error> {
        let mut index = self.index();
        if index.begin(office.epoch) { Ok(index) } else { Err(Error::Ended) }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Every change is made as a whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self) -> MutexGuard<'_, Vec<Object>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The library tells the status of an answer to a list only in its text. 408 and 429 ask to be asked again.
fn is_refusal(text: &str) -> bool {
    let status = text.split("status code: 4").nth(1).and_then(|rest| rest.get(..2));
    status.is_some_and(|rest| !["08", "29"].contains(&rest))
}

/// By its name; `None` for what is none of ours.
fn object(path: &Path, bytes: u64) -> Option<Object> {
    let mut parts = path.as_ref().rsplit('/');
    let epoch = parts.next()?.parse().map(Epoch).ok()?;
    let hash = Hash::from_hex(parts.next()?)?;
    Some(Object { hash, epoch, bytes })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn office(epoch: u64) -> Office {
        Office { cluster: ClusterId(7), epoch: Epoch(epoch) }
    }

    struct Node {
        _dir: tempfile::TempDir,
        copies: Store,
        bucket: Bucket,
    }

    impl Node {
        fn new(objects: &Arc<InMemory>) -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            let copies = Store::open(dir.path(), 1 << 30, store::COPIES).expect("opens");
            let s3 = S3::parse("s3://tasks/ours").expect("is a bucket");
            Self {
                _dir: dir,
                copies,
                bucket: Bucket::new(Arc::<InMemory>::clone(objects), &s3, 1 << 30),
            }
        }

        async fn receive(&self, bytes: &[u8]) -> Content {
            let content = Content::of(bytes);
            let mut incoming = self.copies.receive(content).await.expect("there is room");
            incoming.write(bytes).await.expect("is written");
            incoming.keep().await.expect("is kept");
            content
        }
    }

    #[tokio::test]
    async fn what_a_deposed_principal_removes_is_not_what_the_next_one_relies_upon() {
        let objects = Arc::new(InMemory::new());
        let (old, new) = (Node::new(&objects), Node::new(&objects));
        let content = old.receive(b"content").await;
        old.bucket.secure(office(1), content, &old.copies).await.expect("is put");
        // The old one has decided, and is not heard of for a while.
        let going = old.bucket.depart(Duration::ZERO, |_| false, 9);
        assert_eq!(going.len(), 1);
        new.bucket.secure(office(2), content, &new.copies).await.expect("is copied");
        let removed = old.bucket.remove(office(1), &going, &old.copies).await.expect("is removed");
        assert_eq!(removed, (1, 7));
        let fetched = new.bucket.fetch(office(2), content.hash, &new.copies).await;
        assert_eq!(fetched.expect("is there"), 7);
    }

    #[tokio::test]
    async fn the_next_principal_removes_what_its_predecessor_left() {
        let objects = Arc::new(InMemory::new());
        let (old, new) = (Node::new(&objects), Node::new(&objects));
        let left = old.receive(b"left").await;
        old.bucket.secure(office(1), left, &old.copies).await.expect("is put");
        new.bucket.list(office(2)).await.expect("is listed");
        let going = new.bucket.depart(Duration::ZERO, |_| false, 9);
        let removed = new.bucket.remove(office(2), &going, &new.copies).await.expect("is removed");
        assert_eq!(removed, (1, 4));
        let fetched = new.bucket.fetch(office(2), left.hash, &new.copies).await;
        assert!(matches!(fetched, Err(Error::Missing(_))), "{fetched:?}");
    }

    #[tokio::test]
    async fn what_is_damaged_here_or_there_is_neither_sent_nor_kept() {
        let objects = Arc::new(InMemory::new());
        let (one, other) = (Node::new(&objects), Node::new(&objects));
        let large: Vec<u8> = (0..3 * PART_BYTES).map(|n| (n % 251) as u8).collect();
        for bytes in [&large[..], b"small"] {
            let content = one.receive(bytes).await;
            std::fs::write(one.copies.path(content.hash), b"something else").expect("is written");
            let put = one.bucket.secure(office(1), content, &one.copies).await;
            assert!(matches!(put, Err(Error::Damaged(_))), "{put:?}");
            let found = one.bucket.present(office(1), content.hash).await.expect("is asked");
            assert_eq!(found, None);

            let content = other.receive(bytes).await;
            other.bucket.secure(office(1), content, &other.copies).await.expect("is put");
            let object = Object { hash: content.hash, epoch: Epoch(1), bytes: content.bytes };
            let path = other.bucket.path(ClusterId(7), &object);
            objects.put(&path, b"damaged".to_vec().into()).await.expect("is put");
            one.copies.set_aside_if_damaged(content.hash).expect("is moved");
            let fetched = one.bucket.fetch(office(1), content.hash, &one.copies).await;
            assert!(matches!(fetched, Err(Error::Damaged(_))), "{fetched:?}");
            assert!(!one.copies.has(content.hash));
        }
    }

    #[test]
    fn refusals_are_told_from_troubles_that_pass() {
        let of = |status| format!("Server returned non-2xx status code: {status}: <Error>");
        for (status, is_one) in [("403 Forbidden", true), ("404 Not Found", true)] {
            assert_eq!(is_refusal(&of(status)), is_one);
        }
        for status in ["408 Request Timeout", "429 Too Many Requests", "503 Unavailable"] {
            assert!(!is_refusal(&of(status)), "{status}");
        }
    }
}
