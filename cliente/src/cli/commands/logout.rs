//! `cliente logout`

use common::exit;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::failure::Failure;
use super::super::profile;
use super::super::terminal::say;

pub fn run(lang: Lang) -> Result<u8, Failure> {
    let message =
        if profile::remove()? { ClientMessage::LoggedOut } else { ClientMessage::NotLoggedIn };
    say(&message.text(lang));
    Ok(exit::OK)
}
