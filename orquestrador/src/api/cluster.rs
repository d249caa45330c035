//! `ClusterService`: who is who, users, and the operator's override.

use common::grpc_status;
use common::proto::cluster_service_server::ClusterService;
use common::proto::{
    Activity, AddUserRequest, AddUserResponse, GetClusterRequest, GetClusterResponse,
    GetOwnUserRequest, GetOwnUserResponse, IssueTokenRequest, IssueTokenResponse, LatencyBucket,
    ListTokensRequest, ListTokensResponse, ListUsersRequest, ListUsersResponse, ListWorkersRequest,
    ListWorkersResponse, NodeRole, NodeStatus, PromoteRequest, PromoteResponse, RemoveUserRequest,
    RemoveUserResponse, RevokeTokenRequest, RevokeTokenResponse, SetQuotaRequest, SetQuotaResponse,
    StateCount, User,
};
use orquestrador_core::command::Role;
use orquestrador_core::effect::{Overview, TaskState};
use orquestrador_core::ids::UserName;
use orquestrador_core::role::Standing;
use orquestrador_core::{Answer, Command};
use tonic::{Request, Response, Status};

use serde_json::json;

use super::{
    administer, authenticate, authenticate_here, convert, rejected, tokens, unexpected, users,
    validate,
};
use crate::driver::DriverHandle;
use crate::driver::engine::Member;
use crate::driver::input::{Description, Input, Members, PeerDescription};
use crate::meters::Meters;
use crate::shards::Shards;
use crate::users::{Access, Asking, Caller, FirstUser, Users};

/// Answers clients and operators.
pub struct Service {
    pub driver: DriverHandle,
    pub users: Users,
    pub shards: Shards,
}

impl Service {
    pub(super) async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let look = Asking::of(request, Access::Look);
        authenticate(&self.users, &self.driver, look).await
    }

    pub(super) async fn ask(
        &self,
        command: impl FnOnce(orquestrador_core::ids::RequestId) -> Command,
    ) -> Result<Answer, Status> {
        self.driver.call(command).await?.answer.map_err(|r| rejected(&r))
    }
}

/// Who works, and how much there is to do; only the principal answers.
pub async fn overview(driver: &DriverHandle) -> Result<Overview, Status> {
    match driver.call(|request| Command::Overview { request }).await?.answer {
        Ok(Answer::Overview(overview)) => Ok(overview),
        Ok(other) => Err(unexpected(&other)),
        Err(rejection) => Err(rejected(&rejection)),
    }
}

#[tonic::async_trait]
impl ClusterService for Service {
    async fn get_cluster(
        &self,
        request: Request<GetClusterRequest>,
    ) -> Result<Response<GetClusterResponse>, Status> {
        let look = Asking::of(&request, Access::Look);
        authenticate_here(&self.users, &self.driver, look).await?;
        let node = self.driver.ask(|reply| Input::Describe { reply }).await?;
        let overview = match node.standing {
            Standing::Principal => Some(overview(&self.driver).await?),
            Standing::Unfounded
            | Standing::Learner
            | Standing::Standby
            | Standing::Waiting
            | Standing::Elected => None,
        };
        let activity =
            overview.as_ref().map(|overview| activity(&node, overview, self.driver.meters()));
        let (shard, shards) = self.shards.told();
        let described = describe(node, overview);
        Ok(Response::new(GetClusterResponse { activity, shard, shards, ..described }))
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        self.caller(&request).await?;
        let overview = overview(&self.driver).await?;
        let workers = overview.workers.iter().map(convert::worker).collect();
        Ok(Response::new(ListWorkersResponse { workers }))
    }

