//! `cliente users`

use common::exit;

use super::super::Context;
use super::super::args::UsersAction;
use super::super::failure::Failure;
use super::login::ask_new_token;

pub async fn run(context: &Context, action: UsersAction) -> Result<u8, Failure> {
    match action {
        UsersAction::Add { name, admin } => {
            let token = ask_new_token(context.lang)?;
            context.client.add_user(&name, &token, admin).await?;
        }
        UsersAction::Remove { name } => context.client.remove_user(&name).await?,
        UsersAction::List => context.output.users(&context.client.users().await?)?,
    }
    Ok(exit::OK)
}
