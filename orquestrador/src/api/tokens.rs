//! Tokens of users: everybody their own, administrators all.

use std::sync::Arc;

use common::auth::token_name;
use common::error_code::ErrorCode;
use common::proto::{
    IssueTokenRequest, IssueTokenResponse, ListTokensRequest, ListTokensResponse,
    RevokeTokenRequest, RevokeTokenResponse,
};
use common::{grpc_status, proto};
use orquestrador_core::command::NewToken;
use orquestrador_core::effect::Token;
use orquestrador_core::ids::{Timestamp, TokenName, UserName};
use orquestrador_core::{Answer, Command};
use serde_json::json;
use tonic::{Request, Response, Status};

use super::cluster::Service;
use super::{authenticate, unexpected, validate};
use crate::users::{Access, Asking, Caller, now};

/// The end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;
/// Characters of chance that a token must have at least.
const MIN_SECRET: usize = 32;

/// Whose tokens are meant: one's own, or as an administrator anybody's.
async fn owner(
    service: &Service,
    asking: Asking<'_>,
    named: &str,
) -> Result<(UserName, Caller), Status> {
    // Viewers, too, have tokens of their own.
    let own = asking.only_looking();
    let caller = authenticate(&service.users, &service.driver, own).await?;
    let named = if named.is_empty() { caller.user.clone() } else { named.into() };
    // A viewer looks at what others have, and their tokens are not that.
    if asking.acting_as().is_some() || named != caller.user {
        authenticate(&service.users, &service.driver, asking).await?;
    }
    Ok((named, caller))
}

/// # Errors
/// A refusal, a wrong field, or none of the principal's.
pub async fn issue(
    service: &Service,
    request: &Request<IssueTokenRequest>,
) -> Result<Response<IssueTokenResponse>, Status> {
    let (asking, body) = (Asking::of(request, Access::Administer("IssueToken")), request.get_ref());
    let (user, caller) = owner(service, asking, &body.user).await?;
    let (expires_at, replace) = (body.expires_at_ms.map(Timestamp), body.replace);
    let about = json!({
        "user": *user.0, "name": body.name, "expires_at_ms": body.expires_at_ms, "replace": body.replace,
    });
    let issue = async {
        check(body, &caller)?;
        if replace {
            outlived(service, &caller, (&user, &body.name))?;
        }
        let hash = Arc::from(service.users.hash(body.token.clone()).await?);
        let token = NewToken { name: body.name.as_str().into(), hash, expires_at };
        let owner = user.clone();
        let issue = |request| Command::IssueToken { request, user: owner, token, replace };
        match service.ask(issue).await {
            Ok(Answer::TokenIssued) => Ok(IssueTokenResponse {}),
            Ok(other) => Err(unexpected(&other)),
            Err(status) => {
                let is_known = grpc_status::meaning(&status).code == ErrorCode::TokenKnown;
                let named = (&*body.name, &*body.token);
                // Asked once more because the answer was lost.
                match is_known && service.users.has_token(&user, named, expires_at).await? {
                    true => Ok(IssueTokenResponse {}),
                    false => Err(status),
                }
            }
        }
    };
    service.users.actions().record((&caller, asking), about, issue).await.map(Response::new)
}

fn check(body: &IssueTokenRequest, caller: &Caller) -> Result<(), Status> {
    let refused =
        |field: &str, why: &str| Err(grpc_status::invalid([(field.to_owned(), why.to_owned())]));
    if let Some(why) = validate::name_violation(&body.name) {
        return refused("name", &why);
    }
    if body.name.contains('.') || !body.name.is_ascii() {
        return refused("name", "must be ASCII, without dots");
    }
    if token_name(&body.token) != Some(&*body.name) {
        return refused("token", "must be mutirao.NAME.SECRET");
    }
    let secret = body.token.rsplit('.').next().unwrap_or_default();
    if secret.len() < MIN_SECRET || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused("token", "SECRET must have 32 or more visible ASCII characters");
    }
    if body.expires_at_ms.is_some_and(|at| at <= now().0 || at > LAST_MS) {
        return refused("expires_at_ms", "must be still to come, and before the year 10000");
    }
    match (caller.until, body.expires_at_ms) {
        (Some(Timestamp(until)), at) if at.is_none_or(|at| at > until) => {
            refused("expires_at_ms", "must not be after the end of the token that makes this one")
        }
        _ => Ok(()),
    }
}

/// A token for a while, perhaps stolen, takes away none that is for longer.
fn outlived(
    service: &Service,
    caller: &Caller,
    (user, name): (&UserName, &str),
) -> Result<(), Status> {
    let Some(until) = caller.until else { return Ok(()) };
    let outlives = |token: Token| token.expires_at.is_none_or(|at| at > until);
    match service.users.token_of(user, name).is_some_and(outlives) {
        true => Err(grpc_status::status(
            ErrorCode::PermissionDenied,
            "a token that expires changes none that outlives it",
        )),
        false => Ok(()),
    }
}

/// # Errors
/// A refusal, or none of the principal's.
pub async fn revoke(
    service: &Service,
    request: &Request<RevokeTokenRequest>,
) -> Result<Response<RevokeTokenResponse>, Status> {
    let (asking, body) =
        (Asking::of(request, Access::Administer("RevokeToken")), request.get_ref());
    let (user, caller) = owner(service, asking, &body.user).await?;
    let about = json!({ "user": *user.0, "name": body.name });
    let revoke = async {
        outlived(service, &caller, (&user, &body.name))?;
        let name = TokenName::from(body.name.as_str());
        match service.ask(|request| Command::RevokeToken { request, user, name }).await? {
            Answer::TokenRevoked => Ok(RevokeTokenResponse {}),
            other => Err(unexpected(&other)),
        }
    };
    service.users.actions().record((&caller, asking), about, revoke).await.map(Response::new)
}

/// # Errors
/// A refusal, or none of the principal's.
pub async fn list(
    service: &Service,
    request: &Request<ListTokensRequest>,
) -> Result<Response<ListTokensResponse>, Status> {
    let asking = Asking::of(request, Access::Administer("ListTokens"));
    let (user, _) = owner(service, asking, &request.get_ref().user).await?;
    let user = match service.ask(|request| Command::QueryUser { request, user }).await? {
        Answer::User { user } => user,
        other => return Err(unexpected(&other)),
    };
    let none = || grpc_status::status(ErrorCode::UserNotFound, "there is no such user");
    let tokens =
        user.record.ok_or_else(none)?.tokens.into_iter().map(|(name, token)| proto::Token {
            name: name.to_string(),
            issued_at_ms: token.issued_at.0,
            expires_at_ms: token.expires_at.map(|at| at.0),
        });
    Ok(Response::new(ListTokensResponse { tokens: tokens.collect() }))
}
