//! Finding the principal: one loop for every call, and what is remembered between calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use common::auth::{Credentials, UnusableCredentials};
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::proto::cluster_service_client::ClusterServiceClient;
use common::proto::{GetClusterRequest, GetClusterResponse, NodeRole};
use common::tls::Tls;
use common::traces::traceparent;
use rand::Rng as _;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::{ClientConfig, Error};

/// The pause between two tries, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// How long one orchestrator may take before others are asked whether they are principal.
const PATIENCE: Duration = Duration::from_millis(500);

/// Longer than this nobody waits, and no clock overflows.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Refusals that name another one, followed without a pause.
const MAX_HOPS: u32 = 2;
/// How often the others are asked then.
const LOOK: Duration = Duration::from_millis(100);

/// What a refusal says of where to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    /// To the principal that it names.
    Elsewhere,
    /// Nowhere: the refusing node was elected, and will serve in a moment.
    SoonHere,
    Unknown,
}

/// Whether the time is a part of the timeout for which the principal asks to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waits {
    Count,
    /// Who has much to submit goes as fast as they may.
    AreGiven,
}

/// One orchestrator.
pub struct Target {
    pub endpoint: Endpoint,
    pub channel: Channel,
    /// Its place in the configured order; of one that was only named by a refusal, the place of who named it.
    place: usize,
}

/// The orchestrators, and which of them answered last as principal.
pub struct Targets {
    configured: Vec<Arc<Target>>,
    /// `None` only when none is configured.
    present: ArcSwapOption<Target>,
    /// G3: an answer of a lower epoch is not believed.
    highest_epoch: AtomicU64,
    /// When the others were last asked whether they are principal; held by the one call that asks.
    looked_at: tokio::sync::Mutex<Instant>,
    /// Another one was found to be.
    found: Notify,
    credentials: Credentials,
    timeout: Duration,
    tls: Tls,
    traceparent: Option<AsciiMetadataValue>,
}

impl Targets {
    pub fn new(config: ClientConfig) -> Arc<Self> {
        let ClientConfig { endpoints, credentials, timeout, tls, trace } = config;
        // Digits and dashes are no news to HTTP/2.
        let traceparent = trace.and_then(|span| traceparent(&span).parse().ok());
        Self::assembled(endpoints, credentials, timeout.min(MAX_TIMEOUT), tls, traceparent)
    }

    fn assembled(
        endpoints: Vec<Endpoint>,
        credentials: Credentials,
        timeout: Duration,
        tls: Tls,
        traceparent: Option<AsciiMetadataValue>,
    ) -> Arc<Self> {
        let target = |(place, endpoint): (usize, &Endpoint)| {
            let endpoint = endpoint.settled(&tls);
            let channel = endpoint.channel_by(&tls);
            Arc::new(Target { endpoint, channel, place })
        };
        let configured: Vec<_> = endpoints.iter().enumerate().map(target).collect();
        Arc::new(Self {
            present: ArcSwapOption::new(configured.first().cloned()),
            configured,
            highest_epoch: AtomicU64::new(0),
            looked_at: tokio::sync::Mutex::new(Instant::now()),
            found: Notify::new(),
            credentials,
            timeout,
            tls,
            traceparent,
        })
    }

    /// The same, for one who acts in the place of this user.
    pub fn acting_as(&self, user: &str) -> Result<Arc<Self>, UnusableCredentials> {
        Ok(Arc::new(Self {
            present: ArcSwapOption::new(self.present.load_full()),
            configured: self.configured.clone(),
            highest_epoch: AtomicU64::new(self.highest_epoch.load(Ordering::Relaxed)),
            looked_at: tokio::sync::Mutex::new(Instant::now()),
            found: Notify::new(),
            credentials: self.credentials.clone().acting_as(user)?,
            timeout: self.timeout,
            tls: self.tls.clone(),
            traceparent: self.traceparent.clone(),
        }))
    }

    /// For the same caller, at others.
    pub fn at(&self, endpoints: Vec<Endpoint>) -> Arc<Self> {
        let Self { credentials, timeout, tls, traceparent, .. } = self;
        let (credentials, tls) = (credentials.clone(), tls.clone());
        let (timeout, traceparent) = (*timeout, traceparent.clone());
        Self::assembled(endpoints, credentials, timeout, tls, traceparent)
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    pub fn configured(&self) -> &[Arc<Target>] {
        &self.configured
    }

    /// A request that says who asks.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.credentials.attach(request.metadata_mut());
        if let Some(span) = &self.traceparent {
            request.metadata_mut().insert("traceparent", span.clone());
        }
        request
    }

    /// To one that is not configured.
    pub fn channel(&self, node: &Endpoint) -> Channel {
        node.settled(&self.tls).channel_by(&self.tls)
    }

    /// As it is to be told to orchestrators.
    pub fn settled(&self, node: &Endpoint) -> Endpoint {
        node.settled(&self.tls)
    }

