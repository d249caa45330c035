//! `ScheduleService`: tasks that are made again and again. Each user's schedules are that user's own.

use common::proto;
use common::proto::schedule_service_server::ScheduleService;
use common::proto::{
    GetScheduleRequest, GetScheduleResponse, ListSchedulesRequest, ListSchedulesResponse,
    PauseScheduleRequest, PauseScheduleResponse, Receipt, RemoveScheduleRequest,
    RemoveScheduleResponse, RunScheduleRequest, RunScheduleResponse, SetScheduleRequest,
    SetScheduleResponse,
};
use orquestrador_core::effect::ScheduleSnapshot;
use orquestrador_core::event::Firing;
use orquestrador_core::ids::{RequestId, ScheduleName, Timestamp, UserName};
use orquestrador_core::schedule::{CatchUp, Overlap, Schedule};
use orquestrador_core::{Answer, Command};
use tonic::{Request, Response, Status};

use super::validate::schedule_name;
use super::{authenticate, convert, rejected, unexpected, validate};
use crate::driver::DriverHandle;
use crate::shards::Shards;
use crate::users::{Access, Asking, Users};
use crate::webhooks::Webhooks;

/// Firings that are told of one schedule.
const UPCOMING: usize = 5;

/// Answers clients.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
    pub webhooks: Webhooks,
    pub shards: Shards,
}

impl Service {
    async fn owner<T>(&self, request: Request<T>, access: Access) -> Result<(UserName, T), Status> {
        let asking = Asking::of(&request, access);
        let caller = authenticate(&self.users, &self.driver, asking).await?;
        Ok((caller.user, request.into_inner()))
    }

    /// What is answered with one schedule.
    async fn ask(
        &self,
        command: impl FnOnce(RequestId) -> Command,
    ) -> Result<(ScheduleSnapshot, Receipt), Status> {
        let done = self.driver.call(command).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Schedule { snapshot } => Ok((snapshot, done.receipt)),
            other => Err(unexpected(&other)),
        }
    }
}

#[tonic::async_trait]
impl ScheduleService for Service {
    async fn set_schedule(
        &self,
        request: Request<SetScheduleRequest>,
    ) -> Result<Response<SetScheduleResponse>, Status> {
        let (owner, body) = self.owner(request, Access::Change).await?;
        let (name, schedule) = validate::new_schedule(body.spec)?;
        self.webhooks.check(std::iter::once(&*schedule.terms))?;
        self.shards.check(&schedule.terms.queue)?;
        let allow_unknown_handler = body.allow_unknown_handler;
        let set = |request| Command::SetSchedule {
            request,
            owner,
            name,
            schedule: schedule.into(),
            allow_unknown_handler,
        };
        let (snapshot, receipt) = self.ask(set).await?;
        let schedule = Some(to_proto(&snapshot, true));
        Ok(Response::new(SetScheduleResponse { schedule, receipt: Some(receipt) }))
    }

    async fn pause_schedule(
        &self,
        request: Request<PauseScheduleRequest>,
    ) -> Result<Response<PauseScheduleResponse>, Status> {
        let (owner, body) = self.owner(request, Access::Change).await?;
        let (name, paused) = (schedule_name(&body.name)?, body.paused);
        let pause = |request| Command::PauseSchedule { request, owner, name, paused };
        let (snapshot, receipt) = self.ask(pause).await?;
        let schedule = Some(to_proto(&snapshot, true));
        Ok(Response::new(PauseScheduleResponse { schedule, receipt: Some(receipt) }))
    }

    async fn remove_schedule(
        &self,
        request: Request<RemoveScheduleRequest>,
    ) -> Result<Response<RemoveScheduleResponse>, Status> {
        let (owner, body) = self.owner(request, Access::Change).await?;
        let name = schedule_name(&body.name)?;
        let remove = |request| Command::RemoveSchedule { request, owner, name };
        let (snapshot, receipt) = self.ask(remove).await?;
        let schedule = Some(to_proto(&snapshot, true));
        Ok(Response::new(RemoveScheduleResponse { schedule, receipt: Some(receipt) }))
    }