    async fn promote(
        &self,
        request: Request<PromoteRequest>,
    ) -> Result<Response<PromoteResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("Promote"));
        let caller = authenticate_here(&self.users, &self.driver, asking).await?;
        if !request.get_ref().force {
            let text =
                "must be true: a promotion without the other node may drop acknowledged work";
            return Err(grpc_status::invalid([("force".to_owned(), text.to_owned())]));
        }
        tracing::info!(user = %caller.user, "promotion forced");
        let accept_incomplete = request.get_ref().accept_incomplete;
        let about = json!({ "accept_incomplete": accept_incomplete });
        let promote = async {
            let promote = |reply| Input::Promote { accept_incomplete, reply };
            let epoch = self.driver.ask(promote).await??;
            Ok(Response::new(PromoteResponse { epoch: epoch.0 }))
        };
        self.users.actions().record((&caller, asking), about, promote).await
    }

    async fn add_user(
        &self,
        request: Request<AddUserRequest>,
    ) -> Result<Response<AddUserResponse>, Status> {
        let (asking, body) =
            (Asking::of(&request, Access::Administer("AddUser")), request.get_ref());
        let about = json!({ "user": body.user, "role": body.role().as_str_name(), "admin": body.admin, "replaces": self.users.knows(&body.user) });
        let add = async {
            validate::new_user(body)?;
            let user = UserName::from(body.user.as_str());
            let role = users::role_of(body)?;
            let token_hash = self.users.hash(body.token.clone()).await?.into();
            let add = |request| Command::AddUser { request, user, token_hash, role };
            match self.ask(add).await? {
                Answer::UserAdded => Ok(AddUserResponse {}),
                other => Err(unexpected(&other)),
            }
        };
        administer((&self.users, &self.driver), asking, about, add).await
    }

    async fn remove_user(
        &self,
        request: Request<RemoveUserRequest>,
    ) -> Result<Response<RemoveUserResponse>, Status> {
        let (asking, body) =
            (Asking::of(&request, Access::Administer("RemoveUser")), request.get_ref());
        let user = UserName::from(body.user.as_str());
        let remove = async {
            match self.ask(|request| Command::RemoveUser { request, user }).await? {
                Answer::UserRemoved => Ok(RemoveUserResponse {}),
                other => Err(unexpected(&other)),
            }
        };
        administer((&self.users, &self.driver), asking, json!({ "user": body.user }), remove).await
    }

    async fn issue_token(
        &self,
        request: Request<IssueTokenRequest>,
    ) -> Result<Response<IssueTokenResponse>, Status> {
        tokens::issue(self, &request).await
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        tokens::revoke(self, &request).await
    }

    async fn list_tokens(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        tokens::list(self, &request).await
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let asking = Asking::of(&request, Access::Administer("ListUsers"));
        authenticate(&self.users, &self.driver, asking).await?;
        match self.ask(|request| Command::ListUsers { request }).await? {
            Answer::Users { users, default_quota } => {
                let (users, others): (Vec<_>, Vec<_>) =
                    users.iter().partition(|user| user.record.is_some());
                Ok(Response::new(ListUsersResponse {
                    users: users.into_iter().map(users::user).collect(),
                    others: others.into_iter().map(users::user).collect(),
                    default_quota: Some(users::quota(default_quota)),
                }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn set_quota(
        &self,
        request: Request<SetQuotaRequest>,
    ) -> Result<Response<SetQuotaResponse>, Status> {
        let (asking, body) =
            (Asking::of(&request, Access::Administer("SetQuota")), request.get_ref());
        let change = async {
            let change = users::quota_change(body)?;
            let user = body.user.as_deref().map(UserName::from);
            let first = self.users.first().and_then(FirstUser::name).map(UserName::from);
            let change = |request| Command::ChangeQuota { request, user, first, change };
            match self.ask(change).await? {
                Answer::Users { users, default_quota } => Ok(SetQuotaResponse {
                    user: users.first().map(users::user),
                    default_quota: Some(users::quota(default_quota)),
                }),
                other => Err(unexpected(&other)),
            }
        };
        administer((&self.users, &self.driver), asking, users::about_quota(body), change).await
    }

    async fn get_own_user(
        &self,
        request: Request<GetOwnUserRequest>,
    ) -> Result<Response<GetOwnUserResponse>, Status> {
        let Caller { user, role, .. } = self.caller(&request).await?;
        match self.ask(|request| Command::QueryUser { request, user }).await? {
            Answer::User { user } => {
                // The demo's user is not in the state.
                let (admin, role) = (role == Role::Admin, users::role(role).into());
                let user = User { admin, role, ..users::user(&user) };
                Ok(Response::new(GetOwnUserResponse { user: Some(user) }))
            }
            other => Err(unexpected(&other)),
        }
    }
}

fn describe(node: Description, overview: Option<Overview>) -> GetClusterResponse {
    let nodes = std::iter::once(own_status(&node)).chain(other_statuses(&node)).collect();
    let (workers, task_counts) = overview.map(counted).unwrap_or_default();
    GetClusterResponse {
        cluster_id: node.cluster.map(|c| c.to_string()).unwrap_or_default(),
        epoch: node.epoch.0,
        view_number: node.view.as_ref().map_or(0, |view| view.number.0),
        principal: node.principal.unwrap_or_default(),
        nodes,
        workers,
        task_counts,
        waiting_for: waiting_for(node.standing).to_owned(),
        ..GetClusterResponse::default()
    }
}

fn activity(node: &Description, overview: &Overview, meters: &Meters) -> Activity {
    let witnesses = node.view.as_ref().map_or(0, |view| view.witnesses.len());
    let bucket = |(seconds, count)| LatencyBucket { up_to_ms: seconds * 1e3, count };
    Activity {
        finished_total: overview.finished_ever,
        witnesses: u32::try_from(witnesses).unwrap_or(u32::MAX),
        commits: meters.commits().map(bucket).collect(),
    }
}

fn counted(overview: Overview) -> (Vec<common::proto::Worker>, Vec<StateCount>) {
    let counts = TaskState::ALL
        .iter()
        .zip(overview.counts)
        .map(|(state, count)| StateCount {
            state: convert::state(*state)
                .as_str_name()
                .trim_start_matches("TASK_STATE_")
                .to_owned(),
            count,
        })
        .collect();
    (overview.workers.iter().map(convert::worker).collect(), counts)
}

fn waiting_for(standing: Standing) -> &'static str {
    match standing {
        Standing::Unfounded => "PRINCIPAL",
        Standing::Waiting => "OTHER_ORCHESTRATOR",
        Standing::Elected => "COMMIT",
        Standing::Learner | Standing::Standby | Standing::Principal => "",
    }
}

fn own_status(node: &Description) -> NodeStatus {
    let role = match node.standing {
        Standing::Principal | Standing::Elected => NodeRole::Principal,
        Standing::Standby => NodeRole::Standby,
        Standing::Learner => NodeRole::Learner,
        Standing::Unfounded | Standing::Waiting => NodeRole::Waiting,
    };
    NodeStatus {
        address: node.own_address.clone(),
        role: role.into(),
        in_sync: matches!(node.standing, Standing::Principal | Standing::Standby),
        journal_index: node.last_index.0,
        node_id: node.node.to_string(),
        answering: true,
        digest: format!("{:032x}", node.digest),
        applied_index: node.applied.0,
    }
}

/// The others, as this node knows them.
fn other_statuses(node: &Description) -> Vec<NodeStatus> {
    let Some(Members { others, principal, .. }) = &node.members else {
        return vec![peer_status(node)];
    };
    let status = |member: &Member| NodeStatus {
        address: member.address.clone(),
        role: match (*principal == Some(member.node), member.in_sync) {
            (true, _) => NodeRole::Principal.into(),
            (false, true) => NodeRole::Standby.into(),
            (false, false) => NodeRole::Learner.into(),
        },
        in_sync: member.in_sync,
        node_id: member.node.to_string(),
        ..NodeStatus::default()
    };
    others.iter().map(status).collect()
}

fn peer_status(node: &Description) -> NodeStatus {
    let address = node.peer_address.clone();
    let Some(PeerDescription { node: id, in_view, foreign, acknowledged }) = node.peer else {
        return NodeStatus { address, role: NodeRole::Unreachable.into(), ..NodeStatus::default() };
    };
    let is_principal = node.view.as_ref().is_some_and(|view| view.principal_node == id);
    let role = match (foreign, is_principal, in_view) {
        (true, _, _) => NodeRole::Foreign,
        (false, true, _) => NodeRole::Principal,
        (false, false, true) => NodeRole::Standby,
        (false, false, false) => NodeRole::Learner,
    };
    NodeStatus {
        address,
        role: role.into(),
        in_sync: in_view,
        journal_index: acknowledged.map_or(0, |index| index.0),
        node_id: id.to_string(),
        ..NodeStatus::default()
    }
}