    /// The one to ask now.
    pub fn present(&self) -> Result<Arc<Target>, Error> {
        self.present
            .load_full()
            .ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "no orchestrator is configured"))
    }

    pub fn by_endpoint(&self, endpoint: &Endpoint) -> Option<&Arc<Target>> {
        self.configured.iter().find(|target| target.endpoint.is_same_place(endpoint))
    }

    /// After `from` refused or failed: the node that it names, or else the next one. Only one of many
    /// concurrent calls moves on.
    pub fn move_on(&self, from: &Arc<Target>, principal: Option<&str>) {
        let next = principal
            .and_then(|address| address.parse().ok())
            .and_then(|named| self.named(from, &named))
            .or_else(|| {
                self.configured.get((from.place + 1) % self.configured.len().max(1)).cloned()
            });
        self.present.compare_and_swap(from, next);
    }

    fn named(&self, from: &Arc<Target>, named: &Endpoint) -> Option<Arc<Target>> {
        if from.endpoint.is_same_place(named) {
            return None;
        }
        Some(self.by_endpoint(named).cloned().unwrap_or_else(|| {
            let (endpoint, channel) = (named.clone(), self.channel(named));
            Arc::new(Target { endpoint, channel, place: from.place })
        }))
    }

    /// Where the refusal sends the caller.
    fn direction(&self, from: &Arc<Target>, refusal: &Error) -> Direction {
        let named: Option<Endpoint> = refusal.principal.as_ref().and_then(|p| p.parse().ok());
        match named {
            Some(named) if from.endpoint.is_same_place(&named) => Direction::SoonHere,
            Some(_) => Direction::Elsewhere,
            None => Direction::Unknown,
        }
    }

    /// An overloaded principal is still the one to ask, and one that was elected a moment ago.
    pub fn refused_by(&self, target: &Arc<Target>, refusal: &Error) {
        let stays = self.direction(target, refusal) == Direction::SoonHere;
        if !is_of_the_principal(refusal.code) && !stays {
            self.move_on(target, refusal.principal.as_deref());
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
        self.call_until(try_timeout, Waits::Count, epoch, call).await
    }

    /// The same, with a choice.
    ///
    /// # Errors
    /// As [`Targets::call`].
    pub async fn call_until<T, F>(
        &self,
        try_timeout: Duration,
        waits: Waits,
        epoch: impl Fn(&T) -> Option<u64>,
        call: impl Fn(Channel) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut deadline = Instant::now() + self.timeout;
        let mut backoff = Backoff::default();
        let mut last = None;
        let mut hops = 0;
        let mut distrusted = Vec::new();
        loop {
            let target = self.present()?;
            let limit = try_timeout.min(deadline.saturating_duration_since(Instant::now()));
            let answer = tokio::time::timeout(limit, call(target.channel.clone()));
            let answered = tokio::select! {
                answered = answer => answered,
                () = self.elected_elsewhere(&target, PATIENCE, LOOK) => continue,
            };
            let refusal = match answered {
                Ok(Ok(answer)) if epoch(&answer).is_none_or(|epoch| self.believes(epoch)) => {
                    return Ok(answer);
                }
                Ok(Ok(_)) => Error::new(ErrorCode::StaleEpoch, "the answer is of an earlier epoch"),
                Ok(Err(status)) => Error::from(status),
                // What was said before tells more than a try that had no time.
                Err(_) if limit < try_timeout => last.unwrap_or_else(|| silent(&target.endpoint)),
                Err(_) => silent(&target.endpoint),
            };
            if !refusal.code.retryable() {
                return Err(refusal);
            }
            if refusal.code == ErrorCode::TlsFailed && !distrusted.contains(&target.place) {
                distrusted.push(target.place);
                if distrusted.len() == self.configured.len() {
                    return Err(refusal);
                }
            }
            self.refused_by(&target, &refusal);
            let pause = match self.direction(&target, &refusal) {
                Direction::Elsewhere if hops < MAX_HOPS => {
                    hops += 1;
                    last = Some(refusal);
                    continue;
                }
                Direction::SoonHere => BACKOFF.0,
                Direction::Elsewhere | Direction::Unknown => backoff.next(),
            };
            hops = 0;
            let asked = refusal.retry_after.unwrap_or_default();
            if waits == Waits::AreGiven {
                deadline += asked.min(MAX_TIMEOUT);
            }
            let pause = pause.max(asked);
            if Instant::now() + pause >= deadline {
                return Err(given_up(refusal));
            }
            tracing::debug!(error = %refusal, endpoint = %target.endpoint, "trying again");
            last = Some(refusal);
            tokio::time::sleep(pause).await;
        }
    }
}

