//! Which queues are whose, where several groups of orchestrators keep their logs in one etcd (`--group`). In the code such
//! a group is a shard: a group is what tasks belong to.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use common::error_code::ErrorCode;
use common::{grpc_status, proto};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use orquestrador_core::Command;
use orquestrador_core::command::NewWork;
use orquestrador_core::ids::{ArrayId, QueueName, TaskId, UserName};
use tonic::Status;

use crate::driver::DriverHandle;

/// Tasks that are looked up at the same time.
const AT_ONCE: usize = 1_000;
/// The shard of orchestrators without `--group`: every queue that no other one has is its own.
pub const UNNAMED: &str = "default";

/// All shards of one etcd, as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// Who has a queue.
    pub queues: BTreeMap<String, String>,
    /// Where the orchestrators of each shard are that has had a principal.
    pub orchestrators: BTreeMap<String, Vec<String>>,
}

impl Map {
    /// Who takes tasks of this queue; `None`: nobody.
    pub fn owner(&self, queue: &str) -> Option<&str> {
        let claimed = self.queues.get(queue).map(String::as_str);
        claimed.or_else(|| self.orchestrators.contains_key(UNNAMED).then_some(UNNAMED))
    }

    /// By name.
    pub fn list(&self) -> Vec<proto::Shard> {
        let mut shards: BTreeMap<&str, proto::Shard> = BTreeMap::new();
        for (name, orchestrators) in &self.orchestrators {
            shards.entry(name).or_default().orchestrators.clone_from(orchestrators);
        }
        for (queue, name) in &self.queues {
            shards.entry(name).or_default().queues.push(queue.clone());
        }
        let named = |(name, shard): (&str, proto::Shard)| {
            let name = name.to_owned();
            proto::Shard { name, ..shard }
        };
        shards.into_iter().map(named).collect()
    }
}

/// What a node knows of the shards. Cheap to clone; all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Shards(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    own: String,
    /// `None` until etcd has been read.
    map: ArcSwapOption<Map>,
}

impl Shards {
    /// The pair is the only one there is.
    pub fn none() -> Self {
        Self::default()
    }

    /// This node belongs to that one.
    pub fn of(own: &str) -> Self {
        let known = Known { own: own.to_owned(), map: ArcSwapOption::empty() };
        Self(Some(Arc::new(known)))
    }

    /// The node's own is there, also before it has said so itself.
    pub fn learn(&self, mut map: Map) {
        if let Some(known) = &self.0 {
            map.orchestrators.entry(known.own.clone()).or_default();
            known.map.store(Some(Arc::new(map)));
        }
    }

    /// The node's own, and all of them; nothing unless there are several.
    pub fn told(&self) -> (String, Vec<proto::Shard>) {
        let Some(known) = &self.0 else { return Default::default() };
        let list = known.map.load_full().map(|map| map.list()).unwrap_or_default();
        match known.own == UNNAMED && list.iter().all(|shard| shard.name == UNNAMED) {
            true => Default::default(),
            false => (known.own.clone(), list),
        }
    }

    /// # Errors
    /// `QUEUE_ELSEWHERE` if the queue is not of this shard, `UNAVAILABLE` as long as that is not known.
    pub fn check(&self, queue: &QueueName) -> Result<(), Status> {
        let Some(known) = &self.0 else { return Ok(()) };
        let map = known.map.load();
        let Some(map) = map.as_ref() else {
            let why = "which queues belong to which group is not known yet";
            return Err(grpc_status::status(ErrorCode::Unavailable, why));
        };
        let why = match map.owner(&queue.0) {
            Some(owner) if *owner == *known.own => return Ok(()),
            Some(owner) => {
                let at = map.orchestrators.get(owner).map(|all| all.join(", "));
                let at = at.unwrap_or_else(|| "no orchestrator of it has been seen".to_owned());
                format!("queue `{queue}` belongs to group `{owner}` ({at})")
            }
            None => format!("queue `{queue}` belongs to no group: start orchestrators for it"),
        };
        Err(grpc_status::status(ErrorCode::QueueElsewhere, why))
    }

