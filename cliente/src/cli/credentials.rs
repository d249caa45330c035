//! Who the caller is: flags, environment, or the profile that `cliente login` keeps.

use std::fs;
use std::io::IsTerminal as _;
use std::path::Path;

use common::auth::Credentials;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::args::Global;
use super::failure::Failure;
use super::{profile, terminal};

/// The environment variable of the token; there is no flag, which others could see.
const TOKEN_VARIABLE: &str = "MUTIRAO_TOKEN";

/// As much as was said.
#[derive(Default)]
pub struct Known {
    pub user: Option<String>,
    pub token: Option<String>,
}

/// From flags and environment.
pub fn given(global: &Global) -> Result<Known, Failure> {
    let token = match &global.token_file {
        Some(path) => Some(token_file(path)?),
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    let set = |text: &String| !text.is_empty();
    Ok(Known { user: global.user.clone().filter(set), token: token.filter(set) })
}

/// Flags before environment before profile.
pub fn find(global: &Global) -> Result<Known, Failure> {
    let known = given(global)?;
    if known.user.is_some() && known.token.is_some() {
        return Ok(known);
    }
    let Some(profile) = profile::load()? else { return Ok(known) };
    let is_same_user = known.user.as_ref().is_none_or(|user| *user == profile.user);
    Ok(Known {
        user: known.user.or(Some(profile.user)),
        // The token of one user is not sent for another.
        token: known.token.or(is_same_user.then_some(profile.token)),
    })
}

/// Asks for what is missing if there is a person to ask.
pub fn find_or_ask(global: &Global) -> Result<Credentials, Failure> {
    let known = find(global)?;
    let is_somebody_there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let user = match known.user {
        Some(user) => user,
        None if is_somebody_there => {
            let prompt = ClientMessage::AskUser.text(global.lang);
            terminal::ask_line(&prompt)?.ok_or(Failure::NoCredentials)?
        }
        None => return Err(Failure::NoCredentials),
    };
    let token = match known.token {
        Some(token) => token,
        None if is_somebody_there => {
            let prompt = ClientMessage::AskToken.text(global.lang);
            terminal::ask_token(&prompt)?.ok_or(Failure::NoCredentials)?
        }
        None => return Err(Failure::NoCredentials),
    };
    let credentials = new(&user, &token)?;
    match &global.acting_as {
        Some(user) => credentials
            .acting_as(user)
            .map_err(|_| Failure::usage(ClientMessage::UnusableCredentials)),
        None => Ok(credentials),
    }
}

pub fn new(user: &str, token: &str) -> Result<Credentials, Failure> {
    Credentials::new(user, token).map_err(|_| Failure::usage(ClientMessage::UnusableCredentials))
}

fn token_file(path: &Path) -> Result<String, Failure> {
    let source = path.display().to_string();
    let text = fs::read_to_string(path).map_err(Failure::input(&source))?;
    match text.trim() {
        "" => Err(Failure::usage(ClientMessage::EmptyToken { source })),
        token => Ok(token.to_owned()),
    }
}
