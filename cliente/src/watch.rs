//! Following tasks through failovers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use common::error_code::ErrorCode;
use common::proto::{Task, TaskState, TaskUpdate, WatchTasksRequest, WatchTasksResponse};
use futures::stream::{FuturesUnordered, Stream, StreamExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::client::{incomplete, tasks};
use crate::retry::{Backoff, Target, given_up, silent};
use crate::shards::is_stranger;
use crate::{Client, Error, canonical_task_id};

/// Ids in one watch.
const CHUNK: usize = 5_000;
/// How long a watch may be silent, as it is where nothing happens, before the others are asked whether they are
/// principal; and how often they are asked then.
const SILENCE: Duration = Duration::from_secs(2);
/// Watches that one call has open at once: the next ids wait until one of them has seen all of its own.
const CHUNKS_AT_ONCE: usize = 20;
/// Ends that are known to have been told.
const LATELY: usize = 10_000;
/// Updates waiting for the caller.
const QUEUE: usize = 1_024;
/// How long an orchestrator may take to establish a watch before the other is asked.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Every change of these tasks, their present state first, until all are finished. After a failover the
    /// present state of what is not finished comes again.
    ///
    /// Goes on as long as it takes; an error comes, as the last item, when no principal was found for the whole
    /// timeout. To be called within a Tokio runtime.
    pub fn watch<I>(
        &self,
        task_ids: I,
        include_results: bool,
    ) -> impl Stream<Item = Result<TaskUpdate, Error>> + use<I>
    where
        I: IntoIterator<Item = String, IntoIter: Send + 'static>,
    {
        self.follow_each(task_ids.into_iter(), Wish { include_results, only_ends: false })
    }

    fn follow_each(
        &self,
        mut task_ids: impl Iterator<Item = String> + Send + 'static,
        wish: Wish,
    ) -> ReceiverStream<Result<TaskUpdate, Error>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (client, room) = (self.clone(), Arc::new(Semaphore::new(CHUNKS_AT_ONCE)));
        tokio::spawn(async move {
            loop {
                let chunk = task_ids.by_ref().take(CHUNK);
                let open: HashSet<_> = chunk.map(|id| canonical_task_id(&id)).collect();
                if open.is_empty() {
                    return;
                }
                let permit = tokio::select! {
                    permit = Arc::clone(&room).acquire_owned() => permit,
                    () = sender.closed() => return,
                };
                let following = follow_tasks(client.clone(), open, (wish, sender.clone()));
                tokio::spawn(async move {
                    // Held to the end.
                    let _permit = permit;
                    following.await;
                });
            }
        });
        ReceiverStream::new(receiver)
    }

    /// Each of these tasks once, when it is finished, or when there is no such task (`not_found`). Errors are
    /// those of [`Client::watch`].
    pub fn wait_many<I>(
        &self,
        task_ids: I,
        include_results: bool,
    ) -> impl Stream<Item = Result<TaskUpdate, Error>> + use<I>
    where
        I: IntoIterator<Item = String, IntoIter: Send + 'static>,
    {
        let wish = Wish { include_results, only_ends: true };
        self.follow_each(task_ids.into_iter(), wish).filter_map(|update| {
            let keep = match &update {
                Ok(update) => is_last(update),
                Err(_) => true,
            };
            std::future::ready(keep.then_some(update))
        })
    }

    /// The present state of those of these tasks that there are, by their ids.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn tasks(&self, task_ids: &[String]) -> Result<HashMap<String, Task>, Error> {
        let ids = task_ids.iter().map(|id| canonical_task_id(id)).collect();
        let updates = self.present(ids, false).await?;
        let known = updates.into_iter().filter(|update| !update.not_found);
        Ok(known.filter_map(|update| update.task.map(|t| (t.task_id.clone(), t))).collect())
    }

    /// Which of these this shard has.
    pub(crate) async fn known_here(
        &self,
        mut ids: HashSet<String>,
    ) -> Result<HashSet<String>, Error> {
        let (sender, mut updates) = mpsc::channel(QUEUE);
        let wish = Wish { include_results: false, only_ends: false };
        tokio::spawn(self.follow(Scope::Unfinished(ids.clone()), wish, &sender));
        drop(sender);
        let mut known = HashSet::new();
        while !ids.is_empty() {
            let update = updates.recv().await.ok_or_else(incomplete)??;
            let Some(task) = update.task.filter(|task| ids.remove(&task.task_id)) else { continue };
            if !update.not_found {
                known.insert(task.task_id);
            }
        }
        Ok(known)
    }

    /// How each of these tasks stands.
    async fn present(
        &self,
        mut open: HashSet<String>,
        include_results: bool,
    ) -> Result<Vec<TaskUpdate>, Error> {
        let wish = Wish { include_results, only_ends: false };
        // The first that is told of a task.
        let mut updates = self.follow_each(open.clone().into_iter(), wish);
        let mut present = Vec::with_capacity(open.len());
        while !open.is_empty() {
            let update = updates.next().await.ok_or_else(incomplete)??;
            if update.task.as_ref().is_some_and(|task| open.remove(&task.task_id)) {
                present.push(update);
            }
        }
        Ok(present)
    }

    /// All changes of the caller's tasks from now on, without end. What ends during a failover is told of after it.
    /// Errors are those of [`Client::watch`].
    pub fn watch_all(
        &self,
        include_results: bool,
    ) -> impl Stream<Item = Result<TaskUpdate, Error>> + use<> {
        self.follow_beyond(Beyond::default(), include_results)
    }

    /// What is not finished of a group, the oldest of it if that is much, then every change until all of it is finished. After
    /// a failover the present state of what is not finished comes again; each end comes once. Errors are those of
    /// [`Client::watch`], and `GROUP_NOT_FOUND`.
    pub fn watch_group(
        &self,
        group: &str,
        include_results: bool,
    ) -> impl Stream<Item = Result<TaskUpdate, Error>> + use<> {
        let group = Some(group.to_owned());
        self.follow_beyond(Beyond { group, ..Beyond::default() }, include_results)
    }

    fn follow_beyond(
        &self,
        beyond: Beyond,
        include_results: bool,
    ) -> ReceiverStream<Result<TaskUpdate, Error>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let wish = Wish { include_results, only_ends: false };
        tokio::spawn(self.follow(Scope::Beyond(beyond), wish, &sender));
        ReceiverStream::new(receiver)
    }

    fn follow(
        &self,
        scope: Scope,
        wish: Wish,
        sender: &mpsc::Sender<Result<TaskUpdate, Error>>,
    ) -> impl Future<Output = ()> + use<> {
        let (client, sender) = (self.clone(), sender.clone());
        Follower { client, scope, wish, sender, strays: None }.run()
    }
}

