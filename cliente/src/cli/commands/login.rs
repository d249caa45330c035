//! `cliente login`

use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::args::Global;
use super::super::failure::Failure;
use super::super::profile::{self, Profile};
use super::super::terminal::{ask_line, ask_token, say};
use super::super::{connect, credentials, tls};
use super::check_credentials;

/// Keeps user and token once an orchestrator has accepted them, and the addresses if they were given.
pub async fn run(global: &Global) -> Result<u8, Failure> {
    let known = credentials::given(global)?;
    let user = match known.user {
        Some(user) => Some(user),
        None => ask_line(&ClientMessage::AskUser.text(global.lang))?,
    };
    let token = match known.token {
        Some(token) => Some(token),
        None => ask_token(&ClientMessage::AskToken.text(global.lang))?,
    };
    let (Some(user), Some(token)) = (user, token) else { return Err(Failure::NoCredentials) };
    let by = tls(global)?;
    let client = connect(global, &by, (credentials::new(&user, &token)?, None))?;
    check_credentials(&client).await?;
    // Written out with how they are spoken to: a profile's addresses are taken as they are.
    let orchestrators = global.orchestrators.iter().map(|o| o.settled(&by).to_string()).collect();
    let files = global.tls.absolute().map_err(Failure::io("--tls-ca"))?;
    let path = profile::save(&Profile { user: user.clone(), token, orchestrators, tls: files })?;
    say(&ClientMessage::LoggedIn { user, path }.text(global.lang));
    Ok(exit::OK)
}