    /// The same for whatever is submitted. What this shard has already is no news to it, whosever the queue is by now: it
    /// was submitted before, and is told of once more.
    ///
    /// # Errors
    /// As [`Shards::check`], and those of a read.
    pub async fn admit<'a>(
        &self,
        driver: &DriverHandle,
        owner: &UserName,
        pieces: impl Iterator<Item = (Piece, &'a QueueName)>,
    ) -> Result<(), Status> {
        let refused = pieces.filter_map(|(piece, queue)| Some((piece, self.check(queue).err()?)));
        let mut refused: Vec<_> = refused.collect();
        let Some((first, refusal)) = refused.pop() else { return Ok(()) };
        // Mostly it is none, and nothing else needs to be looked at.
        if !is_known(driver, owner, first).await? {
            return Err(refusal);
        }
        let known = refused.into_iter().map(|(piece, refusal)| async move {
            if is_known(driver, owner, piece).await? { Ok(()) } else { Err(refusal) }
        });
        stream::iter(known).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// What has a queue.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    Task(TaskId),
    Array(ArrayId),
}

impl Piece {
    pub fn of(work: &NewWork) -> (Self, &QueueName) {
        let piece = match work {
            NewWork::Task(task) => Self::Task(task.id),
            NewWork::Array(array) => Self::Array(array.id),
        };
        (piece, &work.way().1.queue)
    }
}

async fn is_known(driver: &DriverHandle, owner: &UserName, piece: Piece) -> Result<bool, Status> {
    let owner = owner.clone();
    let query = |request| match piece {
        Piece::Task(task) => Command::Query { request, owner, task, with_result: false },
        Piece::Array(array) => Command::QueryArray { request, owner, array },
    };
    Ok(driver.call(query).await?.answer.is_ok())
}

#[cfg(test)]
mod tests {
    use common::grpc_status::meaning;

    use super::*;

    fn map() -> Map {
        let at = |name: &str, place: &str| (name.to_owned(), vec![place.to_owned()]);
        Map {
            queues: [("video", "media"), ("audio", "media")]
                .map(|(queue, shard)| (queue.to_owned(), shard.to_owned()))
                .into(),
            orchestrators: [at("media", "http://b:1"), at(UNNAMED, "http://a:1")].into(),
        }
    }

    fn code(shards: &Shards, queue: &str) -> Option<ErrorCode> {
        shards.check(&queue.into()).err().map(|status| meaning(&status).code)
    }

    #[test]
    fn each_queue_is_of_one_shard_and_the_rest_is_of_the_unnamed_one() {
        let (media, unnamed) = (Shards::of("media"), Shards::of(UNNAMED));
        assert_eq!(code(&media, "video"), Some(ErrorCode::Unavailable), "not read yet");
        media.learn(map());
        unnamed.learn(map());
        assert_eq!(code(&media, "video"), None);
        assert_eq!(code(&unnamed, "video"), Some(ErrorCode::QueueElsewhere));
        assert_eq!(code(&media, "other"), Some(ErrorCode::QueueElsewhere));
        assert_eq!(code(&unnamed, "other"), None);
        assert_eq!(code(&Shards::none(), "video"), None, "a pair has all");
    }

    #[test]
    fn the_unnamed_shard_has_what_nobody_claims_before_it_has_said_that_it_is_there() {
        let unnamed = Shards::of(UNNAMED);
        unnamed.learn(Map::default());
        assert_eq!(code(&unnamed, "default"), None);
    }

    #[test]
    fn without_an_unnamed_shard_a_queue_that_nobody_has_is_refused() {
        let media = Shards::of("media");
        let orchestrators = [("media".to_owned(), Vec::new())].into();
        media.learn(Map { orchestrators, ..map() });
        let refusal = media.check(&"other".into()).expect_err("nobody has it");
        assert!(refusal.message().contains("belongs to no group"), "{refusal}");
    }

    #[test]
    fn who_is_alone_tells_of_no_shards() {
        let unnamed = Shards::of(UNNAMED);
        let orchestrators = [(UNNAMED.to_owned(), vec!["http://a:1".to_owned()])].into();
        unnamed.learn(Map { orchestrators, ..Map::default() });
        assert_eq!(unnamed.told(), Default::default());
        unnamed.learn(map());
        let (own, all) = unnamed.told();
        assert_eq!((own.as_str(), all.len()), (UNNAMED, 2));
        assert_eq!(all[1].queues, ["audio", "video"]);
    }
}
