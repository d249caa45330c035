//! `OperatorService`: what operators do with the cluster as a whole.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::operator_service_server::OperatorService;
use common::proto::{
    AuditJournalRequest, AuditJournalResponse, BackupRequest, BackupResponse, DrainWorkerRequest,
    DrainWorkerResponse, DrillRequest, DrillResponse, ExplainClusterRequest,
    ExplainClusterResponse, ForcedView, ListTailsRequest, ListTailsResponse, PeerStatus,
    ReadTailRequest, ReadTailResponse, ReplacePeerRequest, ReplacePeerResponse, ResubmitRequest,
    ResubmitResponse, SetLogFilterRequest, SetLogFilterResponse, ShutdownRequest, ShutdownResponse,
    SwitchoverRequest, SwitchoverResponse, TailTask, ViewNote, WitnessStatus, drill_request,
};
use common::telemetry::{self, FilterError};
use orquestrador_core::command::{NewWork, Role};
use orquestrador_core::ids::{Epoch, Index, UserName, WorkerId};
use orquestrador_core::role::{Failover, Standing, View, critical_hosts};
use orquestrador_core::{Answer, Command, Limits};
use orquestrador_wire::view_to_proto;
use serde_json::{Value, json};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::ending::shut_down;
use super::{authenticate_here, cluster, convert, rejected, unexpected, validate};
use crate::audit::audit;
use crate::backup;
use crate::blobs::Blobs;
use crate::drill;
use crate::driver::DriverHandle;
use crate::driver::input::{Explanation, Input, Moved};
use crate::driver::views;
use crate::journal::Journal;
use crate::node::{self, End};
use crate::peer::Peer;
use crate::tails;
use crate::users::{Access, Asking, Users};

/// How long the standby may take to become principal.
const SWITCHOVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers operators.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
    pub journal: Journal,
    pub end: End,
    pub peer: Arc<Peer>,
    /// This node is reached by loopback addresses only.
    pub own_loopback: bool,
    pub limits: Limits,
    pub allow_drill: bool,
    pub blobs: Blobs,
}

impl Service {
    /// For who looks, and changes nothing.
    async fn admin<T>(&self, request: &Request<T>, call: &'static str) -> Result<(), Status> {
        let asking = Asking::of(request, Access::Administer(call));
        authenticate_here(&self.users, &self.driver, asking).await.map(drop)
    }

    /// Does `work` for an administrator, and logs it.
    async fn administer<T>(
        &self,
        asking: Asking<'_>,
        about: Value,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let caller = authenticate_here(&self.users, &self.driver, asking).await?;
        self.users.actions().record((&caller, asking), about, work).await.map(Response::new)
    }
}

impl Service {
    async fn stop_worker(
        &self,
        DrainWorkerRequest { worker_id, timeout_ms: within_ms }: DrainWorkerRequest,
    ) -> Result<DrainWorkerResponse, Status> {
        // Refuses where this is not the principal.
        let overview = cluster::overview(&self.driver).await?;
        let worker = WorkerId::from(worker_id.as_str());
        let stop = |reply| Input::StopWorker { worker: worker.clone(), within_ms, reply };
        let is_there = self.driver.ask(stop).await?;
        match overview.workers.iter().find(|known| known.worker == worker) {
            Some(known) if is_there => Ok(DrainWorkerResponse { busy: known.busy }),
            Some(_) | None => {
                let text = format!("no worker {worker_id} is connected");
                Err(grpc_status::status(ErrorCode::WorkerNotFound, text))
            }
        }
    }

    async fn move_peer(&self, address: &str) -> Result<ReplacePeerResponse, Status> {
        let refused = |why: String| grpc_status::invalid([("address".to_owned(), why)]);
        let address: Endpoint = address.parse().map_err(|error| refused(format!("{error}")))?;
        let address =
            self.peer.callable(&address).map_err(|problem| refused(problem.to_string()))?;
        let node = self.driver.ask(|reply| Input::Describe { reply }).await?;
        if node.standing != Standing::Principal {
            return Err(grpc_status::not_primary(node.principal.as_deref()));
        }
        let is_loopback = place_of_peer(&address, &node.own_address).await?;
        let loopback = self.own_loopback && is_loopback;
        let (peer, new) = (self.peer.clone(), address.clone());
        let keep = Box::new(move || peer.replace(new));
        let moved = Moved { address: address.to_string(), loopback, keep };
        self.driver.ask(|reply| Input::MovePeer { moved, reply }).await??;
        Ok(ReplacePeerResponse {})
    }

