//! Finding the principal: one loop for every call, and what is remembered between calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use common::auth::Credentials;
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use rand::Rng as _;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::Error;

/// The pause between two tries, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// One orchestrator.
pub struct Target {
    pub endpoint: Endpoint,
    pub channel: Channel,
}

/// The orchestrators, and which of them answered last as principal.
pub struct Targets {
    targets: Vec<Target>,
    present: AtomicUsize,
    /// G3: an answer of a lower epoch is not believed.
    highest_epoch: AtomicU64,
    credentials: Credentials,
    timeout: Duration,
}

impl Targets {
    pub fn new(endpoints: &[Endpoint], credentials: Credentials, timeout: Duration) -> Arc<Self> {
        let target = |e: &Endpoint| Target { endpoint: e.clone(), channel: e.channel() };
        Arc::new(Self {
            targets: endpoints.iter().map(target).collect(),
            present: AtomicUsize::new(0),
            highest_epoch: AtomicU64::new(0),
            credentials,
            timeout,
        })
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A request that says who asks.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.credentials.attach(request.metadata_mut());
        request
    }

    /// The one to ask now.
    pub fn present(&self) -> Result<(usize, &Target), Error> {
        let at = self.present.load(Ordering::Relaxed);
        self.targets
            .get(at)
            .map(|target| (at, target))
            .ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "no orchestrator is configured"))
    }

    pub fn by_endpoint(&self, endpoint: &Endpoint) -> Option<&Target> {
        self.targets.iter().find(|target| target.endpoint == *endpoint)
    }

    /// After a refusal by target `at`: where it points, or the next one. Only one of many concurrent calls
    /// moves on.
    pub fn move_on(&self, at: usize, principal: Option<&str>) {
        let named = principal
            .and_then(|address| address.parse::<Endpoint>().ok())
            .and_then(|endpoint| self.targets.iter().position(|t| t.endpoint == endpoint))
            .filter(|named| *named != at);
        let next = named.unwrap_or((at + 1) % self.targets.len().max(1));
        if self.present.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            tracing::trace!("another call has moved on already");
        }
    }

    /// False when the answer is of a fenced principal.
    pub fn believes(&self, epoch: u64) -> bool {
        self.highest_epoch.fetch_max(epoch, Ordering::Relaxed) <= epoch
    }

    /// Tries until an answer comes that counts, or the time is up. `epoch` reads the answer's fencing
    /// number; `None` where it has none.
    ///
    /// # Errors
    /// The refusal, or what the last try came to.
    pub async fn call<T, F>(
        &self,
        try_timeout: Duration,
        epoch: impl Fn(&T) -> Option<u64>,
        call: impl Fn(Channel) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let deadline = Instant::now() + self.timeout;
        let mut backoff = Backoff::default();
        loop {
            let (at, target) = self.present()?;
            let limit = try_timeout.min(deadline.saturating_duration_since(Instant::now()));
            let refusal = match tokio::time::timeout(limit, call(target.channel.clone())).await {
                Ok(Ok(answer)) if epoch(&answer).is_none_or(|epoch| self.believes(epoch)) => {
                    return Ok(answer);
                }
                Ok(Ok(_)) => Error::new(ErrorCode::StaleEpoch, "the answer is of an earlier epoch"),
                Ok(Err(status)) => Error::from(status),
                Err(_) => Error::new(ErrorCode::Unavailable, format!("{} did not answer in time", target.endpoint)),
            };
            if !refusal.code.retryable() {
                return Err(refusal);
            }
            if !is_overload(refusal.code) {
                self.move_on(at, refusal.principal.as_deref());
            }
            let pause = backoff.next();
            if Instant::now() + pause >= deadline {
                return Err(given_up(refusal));
            }
            tracing::debug!(error = %refusal, "trying again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// The principal is right, only busy.
fn is_overload(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::QueueFull | ErrorCode::Overloaded)
}

/// To the caller it is the same whether the nodes are dead or none of them is principal.
fn given_up(refusal: Error) -> Error {
    if is_overload(refusal.code) {
        return refusal;
    }
    Error { code: ErrorCode::Unavailable, ..refusal }
}

/// Doubling pauses, each a random part of its length.
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF.0)
    }
}

impl Backoff {
    pub fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(rand::rng().random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(BACKOFF.1);
        pause
    }
}