    async fn get_schedule(
        &self,
        request: Request<GetScheduleRequest>,
    ) -> Result<Response<GetScheduleResponse>, Status> {
        let (owner, body) = self.owner(request, Access::Look).await?;
        let name = schedule_name(&body.name)?;
        let query = |request| Command::QuerySchedule { request, owner, name };
        let (snapshot, _) = self.ask(query).await?;
        let upcoming_ms = upcoming(&snapshot).into_iter().map(|at| at.0).collect();
        let schedule = proto::Schedule { upcoming_ms, ..to_proto(&snapshot, true) };
        Ok(Response::new(GetScheduleResponse { schedule: Some(schedule) }))
    }

    async fn list_schedules(
        &self,
        request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        let (owner, ListSchedulesRequest {}) = self.owner(request, Access::Look).await?;
        let done = self.driver.call(|request| Command::ListSchedules { request, owner }).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Schedules { schedules } => {
                let schedules = schedules.iter().map(|snapshot| to_proto(snapshot, false));
                Ok(Response::new(ListSchedulesResponse { schedules: schedules.collect() }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn run_schedule(
        &self,
        request: Request<RunScheduleRequest>,
    ) -> Result<Response<RunScheduleResponse>, Status> {
        let (owner, body) = self.owner(request, Access::Change).await?;
        let name = schedule_name(&body.name)?;
        let task = validate::new_task_id("task_id", &body.task_id)?;
        let run = |request| Command::RunSchedule { request, owner, name, task };
        let done = self.driver.submit(run).await?;
        match done.answer.map_err(|r| rejected(&r))? {
            Answer::Submitted { accepted, first } => Ok(Response::new(RunScheduleResponse {
                task: Some(convert::task(&first)),
                existed: accepted == 0,
                receipt: Some(done.receipt),
            })),
            other => Err(unexpected(&other)),
        }
    }
}

/// When it is due next, and after that.
fn upcoming(snapshot: &ScheduleSnapshot) -> Vec<Timestamp> {
    let Ok(plan) = snapshot.schedule.plan() else { return snapshot.next.into_iter().collect() };
    let following = |at: &Timestamp| plan.next_after(at.0, snapshot.created.0).map(Timestamp);
    std::iter::successors(snapshot.next, following).take(UPCOMING).collect()
}

fn to_proto(snapshot: &ScheduleSnapshot, with_payload: bool) -> proto::Schedule {
    let made = snapshot.made;
    proto::Schedule {
        spec: Some(spec(&snapshot.name, &snapshot.schedule, with_payload)),
        paused: snapshot.paused,
        created_at_ms: snapshot.created.0,
        changed_at_ms: snapshot.changed.0,
        next_ms: snapshot.next.map_or(0, |next| next.0),
        last_task_id: made.map(|(_, task, _)| task.to_string()).unwrap_or_default(),
        last_due_ms: made.map_or(0, |(due, _, _)| due.0),
        last_by_hand: made.is_some_and(|(_, _, by_hand)| by_hand),
        unmade: snapshot.unmade.as_ref().and_then(|(due, firing)| unmade(*due, firing)),
        upcoming_ms: Vec::new(),
    }
}

fn unmade(due: Timestamp, firing: &Firing) -> Option<proto::Unmade> {
    let (reason, message) = match firing {
        Firing::Made(_) | Firing::ByHand(_) => return None,
        Firing::Missed => ("MISSED", String::new()),
        Firing::Overlapped => ("OVERLAPPED", String::new()),
        Firing::Refused { why } => ("REFUSED", why.clone()),
    };
    Some(proto::Unmade { due_ms: due.0, reason: reason.to_owned(), message })
}

fn spec(name: &ScheduleName, schedule: &Schedule, with_payload: bool) -> proto::ScheduleSpec {
    let Schedule { expression, zone, catch_up, overlap, handler, payload, terms } = schedule;
    proto::ScheduleSpec {
        name: name.to_string(),
        expression: expression.clone(),
        zone: zone.clone(),
        task: Some(convert::task_spec((handler, with_payload.then_some(payload)), terms)),
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
