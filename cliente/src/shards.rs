//! Several groups of orchestrators on one etcd (`orquestrador --group`), here called shards: whose a queue is, and where a task
//! is that a shard does not know.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use common::blobs::Content;
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::proto;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::Channel;

use crate::client::{TRY_TIMEOUT, tasks};
use crate::retry::Targets;
use crate::{Client, Error};

/// So long what was learnt is good enough to look for what one shard does not know.
const FRESH: Duration = Duration::from_secs(30);
/// A queue that moves while it is looked for is followed so far.
const MAX_MOVES: usize = 3;
/// Tasks that name no queue are in this one.
const DEFAULT_QUEUE: &str = "default";
/// The shard that has all queues that no other one has.
const UNNAMED: &str = "default";

/// What a client has learnt of the shards. All of its clones know the same.
#[derive(Default)]
pub(crate) struct Shards(ArcSwapOption<Known>);

pub(crate) struct Known {
    since: Instant,
    /// Of those that the client was given.
    own: String,
    others: Vec<Shard>,
    own_queues: HashSet<String>,
}

/// Another shard than the client's own.
#[derive(Clone)]
pub(crate) struct Shard {
    name: String,
    queues: HashSet<String>,
    endpoints: Vec<Endpoint>,
    pub client: Client,
}

impl Shard {
    /// Whose word it is: the caller may never have heard of this shard.
    pub fn named(&self, error: Error) -> Error {
        let message = format!("group `{}`: {}", self.name, error.message);
        Error { message, ..error }
    }
}

impl Known {
    /// `None`: nobody takes its tasks.
    fn of_queue(&self, home: &Client, queue: &str) -> Option<Client> {
        if self.own_queues.contains(queue) {
            return Some(home.clone());
        }
        let is_there = |shard: &&Shard| !shard.endpoints.is_empty();
        let named = self.others.iter().find(|shard| shard.queues.contains(queue));
        let unnamed = || self.others.iter().find(|shard| shard.name == UNNAMED).filter(is_there);
        match named {
            Some(shard) => Some(shard.client.clone()).filter(|_| is_there(&shard)),
            None if self.own == UNNAMED || self.own.is_empty() => Some(home.clone()),
            None => unnamed().map(|shard| shard.client.clone()),
        }
    }
}

impl Client {
    /// A client of the group of orchestrators that has this queue; mostly there is only one. What a task is given by
    /// [`Client::put_blob`] is put there. The empty name is the queue of tasks that name none.
    ///
    /// # Errors
    /// `QUEUE_ELSEWHERE` if no group has it; nobody answered in time.
    pub async fn of_queue(&self, queue: &str) -> Result<Self, Error> {
        let nobody = || {
            let why = format!("queue `{queue}` belongs to no group");
            Error::new(ErrorCode::QueueElsewhere, why)
        };
        self.known().await?.of_queue(self, named(queue)).ok_or_else(nobody)
    }

    /// Asks whoever has the queue, as far as that is known, and follows a refusal that says that another one has it.
    pub(crate) async fn by_queue<T, F>(
        &self,
        queue: &str,
        call: impl Fn(Self) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut client = self.known_of(queue);
        for _ in 0..MAX_MOVES {
            let refusal = match call(client.clone()).await {
                Err(refusal) if self.may_be_elsewhere(&client, refusal.code) => refusal,
                done => return done.map_err(|error| self.named(&client, error)),
            };
            let next = match refusal.code {
                ErrorCode::QueueElsewhere => self.learn().await?.of_queue(self, named(queue)),
                _ => self.moved(&client).await?,
            };
            match next {
                Some(next) if !next.is_same(&client) => client = next,
                Some(_) | None => return Err(self.named(&client, refusal)),
            }
        }
        call(client).await
    }

    /// Where that shard is by now. It may have taken what was asked without an answer, so nobody else is asked the same.
    pub(crate) async fn moved(&self, client: &Self) -> Result<Option<Self>, Error> {
        let before = self.shards.0.load_full();
        let others = before.iter().flat_map(|before| &before.others);
        let Some(shard) = others.into_iter().find(|shard| shard.client.is_same(client)) else {
            return Ok(None);
        };
        let known = self.learn().await?;
        let same = known.others.iter().find(|now| now.name == shard.name);
        Ok(same.map(|now| now.client.clone()))
    }

    /// What was asked for is another one's, or who has it may be somewhere else than it was.
    pub(crate) fn may_be_elsewhere(&self, client: &Self, code: ErrorCode) -> bool {
        code == ErrorCode::QueueElsewhere || code == ErrorCode::Unavailable && !client.is_same(self)
    }

    /// An error of that client, which may be another shard's.
    pub(crate) fn named(&self, client: &Self, error: Error) -> Error {
        let known = self.shards.0.load();
        let shard = known.iter().flat_map(|known| &known.others);
        match shard.into_iter().find(|shard| shard.client.is_same(client)) {
            Some(shard) => shard.named(error),
            None => error,
        }
    }

    /// As [`Targets::call`], where the queue is.
    pub(crate) async fn at_queue<T, F>(
        &self,
        queue: &str,
        try_timeout: Duration,
        epoch: impl Fn(&T) -> Option<u64>,
        call: impl Fn(Channel) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let (epoch, call) = (&epoch, &call);
        let ask = |client: Self| async move { client.targets.call(try_timeout, epoch, call).await };
        self.by_queue(queue, ask).await
    }

