//! The servers themselves: how they are, and how they become smaller.

use std::time::Duration;

use tonic::Response;

use crate::call::{Effect, Manner};
use crate::proto::etcdserverpb as wire;
use crate::proto::etcdserverpb::alarm_request::AlarmAction;
use crate::proto::etcdserverpb::maintenance_client::MaintenanceClient;
use crate::{Error, Etcd, Result, kv};

/// The whole database is gone through.
const MAINTENANCE_TIMEOUT: Duration = Duration::from_secs(60);

/// How one member is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its number in the cluster, as in [`Alarm::member`].
    pub member: u64,
    /// As `3.4.23`.
    pub version: String,
    /// What its database takes on disk, in bytes.
    pub db_size: u64,
    /// What of that is in use; the rest goes with [`Etcd::defragment`].
    pub db_size_in_use: u64,
    /// It takes itself for the leader.
    pub is_leader: bool,
    /// That it is in.
    pub raft_term: u64,
    /// What it complains of, in its words; alarms among it, and that it has no leader.
    pub errors: Vec<String>,
}

/// What a member has raised, and keeps until it is disarmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Whose.
    pub member: u64,
    /// Of what.
    pub kind: AlarmKind,
}

/// What an alarm is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// Its database has reached the quota: the whole cluster takes no writes.
    NoSpace,
    /// Its contents are not those of the others.
    Corrupt,
    /// Of a newer version, by its number.
    Other(i32),
}

impl AlarmKind {
    fn of(number: i32) -> Self {
        match wire::AlarmType::try_from(number) {
            Ok(wire::AlarmType::Nospace) => Self::NoSpace,
            Ok(wire::AlarmType::Corrupt) => Self::Corrupt,
            Ok(wire::AlarmType::None) | Err(_) => Self::Other(number),
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::NoSpace => wire::AlarmType::Nospace.into(),
            Self::Corrupt => wire::AlarmType::Corrupt.into(),
            Self::Other(number) => number,
        }
    }
}

impl Etcd {
    /// What is older than that revision is forgotten, and gone from the database when this returns. If it was already, that
    /// is as well.
    ///
    /// # Errors
    /// Those of all reads. [`Error::Refused`]: of a revision that is still to come.
    pub async fn compact(&self, revision: i64) -> Result<()> {
        let send = |channel, request| async move {
            kv::client(channel).compact(request).await.map(Response::into_inner)
        };
        let manner = Manner { timeout: MAINTENANCE_TIMEOUT, ..self.0.read() };
        let request = wire::CompactionRequest { revision, physical: true };
        match self.0.call(manner, request, send).await {
            Ok(_) | Err(Error::Compacted { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How each endpoint is, all asked at once, in the order of [`crate::Options::endpoints`]: by itself, without the others.
    pub async fn status_of_each(&self) -> Vec<(String, Result<Status>)> {
        let names = self.0.endpoints.names().map(str::to_owned).enumerate();
        let asked = names.map(|(at, name)| async move { (name, self.status(at).await) });
        futures::future::join_all(asked).await
    }

    async fn status(&self, at: usize) -> Result<Status> {
        let send = |channel, request| async move {
            MaintenanceClient::new(channel).status(request).await.map(Response::into_inner)
        };
        let manner = Manner { needs_leader: false, ..self.0.read() };
        let found = self.0.call_at(at, manner, wire::StatusRequest {}, send).await?;
        let member = found.header.unwrap_or_default().member_id;
        Ok(Status {
            member,
            version: found.version,
            db_size: u64::try_from(found.db_size).unwrap_or_default(),
            db_size_in_use: u64::try_from(found.db_size_in_use).unwrap_or_default(),
            is_leader: member != 0 && member == found.leader,
            raft_term: found.raft_term,
            errors: found.errors,
        })
    }

    /// All that are raised.
    ///
    /// # Errors
    /// Those of all reads.
    pub async fn alarms(&self) -> Result<Vec<Alarm>> {
        let request =
            wire::AlarmRequest { action: AlarmAction::Get.into(), ..wire::AlarmRequest::default() };
        self.alarm(request).await
    }

    /// The alarm ends. If its reason is still there, it is raised again by the next write.
    ///
    /// # Errors
    /// Those of all reads: it may have ended all the same.
    pub async fn disarm(&self, alarm: Alarm) -> Result<()> {
        let request = wire::AlarmRequest {
            action: AlarmAction::Deactivate.into(),
            member_id: alarm.member,
            alarm: alarm.kind.number(),
        };
        self.alarm(request).await.map(drop)
    }

    async fn alarm(&self, request: wire::AlarmRequest) -> Result<Vec<Alarm>> {
        let send = |channel, request| async move {
            MaintenanceClient::new(channel).alarm(request).await.map(Response::into_inner)
        };
        let (_, found) = self.0.call(self.0.read(), request, send).await?;
        let alarm = |one: wire::AlarmMember| Alarm {
            member: one.member_id,
            kind: AlarmKind::of(one.alarm),
        };
        Ok(found.alarms.into_iter().map(alarm).collect())
    }

    /// The database of one member, by its endpoint, becomes as small as what it holds. Meanwhile that member answers nobody:
    /// one after the other, the leader last.
    ///
    /// # Errors
    /// [`Error::Endpoint`]: it is none of [`crate::Options::endpoints`]. [`Error::Unknown`]: it may be under way still. And
    /// those of all writes.
    pub async fn defragment(&self, endpoint: &str) -> Result<()> {
        let found = self.0.endpoints.names().position(|name| name == endpoint);
        let at = found.ok_or_else(|| Error::Endpoint(endpoint.to_owned()))?;
        let send = |channel, request| async move {
            MaintenanceClient::new(channel).defragment(request).await.map(Response::into_inner)
        };
        let manner =
            Manner { effect: Effect::Other, timeout: MAINTENANCE_TIMEOUT, needs_leader: false };
        self.0.call_at(at, manner, wire::DefragmentRequest {}, send).await.map(drop)
    }
}