    async fn submit_again(&self, tasks: Vec<TailTask>) -> Result<ResubmitResponse, Status> {
        let mut of_owners: BTreeMap<String, Vec<NewWork>> = BTreeMap::new();
        let mut all = 0;
        for TailTask { owner, task, array, except } in tasks {
            let work = of_owners.entry(owner).or_default();
            if let Some(array) = array {
                work.push(NewWork::Array(validate::part_of_array(array, except)?));
            }
            if let Some(task) = task {
                work.push(NewWork::Task(validate::new_task(Some(task))?));
            }
        }
        for (owner, work) in of_owners {
            let owner = UserName::from(owner.as_str());
            // The worker that offered its handler may be known to the other history only.
            let allow_unknown_handler = true;
            let submit =
                |request| Command::SubmitFlow { request, owner, work, allow_unknown_handler };
            match self.driver.call(submit).await?.answer.map_err(|r| rejected(&r))? {
                Answer::FlowSubmitted { tasks, .. } => {
                    all += u32::try_from(tasks).unwrap_or(u32::MAX);
                }
                other => return Err(unexpected(&other)),
            }
        }
        Ok(ResubmitResponse { accepted: all })
    }

    fn misbehave(&self, kind: Option<&drill_request::Kind>) -> Result<DrillResponse, Status> {
        if !self.allow_drill {
            let why = "this orchestrator was started without --allow-drill";
            return Err(grpc_status::status(ErrorCode::DrillsOff, why));
        }
        let done = match kind {
            Some(drill_request::Kind::Check(true)) => Ok(()),
            Some(drill_request::Kind::Kill(true)) => drill::kill(),
            Some(drill_request::Kind::PauseMs(ms)) => {
                drill::pause(Duration::from_millis((*ms).into()))
            }
            Some(drill_request::Kind::Kill(false) | drill_request::Kind::Check(false)) | None => {
                let text = "must be kill, a pause or a check".to_owned();
                return Err(grpc_status::invalid([("kind".to_owned(), text)]));
            }
        };
        done.map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))?;
        Ok(DrillResponse {})
    }
}

type Tasks = Pin<Box<dyn Stream<Item = Result<ReadTailResponse, Status>> + Send>>;

impl Service {
    /// Reads files where waiting for the disk holds nobody up.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Journal) -> Result<T, tails::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let journal = self.journal.clone();
        tokio::task::spawn_blocking(move || read(&journal))
            .await
            .map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))?
            .map_err(|error| {
                let code = match error {
                    tails::Error::Unknown(_) => ErrorCode::TailNotFound,
                    tails::Error::Journal(_) => ErrorCode::TailDamaged,
                    tails::Error::Folder(_) => ErrorCode::Internal,
                };
                grpc_status::status(code, common::console::chain(&error))
            })
    }
}

/// Gives the office away, or keeps it and says why.
async fn switch_over(driver: DriverHandle) -> Result<Epoch, Status> {
    let begun = driver.ask(|reply| Input::SwitchOver { reply }).await??;
    match tokio::time::timeout(SWITCHOVER_TIMEOUT, begun).await {
        Ok(Ok(Some(epoch))) => Ok(epoch),
        Ok(Ok(None)) => Err(grpc_status::status(
            ErrorCode::NotPromotable,
            "the standby was lost meanwhile; this node keeps the office",
        )),
        Ok(Err(_)) => Err(grpc_status::status(
            ErrorCode::Unavailable,
            "another switch-over or the end of this node came in between",
        )),
        Err(_) => {
            let may_still_come = driver.ask(|reply| Input::KeepOffice { reply }).await?;
            let why = match may_still_come {
                true => {
                    "the standby did not take the office in time; its election is under way and may still succeed: see \
                     who is principal before asking again"
                }
                false => "the standby did not take the office in time; this node keeps it",
            };
            Err(grpc_status::status(ErrorCode::Unavailable, why))
        }
    }
}

