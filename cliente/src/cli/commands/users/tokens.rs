//! `cliente users tokens`

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::auth::named_token;
use common::messages::Message as _;
use common::messages::client_users::UsersMessage;
use common::proto::IssueTokenRequest;
use serde_json::json;

use crate::cli::Context;
use crate::cli::args::{NewToken, TokensAction};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::json::{line, time};
use crate::cli::terminal::say;

/// The one that a user is added with.
pub const MAIN: &str = "main";

/// Made here, so that asking once more gives the same.
pub fn new(name: &str) -> String {
    named_token(name, &URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

pub async fn run(context: &Context, action: TokensAction) -> Result<(), Failure> {
    match action {
        TokensAction::List { of } => {
            let tokens = context.client.tokens(&of.unwrap_or_default()).await?;
            output::print(&context.output.tokens(&tokens))
        }
        TokensAction::Create(token) => issue(context, token, false).await,
        TokensAction::Rotate(token) => issue(context, token, true).await,
        TokensAction::Revoke { name, of } => {
            let user = owner(context, of).await?;
            context.client.revoke_token(&user, &name).await?;
            say(&UsersMessage::TokenRevoked { user, name }.text(context.lang));
            Ok(())
        }
    }
}

async fn issue(context: &Context, new_token: NewToken, replace: bool) -> Result<(), Failure> {
    let NewToken { name, expires, of } = new_token;
    let expires_at_ms = expires.map(milliseconds);
    let token = new(&name);
    let user = owner(context, of).await?;
    let request = IssueTokenRequest {
        user: user.clone(),
        name: name.clone(),
        token: token.clone(),
        expires_at_ms,
        replace,
    };
    context.client.issue_token(request).await?;
    show(context, &user, &name, (&token, expires_at_ms))
}

/// On standard output alone, so that a script can take it.
pub fn show(
    context: &Context,
    user: &str,
    name: &str,
    (token, expires_at_ms): (&str, Option<u64>),
) -> Result<(), Failure> {
    let shown = UsersMessage::TokenShown { user: user.to_owned(), name: name.to_owned() };
    say(&shown.text(context.lang));
    let expires_at = expires_at_ms.and_then(time);
    output::print(&match context.is_json {
        true => line(&json!({
            "user": user, "name": name, "token": token, "expires_at": expires_at,
        })),
        false => format!("{token}\n"),
    })
}

/// Asked for first: with a token that was changed or revoked nothing more can be asked.
async fn owner(context: &Context, of: Option<String>) -> Result<String, Failure> {
    match of {
        Some(user) => Ok(user),
        None => Ok(context.client.own_user().await?.user),
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
