//! `cliente users`

mod tokens;

use std::io::IsTerminal as _;

use common::error_code::ErrorCode;
use common::exit;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::proto::ListUsersResponse;

use super::super::Context;
use super::super::args::{self, Limit, UsersAction};
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::{ask_token, say};

pub async fn run(context: &Context, action: UsersAction) -> Result<u8, Failure> {
    match action {
        UsersAction::Add { name, role, admin, replace, generate } => {
            let known = match context.client.users().await {
                Ok(all) => all.users,
                // Who may not see them may not add any, and hears it then.
                Err(error) if error.code == ErrorCode::PermissionDenied => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            if !replace && known.iter().any(|user| user.user == name) {
                return Err(Failure::usage(ClientMessage::UserKnown { user: name }));
            }
            let token = match generate {
                true => tokens::new(tokens::MAIN),
                false => ask_new_token(context.lang)?,
            };
            let role = if admin { args::Role::Admin } else { role };
            context.client.add_user(&name, &token, role.into()).await?;
            let role = output::role(role.into());
            say(&ClientMessage::UserAdded { user: name.clone(), role }.text(context.lang));
            if generate {
                tokens::show(context, &name, tokens::MAIN, (&token, None))?;
            }
        }
        UsersAction::Remove { name } => {
            context.client.remove_user(&name).await?;
            say(&ClientMessage::UserRemoved { user: name }.text(context.lang));
        }
        UsersAction::List => {
            output::print(&context.output.users(&context.client.users().await?))?;
        }
        UsersAction::Me => {
            let users = vec![context.client.own_user().await?];
            let own = ListUsersResponse { users, ..ListUsersResponse::default() };
            output::print(&context.output.users(&own))?;
        }
        UsersAction::Tokens { action } => tokens::run(context, action).await?,
        UsersAction::Limit(limit) => self::limit(context, &limit).await?,
    }
    Ok(exit::OK)
}

/// Shows how it stands then.
async fn limit(context: &Context, limit: &Limit) -> Result<(), Failure> {
    let user = limit.name.as_deref();
    let done = context.client.set_quota(user, limit.change()).await?;
    let default_quota = done.default_quota.filter(|_| user.is_none());
    let (users, others) =
        done.user.into_iter().partition(|user: &common::proto::User| user.added_at_ms > 0);
    output::print(&context.output.users(&ListUsersResponse { users, others, default_quota }))
}

/// Twice, so that a slip is noticed; once when it does not come from a terminal.
fn ask_new_token(lang: Lang) -> Result<String, Failure> {
    let none = || Failure::usage(ClientMessage::NoNewToken);
    let asked = ask_token(&ClientMessage::AskNewToken.text(lang))?;
    let first = asked.filter(|token| !token.is_empty()).ok_or_else(none)?;
    if std::io::stdin().is_terminal() {
        let second = ask_token(&ClientMessage::AskAgain.text(lang))?;
        if second.as_ref() != Some(&first) {
            return Err(Failure::usage(ClientMessage::TokensDiffer));
        }
    }
    Ok(first)
}