/// Refuses what cannot be the other orchestrator's address; tells whether it is a loopback one.
async fn place_of_peer(address: &Endpoint, own: &str) -> Result<bool, Status> {
    let refused = |why: String| grpc_status::invalid([("address".to_owned(), why)]);
    let found = node::resolve(address).await;
    let found = found.map_err(|error| refused(format!("cannot be resolved: {error}")))?;
    let own: Endpoint = own.parse().map_err(|error| refused(format!("own address: {error}")))?;
    // A name of this node that is not known yet cannot be the one that was given.
    let ours = node::resolve(&own).await.unwrap_or_default();
    if address.is_same_place(&own) || found.iter().any(|place| ours.contains(place)) {
        return Err(refused("is this orchestrator itself".to_owned()));
    }
    Ok(node::all_loopback(&found))
}

#[tonic::async_trait]
impl OperatorService for Service {
    type ReadTailStream = Tasks;
    type BackupStream = ReceiverStream<Result<BackupResponse, Status>>;

    async fn backup(
        &self,
        request: Request<BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let asking = Asking::of(&request, Access::Administer("Backup"));
        let begin = async {
            let moment = self.driver.ask(|reply| Input::Backup { reply }).await??;
            Ok(ReceiverStream::new(backup::stream(moment, self.blobs.clone())))
        };
        self.administer(asking, json!({}), begin).await
    }

