//! The scripted cluster.

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::cluster_service_server::ClusterService;
use common::proto::*;
use tonic::{Request, Response, Status};

use super::{Mood, Script, WHEN};

#[tonic::async_trait]
impl ClusterService for Script {
    async fn get_cluster(
        &self,
        request: Request<GetClusterRequest>,
    ) -> Result<Response<GetClusterResponse>, Status> {
        if let Some(answer) = self.cluster.lock().expect("is whole").clone() {
            return Ok(Response::new(answer));
        }
        let mood = self.mood.lock().expect("is whole").clone();
        let role = match mood {
            Mood::Standby(_) => NodeRole::Standby,
            Mood::Principal
            | Mood::Deaf
            | Mood::Lags(_)
            | Mood::Refuses(..)
            | Mood::RefusesAfter(..) => NodeRole::Principal,
            Mood::Silent => {
                self.admit("cluster".into(), &request).await?;
                NodeRole::Unspecified
            }
        };
        let store = self.pair.store();
        let node = NodeStatus {
            address: "http://localhost:50051".into(),
            role: role.into(),
            in_sync: true,
            journal_index: 7,
            answering: true,
            ..NodeStatus::default()
        };
        let other = NodeStatus {
            address: "http://localhost:50052".into(),
            role: NodeRole::Unreachable.into(),
            ..NodeStatus::default()
        };
        Ok(Response::new(GetClusterResponse {
            cluster_id: "0190b4a0-0000-7000-8000-00000000c1c1".into(),
            epoch: self.epoch(),
            view_number: 3,
            principal: "http://localhost:50051".into(),
            nodes: vec![node, other],
            workers: store.workers.clone(),
            task_counts: vec![StateCount {
                state: "QUEUED".into(),
                count: store.tasks.len() as u64,
            }],
            ..GetClusterResponse::default()
        }))
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        self.admit("workers".into(), &request).await?;
        Ok(Response::new(ListWorkersResponse { workers: self.pair.store().workers.clone() }))
    }

    async fn promote(
        &self,
        request: Request<PromoteRequest>,
    ) -> Result<Response<PromoteResponse>, Status> {
        self.calls.lock().expect("is whole").push("promote".into());
        assert!(request.get_ref().force);
        Ok(Response::new(PromoteResponse { epoch: self.epoch() + 1 }))
    }

    async fn add_user(
        &self,
        request: Request<AddUserRequest>,
    ) -> Result<Response<AddUserResponse>, Status> {
        self.admit("add user".into(), &request).await?;
        let AddUserRequest { user, admin, role, .. } = request.into_inner();
        self.pair.change(|store| {
            store.users.push(User { user, admin, role, added_at_ms: WHEN, ..User::default() })
        });
        Ok(Response::new(AddUserResponse {}))
    }

    async fn remove_user(
        &self,
        request: Request<RemoveUserRequest>,
    ) -> Result<Response<RemoveUserResponse>, Status> {
        self.admit("remove user".into(), &request).await?;
        let before = self.pair.store().users.len();
        self.pair.change(|store| store.users.retain(|user| user.user != request.get_ref().user));
        if self.pair.store().users.len() == before {
            return Err(grpc_status::status(ErrorCode::UserNotFound, "there is no such user"));
        }
        Ok(Response::new(RemoveUserResponse {}))
    }

    async fn issue_token(
        &self,
        _: Request<IssueTokenRequest>,
    ) -> Result<Response<IssueTokenResponse>, Status> {
        Err(Status::unimplemented("tokens are tested end to end"))
    }

    async fn revoke_token(
        &self,
        _: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        Err(Status::unimplemented("tokens are tested end to end"))
    }

    async fn list_tokens(
        &self,
        _: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        Err(Status::unimplemented("tokens are tested end to end"))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        self.admit("users".into(), &request).await?;
        // Until there are any, nobody is administrator.
        if self.pair.store().users.is_empty() {
            return Err(grpc_status::status(ErrorCode::PermissionDenied, "for administrators"));
        }
        let store = self.pair.store();
        let (users, default_quota) = (store.users.clone(), store.default_quota);
        Ok(Response::new(ListUsersResponse { users, default_quota, others: vec![] }))
    }

    async fn set_quota(
        &self,
        request: Request<SetQuotaRequest>,
    ) -> Result<Response<SetQuotaResponse>, Status> {
        self.admit("set quota".into(), &request).await?;
        let SetQuotaRequest { user: name, max_active, max_bytes, max_running, submit_rate, clear } =
            request.into_inner();
        let quota = Quota { max_active, max_bytes, max_running, submit_rate };
        let quota = Some(quota).filter(|_| !clear);
        let mut changed = None;
        self.pair.change(|store| match &name {
            None => store.default_quota = quota,
            Some(name) => {
                if let Some(user) = store.users.iter_mut().find(|user| user.user == *name) {
                    (user.quota, user.has_own_quota) = (quota, quota.is_some());
                    changed = Some(user.clone());
                }
            }
        });
        if name.is_some() && changed.is_none() {
            return Err(grpc_status::status(ErrorCode::UserNotFound, "there is no such user"));
        }
        let default_quota = self.pair.store().default_quota;
        Ok(Response::new(SetQuotaResponse { user: changed, default_quota }))
    }

    async fn get_own_user(
        &self,
        request: Request<GetOwnUserRequest>,
    ) -> Result<Response<GetOwnUserResponse>, Status> {
        self.admit("own user".into(), &request).await?;
        let user = self.pair.store().users.first().cloned();
        Ok(Response::new(GetOwnUserResponse { user }))
    }
}
