//! `cliente login` and `logout`, and asking for tokens.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use common::error_code::ErrorCode;
use common::exit;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::args::Global;
use super::super::failure::Failure;
use super::super::{connect, credentials};
use super::check_credentials;

/// Keeps user and token once an orchestrator has accepted them.
pub async fn login(global: &Global) -> Result<u8, Failure> {
    let user = match &global.user {
        Some(user) => user.clone(),
        None => {
            ask_line(&ClientMessage::AskUser.text(global.lang))?.ok_or(Failure::NoCredentials)?
        }
    };
    let token = match &global.token_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(Failure::io(path.display().to_string()))?
            .trim()
            .to_owned(),
        None => {
            ask_token(&ClientMessage::AskToken.text(global.lang))?.ok_or(Failure::NoCredentials)?
        }
    };
    let client = connect(global, credentials::new(&user, &token)?);
    check_credentials(&client).await?;
    let path = credentials::save(&user, &token)?;
    eprintln!("{}", ClientMessage::LoggedIn { user, path }.text(global.lang));
    Ok(exit::OK)
}

pub fn logout(lang: Lang) -> Result<u8, Failure> {
    let message =
        if credentials::remove()? { ClientMessage::LoggedOut } else { ClientMessage::NotLoggedIn };
    eprintln!("{}", message.text(lang));
    Ok(exit::OK)
}

/// Twice, so that a slip is noticed; once when it does not come from a terminal.
pub fn ask_new_token(lang: Lang) -> Result<String, Failure> {
    let first = ask_token(&ClientMessage::AskNewToken.text(lang))?.ok_or(Failure::NoCredentials)?;
    if std::io::stdin().is_terminal() {
        let second = ask_token(&ClientMessage::AskAgain.text(lang))?;
        if second.as_ref() != Some(&first) {
            return Err(Failure::usage(ClientMessage::TokensDiffer));
        }
    }
    Ok(first)
}

/// Not echoed on a terminal. `None` at the end of the input.
pub fn ask_token(prompt: &str) -> Result<Option<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return ask_line(prompt);
    }
    match rpassword::prompt_password(prompt) {
        Ok(token) => Ok(Some(token.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(Failure::io("stdin")(error)),
    }
}

/// `None` at the end of the input.
pub fn ask_line(prompt: &str) -> Result<Option<String>, Failure> {
    eprint!("{prompt}");
    std::io::stderr().flush().map_err(Failure::io("stderr"))?;
    let mut line = String::new();
    let count = std::io::stdin().lock().read_line(&mut line).map_err(Failure::io("stdin"))?;
    Ok((count > 0).then(|| line.trim().to_owned()))
}

/// Wrong credentials can be asked for again; anything else cannot be mended by that.
pub fn is_wrong(error: &cliente::Error) -> bool {
    error.code == ErrorCode::Unauthenticated
}
