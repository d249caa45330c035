//! The scripted operator's service: what a node says of the cluster, and of its journal.

use std::pin::Pin;

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::operator_service_server::OperatorService;
use common::proto::*;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::{Node, Script};

pub const CLUSTER: &str = "0190b4a0-0000-7000-8000-00000000c1c1";

/// What a node says to operators.
#[derive(Clone, Debug, Default)]
pub struct Sayings {
    pub explain: ExplainClusterResponse,
    pub audit: AuditJournalResponse,
    pub tails: Vec<Tail>,
    pub allows_drill: bool,
}

impl Node {
    /// Its id is made of this number.
    pub fn node_id(number: u8) -> String {
        uuid::Uuid::from_u128(number.into()).to_string()
    }

    /// Says that it is `number`, stands so, and knows view `view` of `members`.
    pub fn say(&self, number: u8, standing: &str, view: u64, members: &[u8], peer: &Node) {
        let replica = |member: &u8| Replica {
            node_id: uuid::Uuid::from_u128((*member).into()).as_bytes().to_vec(),
            since: 1,
        };
        let replicas = members.iter().map(replica).collect();
        let view_number = view;
        let view = View { number: view, epoch: view, replicas, ..View::default() };
        let explain = ExplainClusterResponse {
            address: self.address(),
            node_id: Self::node_id(number),
            view: Some(view),
            standing: standing.to_owned(),
            failover: "BY_WITNESSES".to_owned(),
            cluster_id: CLUSTER.to_owned(),
            last_index: 8,
            peer: Some(PeerStatus { address: peer.address(), ..PeerStatus::default() }),
            ..ExplainClusterResponse::default()
        };
        let audit = AuditJournalResponse {
            node_id: Self::node_id(number),
            first_index: 1,
            last_index: 8,
            hash: "aa".to_owned(),
            digest: "bb".to_owned(),
            view_number,
            ..AuditJournalResponse::default()
        };
        let says = Sayings { explain, audit, ..Sayings::default() };
        *self.script.says.lock().expect("is whole") = says;
    }

    pub fn change_sayings(&self, change: impl FnOnce(&mut Sayings)) {
        change(&mut self.script.says.lock().expect("is whole"));
    }
}

impl Script {
    /// These calls are for any node, principal or not.
    async fn admit_as_any_node<T>(&self, call: String, request: &Request<T>) -> Result<(), Status> {
        match self.admit(call, request).await {
            Err(status) if grpc_status::meaning(&status).code == ErrorCode::NotPrimary => Ok(()),
            admitted => admitted,
        }
    }

    fn says(&self) -> Sayings {
        self.says.lock().expect("is whole").clone()
    }
}

type Parts = Pin<Box<dyn Stream<Item = Result<ReadTailResponse, Status>> + Send>>;

#[tonic::async_trait]
impl OperatorService for Script {
    type ReadTailStream = Parts;
    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupResponse, Status>> + Send>>;

    async fn backup(
        &self,
        _: Request<BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        Err(Status::unimplemented("backups are tested end to end"))
    }

    async fn set_log_filter(
        &self,
        _: Request<SetLogFilterRequest>,
    ) -> Result<Response<SetLogFilterResponse>, Status> {
        Err(Status::unimplemented("what is logged is tested end to end"))
    }

    async fn explain_cluster(
        &self,
        request: Request<ExplainClusterRequest>,
    ) -> Result<Response<ExplainClusterResponse>, Status> {
        self.admit_as_any_node("explain".into(), &request).await?;
        Ok(Response::new(self.says().explain))
    }

    async fn audit_journal(
        &self,
        request: Request<AuditJournalRequest>,
    ) -> Result<Response<AuditJournalResponse>, Status> {
        self.admit_as_any_node("audit".into(), &request).await?;
        let at_index = request.get_ref().at_index;
        let says = self.says().audit;
        let at_index = if says.at_index == 0 { at_index } else { says.at_index };
        Ok(Response::new(AuditJournalResponse { at_index, ..says }))
    }

    async fn list_tails(
        &self,
        request: Request<ListTailsRequest>,
    ) -> Result<Response<ListTailsResponse>, Status> {
        self.admit_as_any_node("tails".into(), &request).await?;
        Ok(Response::new(ListTailsResponse { tails: self.says().tails }))
    }

    async fn drill(
        &self,
        request: Request<DrillRequest>,
    ) -> Result<Response<DrillResponse>, Status> {
        self.admit_as_any_node("drill".into(), &request).await?;
        match self.says().allows_drill {
            true => Ok(Response::new(DrillResponse {})),
            false => Err(grpc_status::status(ErrorCode::DrillsOff, "as it was started")),
        }
    }

    async fn read_tail(&self, _: Request<ReadTailRequest>) -> Result<Response<Parts>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn resubmit(
        &self,
        _: Request<ResubmitRequest>,
    ) -> Result<Response<ResubmitResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn switchover(
        &self,
        _: Request<SwitchoverRequest>,
    ) -> Result<Response<SwitchoverResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn shutdown(
        &self,
        _: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn drain_worker(
        &self,
        _: Request<DrainWorkerRequest>,
    ) -> Result<Response<DrainWorkerResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn replace_peer(
        &self,
        _: Request<ReplacePeerRequest>,
    ) -> Result<Response<ReplacePeerResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }
}
