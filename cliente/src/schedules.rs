//! Schedules: tasks that the principal makes again and again.

use std::time::Duration;

use common::endpoint::MAX_MESSAGE_BYTES;
use common::error_code::ErrorCode;
use common::proto;
use common::proto::schedule_service_client::ScheduleServiceClient;
use tonic::transport::Channel;

use crate::client::{Submitted, epoch, incomplete};
use crate::shards::is_stranger;
use crate::spec::TaskSpec;
use crate::{Client, Error};

/// Of one request.
const TIMEOUT: Duration = Duration::from_secs(2);

fn schedules(channel: Channel) -> ScheduleServiceClient<Channel> {
    ScheduleServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// When which task is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// 1 to 128 bytes, without spaces.
    pub name: String,
    /// Five fields as cron has them, six with seconds in front, `@daily` and the like, or `@every 90s`.
    pub expression: String,
    /// Of the IANA database; empty: `UTC`.
    pub zone: String,
    /// What is made each time, but for its id, start, dependencies and key.
    pub task: TaskSpec,
    /// What becomes of firings that were missed.
    pub catch_up: CatchUp,
    /// What becomes of a firing while the task of the one before has not ended.
    pub overlap: Overlap,
}

/// What becomes of firings that were missed: those of a pause, and those that no principal decided within a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    #[default]
    Skip,
    /// One task for all of them, of the last one.
    One,
    /// A task for each of the last hundred.
    All,
}

/// What becomes of a firing while the task of the one before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Its task is made all the same.
    #[default]
    Allow,
    /// Nothing.
    Skip,
}

impl From<ScheduleSpec> for proto::ScheduleSpec {
    fn from(spec: ScheduleSpec) -> Self {
        let ScheduleSpec { name, expression, zone, task, catch_up, overlap } = spec;
        let task = proto::TaskSpec {
            task_id: String::new(),
            start: None,
            after: Vec::new(),
            unique: None,
            ..task.into()
        };
        Self {
            name,
            expression,
            zone,
            task: Some(task),
            catch_up: match catch_up {
                CatchUp::Skip => proto::CatchUp::Skip.into(),
                CatchUp::One => proto::CatchUp::One.into(),
                CatchUp::All => proto::CatchUp::All.into(),
            },
            overlap: match overlap {
                Overlap::Allow => proto::Overlap::Allow.into(),
                Overlap::Skip => proto::Overlap::Skip.into(),
            },
        }
    }
}

impl Client {
    /// Creates a schedule, or gives the one of this name another content; whether it is paused stays as it is. Safe to repeat.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn set_schedule(
        &self,
        spec: ScheduleSpec,
        allow_unknown_handler: bool,
    ) -> Result<proto::Schedule, Error> {
        spec.task.check()?;
        let (queue, name) = (spec.task.place.queue.clone(), spec.name.clone());
        let body = proto::SetScheduleRequest { spec: Some(spec.into()), allow_unknown_handler };
        let answer = self
            .at_queue(
                &queue,
                TIMEOUT,
                |answer: &proto::SetScheduleResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets().request(body.clone());
                    async move { Ok(schedules(channel).set_schedule(request).await?.into_inner()) }
                },
            )
            .await?;
        self.remove_elsewhere(&name, &self.known_of(&queue)).await?;
        answer.schedule.ok_or_else(incomplete)
    }

    /// A name is one schedule, whichever shard had it before.
    async fn remove_elsewhere(&self, name: &str, holder: &Self) -> Result<(), Error> {
        let others = self.others().await?;
        let clients = others.iter().map(|other| &other.client).chain([self]);
        for client in clients.filter(|client| !client.is_same(holder)) {
            let body = proto::RemoveScheduleRequest { name: name.to_owned() };
            let remove = |channel| {
                let request = client.targets().request(body.clone());
                async move { Ok(schedules(channel).remove_schedule(request).await?.into_inner()) }
            };
            match client.targets().call(TIMEOUT, |_| None, remove).await {
                Ok(_) => {}
                Err(refusal)
                    if refusal.code == ErrorCode::ScheduleNotFound || is_stranger(refusal.code) => {
                }
                Err(error) => return Err(self.named(client, error)),
            }
        }
        Ok(())
    }

    /// A paused schedule makes no tasks; what was due meanwhile is made up for, as it says, when it is resumed. Safe to
    /// repeat.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, or nobody answered in time.
    pub async fn pause_schedule(&self, name: &str, paused: bool) -> Result<proto::Schedule, Error> {
        let body = proto::PauseScheduleRequest { name: name.to_owned(), paused };
        let answer = self.anywhere(
                TIMEOUT,
                |answer: &proto::PauseScheduleResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets().request(body.clone());
                    async move { Ok(schedules(channel).pause_schedule(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.schedule.ok_or_else(incomplete)
    }

    /// Forgets a schedule; the tasks that it made stay.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, also when the answer to the first try was lost; or nobody answered in time.
    pub async fn remove_schedule(&self, name: &str) -> Result<proto::Schedule, Error> {
        let body = proto::RemoveScheduleRequest { name: name.to_owned() };
        let answer =
            self.anywhere(
                    TIMEOUT,
                    |answer: &proto::RemoveScheduleResponse| epoch(answer.receipt.as_ref()),
                    |channel| {
                        let request = self.targets().request(body.clone());
                        async move {
                            Ok(schedules(channel).remove_schedule(request).await?.into_inner())
                        }
                    },
                )
                .await?;
        answer.schedule.ok_or_else(incomplete)
    }

    /// One schedule, with its next firings.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, or nobody answered in time.
    pub async fn schedule(&self, name: &str) -> Result<proto::Schedule, Error> {
        let body = proto::GetScheduleRequest { name: name.to_owned() };
        let answer = self
            .anywhere(
                TIMEOUT,
                |_: &proto::GetScheduleResponse| None,
                |channel| {
                    let request = self.targets().request(body.clone());
                    async move { Ok(schedules(channel).get_schedule(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.schedule.ok_or_else(incomplete)
    }

    /// All of the user's schedules, by name, without what their tasks are given.
    ///
    /// # Errors
    /// Nobody answered in time.
    pub async fn schedules(&self) -> Result<Vec<proto::Schedule>, Error> {
        let answer = self
            .targets()
            .call(
                TIMEOUT,
                |_: &proto::ListSchedulesResponse| None,
                |channel| {
                    let request = self.targets().request(proto::ListSchedulesRequest {});
                    async move { Ok(schedules(channel).list_schedules(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(answer.schedules)
    }

    /// Makes one task now, under this new id, beside those that are due; also of a paused schedule. Safe to repeat.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `TASK_ID_CONFLICT`, `QUEUE_FULL`, another refusal, or nobody answered in time.
    pub async fn run_schedule(&self, name: &str, task_id: String) -> Result<Submitted, Error> {
        let body = proto::RunScheduleRequest { name: name.to_owned(), task_id };
        let answer = self
            .anywhere(
                TIMEOUT,
                |answer: &proto::RunScheduleResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets().request(body.clone());
                    async move { Ok(schedules(channel).run_schedule(request).await?.into_inner()) }
                },
            )
            .await?;
        let (task, receipt) = answer.task.zip(answer.receipt).ok_or_else(incomplete)?;
        Ok(Submitted { task, receipt, existed: answer.existed })
    }
}