type Told = mpsc::Sender<Result<TaskUpdate, Error>>;

/// Follows these, and what this shard does not know at the others.
async fn follow_tasks(client: Client, open: HashSet<String>, (wish, sender): (Wish, Told)) {
    let (strays, found) = mpsc::unbounded_channel();
    let follower = Follower {
        client: client.clone(),
        scope: Scope::Unfinished(open),
        wish,
        sender: sender.clone(),
        strays: Some(strays),
    };
    tokio::join!(follower.run(), follow_strays(client, found, (wish, sender)));
}

/// Until the follower that finds them ends.
async fn follow_strays(
    client: Client,
    mut found: mpsc::UnboundedReceiver<TaskUpdate>,
    (wish, sender): (Wish, Told),
) {
    let mut elsewhere = JoinSet::new();
    while let Some(first) = found.recv().await {
        let more = std::iter::from_fn(|| found.try_recv().ok());
        let by_id = |stray: TaskUpdate| Some((stray.task.as_ref()?.task_id.clone(), stray));
        let strays = std::iter::once(first).chain(more).filter_map(by_id).collect();
        elsewhere.spawn(follow_elsewhere(client.clone(), strays, (wish, sender.clone())));
    }
    elsewhere.join_all().await;
}

/// At whichever other shard knows them; all are asked at the same time.
async fn follow_elsewhere(
    client: Client,
    mut strays: HashMap<String, TaskUpdate>,
    (wish, sender): (Wish, Told),
) {
    let (others, mut failure) = match client.others().await {
        Ok(others) => (others, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let asked = others.iter().map(|other| {
        let ids = strays.keys().cloned().collect();
        async move { (other, other.client.known_here(ids).await) }
    });
    let mut answers: FuturesUnordered<_> = asked.collect();
    let mut followed = JoinSet::new();
    while !strays.is_empty()
        && let Some((other, answer)) = answers.next().await
    {
        match answer {
            Ok(known) => {
                let open = known.into_iter().filter(|id| strays.remove(id).is_some());
                followed.spawn(other.client.follow(
                    Scope::Unfinished(open.collect()),
                    wish,
                    &sender,
                ));
            }
            Err(refusal) if is_stranger(refusal.code) => {}
            Err(error) => failure = Some(Error::more_telling(failure, other.named(error))),
        }
    }
    let told = match failure {
        Some(error) if !strays.is_empty() => vec![Err(error)],
        _ => strays.into_values().map(Ok).collect(),
    };
    for update in told {
        // Else whoever asked has left.
        if sender.send(update).await.is_err() {
            return;
        }
    }
    followed.join_all().await;
}

/// Nothing follows for this task.
fn is_last(update: &TaskUpdate) -> bool {
    update.not_found || update.task.as_ref().is_some_and(|task| is_final(task.state()))
}

/// SUCCEEDED, FAILED, CANCELLED or LOST: nothing more happens to the task.
pub fn is_final(state: TaskState) -> bool {
    match state {
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::Lost => true,
        TaskState::Unspecified | TaskState::Queued | TaskState::Running => false,
    }
}

/// What is followed.
enum Scope {
    /// These tasks; each is removed when it is finished.
    Unfinished(HashSet<String>),
    Beyond(Beyond),
}

/// What is not followed by name.
#[derive(Default)]
struct Beyond {
    /// `None`: whatever the caller has.
    group: Option<String>,
    /// In the order of ends: what ended before it was told. `None`: nothing yet.
    position: Option<u64>,
    /// All of the group is finished.
    is_over: bool,
    /// Those told of as finished lately, the last one at the end: one that was stopped has no place until it has ended, and may
    /// be told of once more.
    lately: VecDeque<String>,
    told: HashSet<String>,
}

impl Beyond {
    /// False of an end that was told.
    fn admits(&mut self, task_id: &str, is_last: bool) -> bool {
        if !is_last {
            return true;
        }
        if !self.told.insert(task_id.to_owned()) {
            return false;
        }
        self.lately.push_back(task_id.to_owned());
        if self.lately.len() > LATELY
            && let Some(long_ago) = self.lately.pop_front()
        {
            self.told.remove(&long_ago);
        }
        true
    }
}

impl Scope {
    fn is_done(&self) -> bool {
        match self {
            Self::Unfinished(open) => open.is_empty(),
            Self::Beyond(beyond) => beyond.is_over,
        }
    }

    fn ids(&self) -> Vec<String> {
        match self {
            Self::Unfinished(open) => open.iter().cloned().collect(),
            Self::Beyond(_) => Vec::new(),
        }
    }

    /// Where it goes on.
    fn position(&self) -> Option<u64> {
        match self {
            Self::Unfinished(_) => None,
            Self::Beyond(beyond) => beyond.position,
        }
    }

    fn request(&self, wish: Wish) -> WatchTasksRequest {
        let group = match self {
            Self::Unfinished(_) => None,
            Self::Beyond(beyond) => beyond.group.clone(),
        };
        WatchTasksRequest {
            task_ids: self.ids(),
            include_results: wish.include_results,
            only_ends: wish.only_ends,
            group: group.unwrap_or_default(),
            since_position: self.position(),
        }
    }

    /// All that came with it was told.
    fn reached(&mut self, position: u64, is_over: bool) {
        if let Self::Beyond(beyond) = self {
            (beyond.position, beyond.is_over) = (Some(position), is_over);
        }
    }

    /// Takes note of an update; false when it is of no interest any more.
    fn admits(&mut self, update: &TaskUpdate) -> bool {
        match (self, &update.task) {
            (_, None) => false,
            (Self::Beyond(beyond), Some(task)) => beyond.admits(&task.task_id, is_last(update)),
            (Self::Unfinished(open), Some(task)) if is_last(update) => open.remove(&task.task_id),
            (Self::Unfinished(open), Some(task)) => open.contains(&task.task_id),
        }
    }
}

/// What is told of each task.
#[derive(Clone, Copy)]
struct Wish {
    include_results: bool,
    only_ends: bool,
}

/// Keeps one watch alive until all of its tasks are finished, or the caller left.
struct Follower {
    client: Client,
    scope: Scope,
    wish: Wish,
    sender: Told,
    /// Gets what is not known here, if that may be known elsewhere.
    strays: Option<mpsc::UnboundedSender<TaskUpdate>>,
}

/// How one stream ended.
enum Ended {
    /// All tasks are finished, or the caller dropped the stream.
    Done,
    /// More is past than one stream tells.
    Cut,
    Refused(Error),
}

impl Follower {
    async fn run(mut self) {
        let mut search = Search::begin(self.client.targets.timeout());
        while !self.scope.is_done() {
            let refusal = match self.follow_once(&mut search).await {
                Ended::Done => return,
                Ended::Cut => continue,
                Ended::Refused(refusal) => refusal,
            };
            if !refusal.code.retryable() || search.is_over() {
                // Whoever asked may have left; then nobody needs it.
                drop(self.sender.send(Err(given_up_if_retryable(refusal))).await);
                return;
            }
            tracing::debug!(error = %refusal, "watching again");
            let pause = tokio::time::sleep(search.backoff.next());
            tokio::select! {
                () = pause => {}
                () = self.sender.closed() => return,
            }
        }
    }

    /// One stream, from its beginning to its end.
    async fn follow_once(&mut self, search: &mut Search) -> Ended {
        let targets = self.client.targets.clone();
        let target = match targets.present() {
            Ok(target) => target,
            Err(error) => return Ended::Refused(error),
        };
        let before = self.scope.position();
        let request = targets.request(self.scope.request(self.wish));
        let mut client = tasks(target.channel.clone());
        let established = async {
            let mut batches = client.watch_tasks(request).await?.into_inner();
            let first = batches.message().await?;
            Ok::<_, Status>((batches, first))
        };
        let refusal = match tokio::time::timeout(ESTABLISH_TIMEOUT, established).await {
            Ok(Ok((batches, first))) => {
                match self.pass_on_all(&target, batches, first, search).await {
                    Ok(()) if self.scope.is_done() => return Ended::Done,
                    Ok(()) if self.scope.position() > before.or(Some(u64::MAX)) => {
                        return Ended::Cut;
                    }
                    Ok(()) => Error::new(ErrorCode::Unavailable, "the watch ended early"),
                    Err(ended @ (Ended::Done | Ended::Cut)) => return ended,
                    Err(Ended::Refused(refusal)) => refusal,
                }
            }
            Ok(Err(status)) => status.into(),
            Err(_) => silent(&target.endpoint),
        };
        targets.refused_by(&target, &refusal);
        Ended::Refused(refusal)
    }

    async fn pass_on_all(
        &mut self,
        target: &Arc<Target>,
        mut batches: Streaming<WatchTasksResponse>,
        first: Option<WatchTasksResponse>,
        search: &mut Search,
    ) -> Result<(), Ended> {
        let targets = self.client.targets.clone();
        let mut next = first;
        while let Some(batch) = next {
            for update in batch.updates {
                if !self.scope.admits(&update) {
                    continue;
                }
                match &self.strays {
                    Some(strays) if update.not_found => {
                        strays.send(update).map_err(|_| Ended::Done)?;
                    }
                    Some(_) | None => {
                        self.sender.send(Ok(update)).await.map_err(|_| Ended::Done)?
                    }
                }
            }
            self.scope.reached(batch.position, batch.is_over);
            if self.scope.is_done() {
                return Ok(());
            }
            let received = tokio::select! {
                received = batches.message() => received.map_err(Error::from),
                () = self.sender.closed() => return Err(Ended::Done),
                () = targets.elected_elsewhere(target, SILENCE, SILENCE) => {
                    Err(Error::new(ErrorCode::StaleEpoch, "another one is principal"))
                }
            };
            // However long the watch was silent, the search for a principal begins now.
            *search = Search::begin(self.client.targets.timeout());
            next = received.map_err(Ended::Refused)?;
        }
        Ok(())
    }
}

pub(crate) fn given_up_if_retryable(refusal: Error) -> Error {
    if refusal.code.retryable() { given_up(refusal) } else { refusal }
}

/// Since when no orchestrator has answered as principal.
pub(crate) struct Search {
    pub backoff: Backoff,
    deadline: Instant,
}

impl Search {
    pub fn begin(timeout: Duration) -> Self {
        Self { backoff: Backoff::default(), deadline: Instant::now() + timeout }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
