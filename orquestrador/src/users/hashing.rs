//! Argon2id on threads of its own: as many at a time as there are threads, whoever asks and leaves again. Each run takes
//! 19 MiB, which its thread keeps for the next one: the allocator would keep three times as much for each thread.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version, password_hash};
use common::error_code::ErrorCode;
use common::grpc_status;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tonic::Status;

/// Runs at once: each takes tens of milliseconds.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce(&mut Room) + Send>;

/// What a thread computes in.
#[derive(Default)]
pub struct Room(Vec<Block>);

impl Room {
    /// Of a new token, in PHC form.
    ///
    /// # Errors
    /// The token is too long, or there is no randomness for a salt.
    pub fn hash(&mut self, token: &str) -> password_hash::Result<String> {
        let (salt, params) = (Salt::generate(), Params::default());
        let text = ParamsString::try_from(&params)?;
        let hash = self.output(token, &salt, (Algorithm::default(), Version::default(), params))?;
        let whole = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: text,
            salt: Some(salt),
            hash: Some(hash),
        };
        Ok(whole.to_string())
    }

    /// Whether `hash`, in PHC form, was made from `token`.
    ///
    /// # Errors
    /// It is no hash that could be compared with.
    pub fn verify(&mut self, token: &str, hash: &str) -> password_hash::Result<bool> {
        let known = PasswordHash::new(hash)?;
        let version = known.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let how =
            (Algorithm::try_from(known.algorithm.as_str())?, version, Params::try_from(&known)?);
        let salt = known.salt.ok_or(password_hash::Error::SaltInvalid)?;
        // In constant time.
        Ok(known.hash == Some(self.output(token, &salt, how)?))
    }

    fn output(
        &mut self,
        token: &str,
        salt: &[u8],
        (algorithm, version, params): (Algorithm, Version, Params),
    ) -> password_hash::Result<Output> {
        self.0.resize(params.block_count(), Block::default());
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let argon2 = Argon2::new(algorithm, version, params);
        let mut output = vec![0; length];
        argon2.hash_password_into_with_memory(token.as_bytes(), salt, &mut output, &mut self.0)?;
        Ok(Output::new(&output)?)
    }
}

/// Begins with the first one that asks; ends when it is dropped.
#[derive(Default)]
pub struct Hashing(OnceCell<mpsc::Sender<Job>>);

impl Hashing {
    /// Waits for its turn; nothing is done for whoever has left by then.
    ///
    /// # Errors
    /// `INTERNAL`: there is no thread.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Room) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let failed = |why: &str| grpc_status::status(ErrorCode::Internal, format!("tokens: {why}"));
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |room| {
            if !reply.is_closed() && reply.send(work(room)).is_err() {
                tracing::trace!("whoever showed a token has left");
            }
        });
        let begun = self.0.get_or_try_init(async || begin());
        let jobs = begun.await.map_err(|error| failed(&error.to_string()))?;
        jobs.send(job).await.map_err(|_| failed("the threads have ended"))?;
        answer.await.map_err(|_| failed("the thread ended"))
    }
}

fn begin() -> std::io::Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>(1);
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..THREADS {
        let jobs = Arc::clone(&jobs);
        let next = move || jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let work = move || {
            let mut room = Room::default();
            while let Some(job) = next() {
                job(&mut room);
            }
        };
        std::thread::Builder::new().name("tokens".to_owned()).spawn(work)?;
    }
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Requests that are broken off do not let more in.
    #[tokio::test]
    async fn no_more_run_at_once_though_all_who_asked_leave() {
        let hashing = Arc::new(Hashing::default());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let asked = hashing.run(move |_| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            });
            // Polled once, and broken off.
            drop(futures::future::select(Box::pin(asked), std::future::ready(())).await);
        }
        assert_eq!(hashing.run(|_| 7).await.expect("there are threads"), 7);
        assert!(most.load(Ordering::SeqCst) <= THREADS);
    }

    /// Nothing of one run is left for the next; the crate's own hashes are verified, and ours by it.
    #[test]
    fn one_room_serves_many_tokens() -> password_hash::Result<()> {
        use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

        let mut room = Room::default();
        let hashes = [room.hash("one")?, room.hash("two")?, room.hash("one")?];
        assert_ne!(hashes[0], hashes[2], "each has its salt");
        for (hash, token) in hashes.iter().zip(["one", "two", "one"]) {
            assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
            assert!(room.verify(token, hash)? && !room.verify("three", hash)?);
            Argon2::default().verify_password(token.as_bytes(), hash.as_str())?;
        }
        let of_crate = Argon2::default().hash_password(b"four")?.to_string();
        assert!(room.verify("four", &of_crate)? && !room.verify("one", &of_crate)?);
        for broken in
            ["", "four", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA", "$scrypt$n=1$c2FsdHNhbHQ$aGFzaA"]
        {
            assert!(!room.verify("four", broken).unwrap_or(false), "{broken}");
        }
        Ok(())
    }
}
