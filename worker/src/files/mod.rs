//! Files of tasks: what an attempt takes is fetched by its hash, and kept for the next one that takes it; what it made
//! is stored at the orchestrators before its outcome is told.

mod cache;
mod remote;
mod sources;
mod staging;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::blobs::{Content, InputFrom, Partial, Source, StagedFile};
use common::endpoint::Endpoint;
use common::tls::Tls;
use tokio::sync::watch;

use crate::handlers::Failure;

use cache::Cache;
use remote::Remote;

/// Where blobs are: the principal, as the worker knows it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub endpoint: Endpoint,
    pub cluster: String,
}

/// The files of one attempt. Cheap to clone; by default there are none to be had.
#[derive(Clone, Debug, Default)]
pub struct Files {
    shared: Option<Arc<Shared>>,
    made: Arc<Mutex<Vec<Content>>>,
    /// How much is on its way to the orchestrators.
    giving: Arc<AtomicUsize>,
}

/// Something is on its way until this is dropped.
struct Giving<'a>(&'a AtomicUsize);

impl Drop for Giving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Shared {
    cache: Cache,
    remote: Remote,
    /// Of what an attempt gives.
    max_result_bytes: u64,
}

impl Files {
    /// Of a worker whose cache is in this directory, which need not be there yet, with so many bytes at most; the second
    /// number is that of a result.
    pub(crate) fn new(
        cache_dir: &Path,
        (max_bytes, max_result_bytes): (u64, u64),
        seat: watch::Receiver<Option<Seat>>,
        tls: Tls,
    ) -> Self {
        let (cache, remote) = (Cache::new(cache_dir.to_owned(), max_bytes), Remote::new(seat, tls));
        let shared = Shared { cache, remote, max_result_bytes };
        Self { shared: Some(Arc::new(shared)), ..Self::default() }
    }

    /// The same for another attempt.
    pub(crate) fn of_attempt(&self) -> Self {
        Self { shared: self.shared.clone(), ..Self::default() }
    }

    fn giving(&self) -> Giving<'_> {
        self.giving.fetch_add(1, Ordering::Relaxed);
        Giving(&self.giving)
    }

    /// Whether something is on its way to the orchestrators.
    pub(crate) fn is_giving(&self) -> bool {
        self.giving.load(Ordering::Relaxed) > 0
    }

    /// Puts these files into the directory, in which nothing else works yet, and those that the task takes of others.
    ///
    /// # Errors
    /// A name leads elsewhere, a file is not at the orchestrators, or what should have left it did not or is forgotten
    /// (`INPUT_MISSING`), or the disk failed.
    pub async fn stage(
        &self,
        dir: &Path,
        inputs: &[StagedFile],
        (task_id, from): (&str, &[InputFrom]),
    ) -> Result<(), Failure> {
        if inputs.is_empty() && from.is_empty() {
            return Ok(());
        }
        let Shared { cache, remote, .. } = self.shared()?;
        let mut all = sources::inputs((cache, remote), task_id, from).await?;
        all.extend(inputs.iter().cloned());
        staging::stage(cache, remote, dir, &all).await
    }

    /// Stores the files below the directory that these names and patterns stand for. A name without a file is a failure
    /// if the work succeeded.
    ///
    /// # Errors
    /// One is missing, or could not be stored.
    pub async fn collect(
        &self,
        dir: &Path,
        outputs: &[String],
        has_succeeded: bool,
    ) -> Result<Vec<StagedFile>, Failure> {
        if outputs.is_empty() {
            return Ok(Vec::new());
        }
        let _giving = self.giving();
        let files = staging::collect(&self.shared()?.remote, dir, (outputs, has_succeeded)).await?;
        self.made().extend(files.iter().filter_map(StagedFile::content));
        Ok(files)
    }

    /// The payload that a task refers to.
    pub(crate) async fn payload(&self, content: Content) -> Result<Vec<u8>, Failure> {
        let Shared { cache, remote, .. } = self.shared()?;
        cache.read(remote, content).await.map_err(|error| {
            let text = format!("failed to fetch the payload: {error}");
            match error {
                remote::Error::Missing => Failure::new("INPUT_MISSING", text),
                remote::Error::Refused(_) | remote::Error::Io(_) => Failure::handler(text),
            }
        })
    }

    /// Stores what an attempt gives; its outcome is to refer to it.
    pub(crate) async fn store(&self, source: Source, content: Content) -> Result<Content, Failure> {
        let _giving = self.giving();
        let put = self.shared()?.remote.put(source, content).await;
        put.map_err(|error| {
            let text = format!("failed to store {} bytes of output: {error}", content.bytes);
            Failure::new("OUTPUT_FAILED", text)
        })?;
        self.made().push(content);
        Ok(content)
    }

    /// What an attempt may give; `None`: nothing can be stored here.
    pub(crate) fn max_result_bytes(&self) -> Option<u64> {
        self.shared.as_deref().map(|shared| shared.max_result_bytes)
    }

    /// A new file for what is to be stored; it goes with its last user.
    pub(crate) async fn scratch(&self) -> std::io::Result<Partial> {
        let shared = self.shared.as_deref();
        let shared = shared.ok_or_else(|| std::io::Error::other("nothing can be stored here"))?;
        Partial::create(shared.cache.scratch()?).await
    }

    /// What the outcome of the attempt refers to.
    pub(crate) fn take_made(&self) -> Vec<Content> {
        let mut made = std::mem::take(&mut *self.made());
        made.sort();
        made.dedup();
        made
    }

    fn made(&self) -> MutexGuard<'_, Vec<Content>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> Result<&Shared, Failure> {
        let none = || Failure::handler("files of tasks are only for attempts that a worker runs");
        self.shared.as_deref().ok_or_else(none)
    }
}
