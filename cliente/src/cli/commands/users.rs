//! `cliente users`

use std::io::IsTerminal as _;

use common::exit;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::Context;
use super::super::args::UsersAction;
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::{ask_token, say};

pub async fn run(context: &Context, action: UsersAction) -> Result<u8, Failure> {
    match action {
        UsersAction::Add { name, admin } => {
            let token = ask_new_token(context.lang)?;
            context.client.add_user(&name, &token, admin).await?;
            say(&ClientMessage::UserAdded { user: name, admin }.text(context.lang));
        }
        UsersAction::Remove { name } => {
            context.client.remove_user(&name).await?;
            say(&ClientMessage::UserRemoved { user: name }.text(context.lang));
        }
        UsersAction::List => {
            output::print(&context.output.users(&context.client.users().await?))?;
        }
    }
    Ok(exit::OK)
}

/// Twice, so that a slip is noticed; once when it does not come from a terminal.
fn ask_new_token(lang: Lang) -> Result<String, Failure> {
    let first = ask_token(&ClientMessage::AskNewToken.text(lang))?.ok_or(Failure::NoCredentials)?;
    if std::io::stdin().is_terminal() {
        let second = ask_token(&ClientMessage::AskAgain.text(lang))?;
        if second.as_ref() != Some(&first) {
            return Err(Failure::usage(ClientMessage::TokensDiffer));
        }
    }
    Ok(first)
}
