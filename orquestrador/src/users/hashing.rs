//! Argon2 on threads of its own: as many at a time as there are threads, whoever asks and leaves again. Each run takes 19 MiB,
//! which a thread keeps to itself; on threads of everybody each of these would come to hold as much.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use common::error_code::ErrorCode;
use common::grpc_status;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

/// Runs at once: each takes tens of milliseconds.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// Begins with the first one that asks; ends when it is dropped.
#[derive(Default)]
pub struct Hashing(OnceLock<mpsc::Sender<Job>>);

impl Hashing {
    /// Waits for its turn; nothing is done for whoever has left by then.
    ///
    /// # Errors
    /// `INTERNAL`: there is no thread.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Status> {
        let failed = |why: &str| grpc_status::status(ErrorCode::Internal, format!("tokens: {why}"));
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !reply.is_closed() && reply.send(work()).is_err() {
                tracing::trace!("whoever showed a token has left");
            }
        });
        let jobs = match self.0.get() {
            Some(jobs) => jobs,
            None => {
                let begun = begin().map_err(|error| failed(&error.to_string()))?;
                self.0.get_or_init(|| begun)
            }
        };
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
            while let Some(job) = next() {
                job();
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
            let asked = hashing.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            });
            // Polled once, and broken off.
            drop(futures::future::select(Box::pin(asked), std::future::ready(())).await);
        }
        assert_eq!(hashing.run(|| 7).await.expect("there are threads"), 7);
        assert!(most.load(Ordering::SeqCst) <= THREADS);
    }
}