    async fn switchover(
        &self,
        request: Request<SwitchoverRequest>,
    ) -> Result<Response<SwitchoverResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("Switchover"));
        let from = Epoch(request.get_ref().from_epoch);
        let switch = async {
            let node = self.driver.ask(|reply| Input::Describe { reply }).await?;
            if from != Epoch(0) && node.standing == Standing::Principal && node.epoch > from {
                return Ok(SwitchoverResponse { epoch: node.epoch.0 });
            }
            let driver = self.driver.clone();
            // To its end, even if the operator leaves: half a switch-over keeps everybody waiting.
            let switched = tokio::spawn(switch_over(driver)).await;
            let epoch = switched
                .map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))??;
            Ok(SwitchoverResponse { epoch: epoch.0 })
        };
        self.administer(asking, json!({ "from_epoch": from.0 }), switch).await
    }

    async fn shutdown(
        &self,
        request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("Shutdown"));
        let within_ms = request.get_ref().timeout_ms;
        self.administer(
            asking,
            json!({ "timeout_ms": within_ms }),
            shut_down(&self.driver, &self.end, within_ms),
        )
        .await
    }

    async fn drain_worker(
        &self,
        request: Request<DrainWorkerRequest>,
    ) -> Result<Response<DrainWorkerResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("DrainWorker"));
        let body = request.get_ref();
        let about = json!({ "worker_id": body.worker_id, "timeout_ms": body.timeout_ms });
        self.administer(asking, about, self.stop_worker(body.clone())).await
    }

    async fn replace_peer(
        &self,
        request: Request<ReplacePeerRequest>,
    ) -> Result<Response<ReplacePeerResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("ReplacePeer"));
        let address = &request.get_ref().address;
        self.administer(asking, json!({ "address": address }), self.move_peer(address)).await
    }

    async fn set_log_filter(
        &self,
        request: Request<SetLogFilterRequest>,
    ) -> Result<Response<SetLogFilterResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("SetLogFilter"));
        let filter = request.get_ref().filter.as_deref();
        let refilter = async {
            if filter.is_some_and(|filter| filter.trim().is_empty()) {
                return Err(grpc_status::invalid([(
                    "filter".to_owned(),
                    "must name a level, or be left out for that of the start".to_owned(),
                )]));
            }
            match telemetry::refilter(filter) {
                Ok(()) => Ok(SetLogFilterResponse {}),
                Err(FilterError::Wrong(error)) => {
                    Err(grpc_status::invalid([("filter".to_owned(), error.to_string())]))
                }
                Err(error @ (FilterError::Silent | FilterError::Reload(_))) => {
                    Err(grpc_status::status(ErrorCode::Internal, error.to_string()))
                }
            }
        };
        self.administer(asking, json!({ "filter": filter }), refilter).await
    }

    async fn explain_cluster(
        &self,
        request: Request<ExplainClusterRequest>,
    ) -> Result<Response<ExplainClusterResponse>, Status> {
        let asking = Asking::of(&request, Access::Look);
        let caller = authenticate_here(&self.users, &self.driver, asking).await?;
        let explanation = self.driver.ask(|reply| Input::Explain { reply }).await?;
        let explained = explain(explanation);
        Ok(Response::new(match caller.role {
            Role::Admin => explained,
            Role::Submitter | Role::Viewer => without_machines(explained),
        }))
    }

    async fn audit_journal(
        &self,
        request: Request<AuditJournalRequest>,
    ) -> Result<Response<AuditJournalResponse>, Status> {
        self.admin(&request, "AuditJournal").await?;
        let AuditJournalRequest { at_index, task_ids } = request.into_inner();
        let asked = task_ids.iter().map(|id| validate::task_id("task_ids", id));
        let asked = asked.collect::<Result<_, _>>()?;
        let at = (at_index > 0).then_some(Index(at_index));
        let (journal, limits) = (self.journal.clone(), self.limits.clone());
        let last = journal.last().index;
        let node = journal.node();
        let report = tokio::task::spawn_blocking(move || audit(&journal, limits, at, asked))
            .await
            .map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))?
            .map_err(|error| {
                grpc_status::status(ErrorCode::Unavailable, common::console::chain(&error))
            })?;
        let now = self.driver.ask(|reply| Input::Describe { reply }).await?;
        Ok(Response::new(AuditJournalResponse {
            node_id: node.to_string(),
            first_index: report.first.0,
            last_index: last.0,
            at_index: report.at.index.0,
            hash: hex(&report.at.hash.0),
            digest: format!("{:032x}", report.digest),
            tasks: report.tasks,
            second_outcomes: report.second_outcomes,
            epoch_regressions: report.epoch_regressions,
            highest_epoch: report.highest_epoch.0,
            missing: report.missing.iter().map(ToString::to_string).collect(),
            contradiction: report.misfit.unwrap_or_default(),
            forgotten: report.forgotten.iter().map(ToString::to_string).collect(),
            overrides: report.overrides.iter().map(forced).collect(),
            view_number: now.view.map_or(0, |view| view.number.0),
        }))
    }

    async fn list_tails(
        &self,
        request: Request<ListTailsRequest>,
    ) -> Result<Response<ListTailsResponse>, Status> {
        self.admin(&request, "ListTails").await?;
        let tails = self.blocking(|journal| tails::list(journal.path())).await?;
        Ok(Response::new(ListTailsResponse {
            tails: tails.into_iter().map(convert::tail).collect(),
        }))
    }

    async fn read_tail(
        &self,
        request: Request<ReadTailRequest>,
    ) -> Result<Response<Tasks>, Status> {
        self.admin(&request, "ReadTail").await?;
        let name = request.into_inner().name;
        let tasks = self.blocking(move |journal| tails::read(journal.path(), &name)).await?;
        let parts = tails::parts(tasks, MAX_MESSAGE_BYTES / 2);
        let parts = parts.into_iter().map(|tasks| Ok(ReadTailResponse { tasks }));
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }

    async fn resubmit(
        &self,
        request: Request<ResubmitRequest>,
    ) -> Result<Response<ResubmitResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("Resubmit"));
        let tasks = request.get_ref().tasks.clone();
        self.administer(asking, json!({ "tasks": tasks.len() }), self.submit_again(tasks)).await
    }

    async fn drill(
        &self,
        request: Request<DrillRequest>,
    ) -> Result<Response<DrillResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("Drill"));
        let kind = request.get_ref().kind.as_ref();
        let about = json!({ "kind": kind.map(|kind| format!("{kind:?}")) });
        self.administer(asking, about, async { self.misbehave(kind) }).await
    }
}

/// For those who look: which machines testify, and which the next failover hangs on, is for who can help them.
fn without_machines(mut explained: ExplainClusterResponse) -> ExplainClusterResponse {
    explained.critical_hosts.clear();
    for witness in &mut explained.witnesses {
        witness.host.clear();
        witness.incarnation.clear();
    }
    explained
}

