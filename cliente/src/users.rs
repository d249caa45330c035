//! Users, and what they may take.

use std::time::Duration;

use common::proto;
use common::proto::cluster_service_client::ClusterServiceClient;
use tonic::transport::Channel;

use crate::client::incomplete;
use crate::{Client, Error};

/// Of one request.
const TIMEOUT: Duration = Duration::from_secs(2);

fn cluster(channel: Channel) -> ClusterServiceClient<Channel> {
    ClusterServiceClient::new(channel)
}

/// What is to become of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaChange {
    /// A user has the default one from now on; the default one limits nothing.
    Clear,
    /// The other limits stay as they apply now.
    Set(NewLimits),
}

/// `None` stays as it is; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewLimits {
    /// Unfinished tasks.
    pub max_active: Option<u64>,
    /// Payload bytes of unfinished tasks.
    pub max_bytes: Option<u64>,
    /// Tasks that run at a time.
    pub max_running: Option<u32>,
    /// Submissions per second: each task of a batch is one, an array is one.
    pub submit_rate: Option<u32>,
}

impl Client {
    /// Adds a user, or gives one another token.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn add_user(&self, user: &str, token: &str, role: proto::Role) -> Result<(), Error> {
        let (user, token) = (user.to_owned(), token.to_owned());
        // Those that know no roles know this.
        let admin = role == proto::Role::Admin;
        let request = proto::AddUserRequest { user, token, admin, role: role.into() };
        self.targets()
            .call(
                TIMEOUT,
                |_: &()| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { cluster(channel).add_user(request).await.map(|_| ()) }
                },
            )
            .await
    }

    /// Forgets a user.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `LAST_ADMIN`, another refusal, or nobody answered in time.
    pub async fn remove_user(&self, user: &str) -> Result<(), Error> {
        let request = proto::RemoveUserRequest { user: user.to_owned() };
        self.targets()
            .call(
                TIMEOUT,
                |_: &()| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { cluster(channel).remove_user(request).await.map(|_| ()) }
                },
            )
            .await
    }

    /// Gives a user one more token, or with `replace` another one of its name; `user` empty: whoever asks.
    ///
    /// `token`: see [`common::auth::named_token`].
    ///
    /// # Errors
    /// `TOKEN_EXISTS`, `TOO_MANY_TOKENS`, `USER_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn issue_token(&self, request: proto::IssueTokenRequest) -> Result<(), Error> {
        self.targets()
            .call(
                TIMEOUT,
                |_: &()| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { cluster(channel).issue_token(request).await.map(drop) }
                },
            )
            .await
    }

    /// A token counts no more; `user` empty: whoever asks.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND`, `USER_NOT_FOUND`, `LAST_ADMIN`, another refusal, or nobody answered in time.
    pub async fn revoke_token(&self, user: &str, name: &str) -> Result<(), Error> {
        let request = proto::RevokeTokenRequest { user: user.to_owned(), name: name.to_owned() };
        self.targets()
            .call(
                TIMEOUT,
                |_: &()| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { cluster(channel).revoke_token(request).await.map(drop) }
                },
            )
            .await
    }

    /// The tokens of a user, by name; `user` empty: of whoever asks.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn tokens(&self, user: &str) -> Result<Vec<proto::Token>, Error> {
        let request = proto::ListTokensRequest { user: user.to_owned() };
        let listed: proto::ListTokensResponse = self
            .targets()
            .call(
                TIMEOUT,
                |_: &proto::ListTokensResponse| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { Ok(cluster(channel).list_tokens(request).await?.into_inner()) }
                },
            )
            .await?;
        Ok(listed.tokens)
    }

    /// Everybody who is known, with what they may take and take. For administrators.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn users(&self) -> Result<proto::ListUsersResponse, Error> {
        self.targets()
            .call(
                TIMEOUT,
                |_: &proto::ListUsersResponse| None,
                |channel| {
                    let request = self.targets().request(proto::ListUsersRequest {});
                    async move { Ok(cluster(channel).list_users(request).await?.into_inner()) }
                },
            )
            .await
    }

    /// Who asks, with what they may take and take.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn own_user(&self) -> Result<proto::User, Error> {
        let answer = self
            .targets()
            .call(
                TIMEOUT,
                |_: &proto::GetOwnUserResponse| None,
                |channel| {
                    let request = self.targets().request(proto::GetOwnUserRequest {});
                    async move { Ok(cluster(channel).get_own_user(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.user.ok_or_else(incomplete)
    }

    /// Changes what a user may take, or all users who have no quota of their own (`None`), and gives how it stands then.
    /// For administrators.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn set_quota(
        &self,
        user: Option<&str>,
        change: QuotaChange,
    ) -> Result<proto::SetQuotaResponse, Error> {
        let user = user.map(ToOwned::to_owned);
        let request = match change {
            QuotaChange::Clear => {
                proto::SetQuotaRequest { user, clear: true, ..proto::SetQuotaRequest::default() }
            }
            QuotaChange::Set(NewLimits { max_active, max_bytes, max_running, submit_rate }) => {
                proto::SetQuotaRequest {
                    user,
                    max_active,
                    max_bytes,
                    max_running,
                    submit_rate,
                    clear: false,
                }
            }
        };
        self.targets()
            .call(
                TIMEOUT,
                |_: &proto::SetQuotaResponse| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { Ok(cluster(channel).set_quota(request).await?.into_inner()) }
                },
            )
            .await
    }
}