    /// As far as it is known; else this one.
    pub(crate) fn known_of(&self, queue: &str) -> Self {
        let known = self.shards.0.load();
        let known = known.as_ref().filter(|known| known.since.elapsed() < FRESH);
        let found = known.and_then(|known| known.of_queue(self, named(queue)));
        found.unwrap_or_else(|| self.clone())
    }

    /// As [`Targets::call`]; asks the others, too, when this one does not know what it is about.
    pub(crate) async fn anywhere<T, F>(
        &self,
        try_timeout: Duration,
        epoch: impl Fn(&T) -> Option<u64>,
        call: impl Fn(Channel) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let missing = match self.targets.call(try_timeout, &epoch, &call).await {
            Err(refusal) if is_missing(refusal.code) => refusal,
            done => return done,
        };
        let (epoch, call) = (&epoch, &call);
        let ask = |other: Self| async move { other.targets.call(try_timeout, epoch, call).await };
        self.first_of_others(ask).await?.ok_or(missing)
    }

    /// The first answer of another shard that knows what it is asked about; all are asked at the same time. `None`: none does.
    ///
    /// # Errors
    /// None does, and one has not answered.
    async fn first_of_others<T, F>(&self, ask: impl Fn(Self) -> F) -> Result<Option<T>, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let others = self.others().await?;
        let asked = others.iter().map(|other| {
            let answer = ask(other.client.clone());
            async move { answer.await.map_err(|error| other.named(error)) }
        });
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut failure = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(found) => return Ok(Some(found)),
                Err(refusal) if is_missing(refusal.code) || is_stranger(refusal.code) => {}
                Err(error) => failure = Some(Error::more_telling(failure, error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// The other shards, as far as any of them has said where it is.
    pub(crate) async fn others(&self) -> Result<Vec<Shard>, Error> {
        let known = self.known().await?;
        Ok(known.others.iter().filter(|shard| !shard.endpoints.is_empty()).cloned().collect())
    }

    /// Which of the other shards has this task.
    pub(crate) async fn holder_of(&self, task_id: &str) -> Result<Option<Self>, Error> {
        let ask = |other: Self| {
            let request = proto::GetTaskRequest { task_id: task_id.to_owned() };
            async move {
                let ask = |channel| {
                    let request = other.targets.request(request.clone());
                    async move { Ok(tasks(channel).get_task(request).await?.into_inner()) }
                };
                other.targets.call(TRY_TIMEOUT, |_| None, ask).await?;
                Ok(other.clone())
            }
        };
        self.first_of_others(ask).await
    }

    /// The shard that has this blob: this one unless another one has it.
    pub(crate) async fn holder_of_blob(&self, content: Content) -> Result<Self, Error> {
        if self.others().await?.is_empty() {
            return Ok(self.clone());
        }
        let has = |client: Self| async move {
            match client.has_blobs(&[content.hash]).await?.is_empty() {
                true => Err(Error::new(ErrorCode::BlobNotFound, "the blob is not there")),
                false => Ok(client),
            }
        };
        match has(self.clone()).await {
            Ok(here) => Ok(here),
            Err(error) if is_missing(error.code) => {
                Ok(self.first_of_others(has).await?.unwrap_or_else(|| self.clone()))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.targets, &other.targets)
    }

    pub(crate) fn knows_others(&self) -> bool {
        self.shards.0.load().as_ref().is_some_and(|known| !known.others.is_empty())
    }

    /// As it was not long ago.
    async fn known(&self) -> Result<Arc<Known>, Error> {
        match self.shards.0.load_full().filter(|known| known.since.elapsed() < FRESH) {
            Some(known) => Ok(known),
            None => self.learn().await,
        }
    }

    /// Asks which shards there are.
    pub(crate) async fn learn(&self) -> Result<Arc<Known>, Error> {
        let proto::GetClusterResponse { shard: own, shards, .. } = self.cluster().await?;
        let before = self.shards.0.load_full();
        let mut known =
            Known { since: Instant::now(), own, others: Vec::new(), own_queues: HashSet::new() };
        for proto::Shard { name, queues, orchestrators } in shards {
            let queues: HashSet<String> = queues.into_iter().collect();
            if name == known.own {
                known.own_queues = queues;
                continue;
            }
            let endpoints: Vec<Endpoint> =
                orchestrators.iter().filter_map(|address| address.parse().ok()).collect();
            let same = before.iter().flat_map(|before| &before.others);
            let same = same.into_iter().find(|s| s.name == name && s.endpoints == endpoints);
            let client = match same {
                Some(shard) => shard.client.clone(),
                None => Self::of_targets(self.targets.at(endpoints.clone())),
            };
            known.others.push(Shard { name, queues, endpoints, client });
        }
        let known = Arc::new(known);
        self.shards.0.store(Some(Arc::clone(&known)));
        Ok(known)
    }

    pub(crate) fn of_targets(targets: Arc<Targets>) -> Self {
        Self { targets, shards: Arc::default() }
    }
}

fn named(queue: &str) -> &str {
    if queue.is_empty() { DEFAULT_QUEUE } else { queue }
}

/// Another shard may know it.
fn is_missing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::TaskNotFound
            | ErrorCode::ArrayNotFound
            | ErrorCode::ScheduleNotFound
            | ErrorCode::QueueNotFound
            | ErrorCode::BlobNotFound
    )
}

/// Each shard has users of its own: whoever is none has nothing there.
pub(crate) fn is_stranger(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Unauthenticated | ErrorCode::PermissionDenied)
}