fn explain(explanation: Explanation) -> ExplainClusterResponse {
    let Explanation { node, failover, witnesses, views } = explanation;
    let hosts = |addresses: &[&String]| -> Vec<String> {
        addresses.iter().map(|address| host(address)).collect()
    };
    let is_pair = node.view.as_ref().is_some_and(|view| !view.is_single());
    let replicas = match is_pair {
        true => hosts(&[&node.own_address, &node.peer_address]),
        false => hosts(&[&node.own_address]),
    };
    // Of a silent one nothing is known: it counts as gone.
    let alive: Vec<String> =
        witnesses.iter().filter_map(|(_, host)| host.as_deref().map(str::to_owned)).collect();
    let critical_hosts = match failover {
        Failover::ByWitnesses => critical_hosts(&replicas, &alive, witnesses.len()),
        // Nothing goes on by itself, or a single machine is all there is.
        Failover::FewWitnesses
        | Failover::ByRefusedPort
        | Failover::NoStandby
        | Failover::CatchingUp
        | Failover::NoWitnesses
        | Failover::NotFounded
        | Failover::NotListed
        | Failover::Blocked
        | Failover::Waiting
        | Failover::ForeignPeer
        | Failover::NotExpected
        | Failover::ByEngine
        | Failover::EngineAlone
        | Failover::EngineSilent => Vec::new(),
    };
    let linked = node.peer.as_ref();
    let peer = PeerStatus {
        address: node.peer_address.clone(),
        node_id: linked.map(|peer| peer.node.to_string()).unwrap_or_default(),
        member: linked.is_some_and(|peer| peer.in_view),
        foreign: linked.is_some_and(|peer| peer.foreign),
    };
    let engine = if node.members.is_some() { "ETCD" } else { "PAIR" };
    ExplainClusterResponse {
        engine: engine.to_owned(),
        address: node.own_address,
        node_id: node.node.to_string(),
        view: node.view.as_ref().map(view_to_proto),
        standing: standing(node.standing).to_owned(),
        failover: failover_word(failover).to_owned(),
        witnesses: witnesses
            .into_iter()
            .map(|(incarnation, host)| WitnessStatus {
                incarnation: incarnation.to_string(),
                alive: host.is_some(),
                host: host.map(|host| host.to_string()).unwrap_or_default(),
            })
            .collect(),
        critical_hosts,
        views: views.iter().map(note).collect(),
        cluster_id: node.cluster.map(|cluster| cluster.to_string()).unwrap_or_default(),
        last_index: node.last_index.0,
        peer: node.members.is_none().then_some(peer),
    }
}

fn forced((view, at): &(View, Index)) -> ForcedView {
    ForcedView { number: view.number.0, epoch: view.epoch.0, journal_index: at.0 }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn host(address: &str) -> String {
    address
        .parse::<common::endpoint::Endpoint>()
        .map_or_else(|_| address.to_owned(), |endpoint| endpoint.host().to_owned())
}

fn note(note: &views::ViewNote) -> ViewNote {
    let members = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    ViewNote {
        number: note.view.number.0,
        epoch: note.view.epoch.0,
        cause: note.cause.word().to_owned(),
        at_ms: note.at.map_or(0, |at| at.0),
        principal_node: note.view.principal_node.to_string(),
        replicas: members(note.view.replicas.len()),
        witnesses: members(note.view.witnesses.len()),
    }
}

/// As it is told to clients.
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Unfounded => "UNFOUNDED",
        Standing::Learner => "LEARNER",
        Standing::Standby => "STANDBY",
        Standing::Waiting => "WAITING",
        Standing::Elected => "ELECTED",
        Standing::Principal => "PRINCIPAL",
    }
}

fn failover_word(failover: Failover) -> &'static str {
    match failover {
        Failover::ByWitnesses => "BY_WITNESSES",
        Failover::ByRefusedPort => "BY_REFUSED_PORT",
        Failover::NoStandby => "NO_STANDBY",
        Failover::CatchingUp => "CATCHING_UP",
        Failover::NoWitnesses => "NO_WITNESSES",
        Failover::FewWitnesses => "FEW_WITNESSES",
        Failover::NotFounded => "NOT_FOUNDED",
        Failover::NotListed => "NOT_LISTED",
        Failover::Blocked => "BLOCKED",
        Failover::Waiting => "WAITING",
        Failover::ForeignPeer => "FOREIGN_PEER",
        Failover::NotExpected => "NOT_EXPECTED",
        Failover::ByEngine => "BY_ENGINE",
        Failover::EngineAlone => "ENGINE_ALONE",
        Failover::EngineSilent => "ENGINE_SILENT",
    }
}