impl Targets {
    /// Returns once another node says that it is principal, while this one does not answer: it may be stopped
    /// or cut off, which no broken connection tells. What was asked of it is to be asked again, of the one that
    /// is present now. The others are asked after `patience`, and then with pauses of `look`.
    pub async fn elected_elsewhere(
        &self,
        silent: &Arc<Target>,
        patience: Duration,
        look: Duration,
    ) {
        tokio::time::sleep(patience).await;
        let is_left =
            || self.present.load().as_ref().is_none_or(|present| !Arc::ptr_eq(present, silent));
        loop {
            let found = self.found.notified();
            // Thousands of calls may wait for a principal that is only busy: one asks for all of them.
            let mut looked_at = self.looked_at.lock().await;
            if is_left() {
                return;
            }
            let due = *looked_at + look;
            if Instant::now() < due {
                drop(looked_at);
                tokio::select! {
                    () = found => {}
                    () = tokio::time::sleep_until(due) => {}
                }
                continue;
            }
            *looked_at = Instant::now();
            if self.is_found_elsewhere(silent).await {
                self.found.notify_waiters();
                return;
            }
        }
    }

    async fn is_found_elsewhere(&self, silent: &Arc<Target>) -> bool {
        for other in &self.configured {
            if other.endpoint.is_same_place(&silent.endpoint) {
                continue;
            }
            let mut cluster = ClusterServiceClient::new(other.channel.clone());
            let question = cluster.get_cluster(self.request(GetClusterRequest {}));
            if let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, question).await
                && is_of_principal(answer.get_ref())
                && self.believes(answer.get_ref().epoch)
            {
                tracing::debug!(endpoint = %other.endpoint, "another one is principal");
                self.present.compare_and_swap(silent, Some(other.clone()));
                return true;
            }
        }
        false
    }
}

/// Whether the node that answered is the principal.
pub fn is_of_principal(answer: &GetClusterResponse) -> bool {
    answer.nodes.iter().any(|n| n.answering && n.role() == NodeRole::Principal)
}

pub fn silent(endpoint: &Endpoint) -> Error {
    Error::new(ErrorCode::Unavailable, format!("{endpoint} did not answer in time"))
}

/// The principal answered, which is busy, or waits itself for room or for a store: nobody else can say more.
fn is_of_the_principal(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::QueueFull
            | ErrorCode::QuotaExceeded
            | ErrorCode::RateLimited
            | ErrorCode::Overloaded
            | ErrorCode::WatchLagged
            | ErrorCode::BlobStoreFull
            | ErrorCode::BlobStoreAway
    )
}

/// What somebody answered is kept: it calls for something else than that nobody did. Only that the office changed again and
/// again comes to the same.
pub fn given_up(refusal: Error) -> Error {
    match refusal.code {
        ErrorCode::StaleEpoch => Error { code: ErrorCode::Unavailable, ..refusal },
        _ => refusal,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().expect("is an address")
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_seldom_does_not_hold_up_who_looks_often() {
        let credentials = Credentials::new("u", "t").expect("is ASCII");
        let second = Duration::from_secs(1);
        let config = ClientConfig::new(vec![endpoint("localhost:1")], credentials);
        let targets = Targets::new(ClientConfig { timeout: second, ..config });
        let first = targets.present().expect("there is one");
        let (patient, silent) = (Arc::clone(&targets), Arc::clone(&first));
        let patient = tokio::spawn(async move {
            patient.elected_elsewhere(&silent, Duration::ZERO, 10 * second).await;
        });
        // It comes to wait for its next look.
        tokio::time::sleep(second).await;
        targets.move_on(&first, Some("http://10.0.0.9:3"));
        let often = targets.elected_elsewhere(&first, PATIENCE, LOOK);
        assert!(tokio::time::timeout(second, often).await.is_ok());
        patient.await.expect("finds it in the end");
    }

    #[tokio::test]
    async fn a_node_that_is_only_named_is_tried_and_left_again() {
        let endpoints = [endpoint("localhost:1"), endpoint("localhost:2")];
        let credentials = Credentials::new("u", "t").expect("is ASCII");
        let targets = Targets::new(ClientConfig::new(endpoints.to_vec(), credentials));
        let present = || targets.present().expect("there are two");
        let first = present();
        targets.move_on(&first, Some("http://10.0.0.9:3"));
        assert_eq!(present().endpoint, endpoint("10.0.0.9:3"));
        // Another call that was refused by the first one meanwhile does not move on once more.
        targets.move_on(&first, None);
        assert_eq!(present().endpoint, endpoint("10.0.0.9:3"));
        targets.move_on(&present(), None);
        assert_eq!(present().endpoint, endpoints[1]);
        targets.move_on(&present(), Some("http://127.0.0.1:1"));
        assert_eq!(present().endpoint, endpoints[0]);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= BACKOFF.0, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= BACKOFF.1), "{pauses:?}");
        assert!(pauses[19] >= BACKOFF.1 / 2, "{pauses:?}");
    }
}
