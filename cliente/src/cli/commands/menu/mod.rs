//! The interactive menu.

mod actions;

use cliente::Client;
use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::exit;
use common::lang::Lang;
use common::messages::client::ClientMessage;
use common::messages::menu::MenuMessage;
use common::messages::{Message, error};

use super::super::args::Global;
use super::super::failure::Failure;
use super::super::output::{self, Table};
use super::super::terminal::{Lines, ask_token};
use super::super::{connect, credentials, tls};
use super::check_credentials;

/// Until the person leaves.
pub async fn run(global: &Global) -> Result<u8, Failure> {
    match talk(global).await {
        Ok(()) => {}
        Err(Leave::Done) => {}
        Err(Leave::Failed(failure)) => return Err(failure),
    }
    output::print(&format!("{}\n", MenuMessage::Goodbye.text(global.lang)))?;
    Ok(exit::OK)
}

/// Why a dialogue ends early.
enum Leave {
    /// `Sair`, or the end of the input.
    Done,
    Failed(Failure),
}

impl From<Failure> for Leave {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<cliente::Error> for Leave {
    fn from(error: cliente::Error) -> Self {
        Self::Failed(error.into())
    }
}

async fn talk(global: &Global) -> Result<(), Leave> {
    let mut menu = Menu::open(global).await?;
    loop {
        match menu.step().await {
            Ok(()) => menu.say_if_reconnected()?,
            // The next try may find another principal.
            Err(Leave::Failed(Failure::Refused(refusal))) => {
                output::print(&format!("{}\n", refusal_text(&refusal, global.lang)))?;
            }
            Err(leave) => return Err(leave),
        }
    }
}

/// One person's dialogue.
struct Menu {
    client: Client,
    lines: Lines,
    table: Table,
    lang: Lang,
    last_task: Option<String>,
    is_admin: bool,
    /// Who answered last.
    endpoint: Option<Endpoint>,
}

impl Menu {
    /// Asks for user and token until they are right, unless they are known.
    async fn open(global: &Global) -> Result<Self, Leave> {
        let lang = global.lang;
        output::print(&format!("{}\n", MenuMessage::Welcome.text(lang)))?;
        let mut lines = Lines::open()?;
        let mut known = credentials::find(global)?;
        let by = tls(global)?;
        loop {
            let user = match known.user.take() {
                Some(user) => user,
                None => {
                    let user = ask(&mut lines, &ClientMessage::AskUser, lang)?;
                    if user.is_empty() {
                        output::print(&format!("{}\n", MenuMessage::NoUser.text(lang)))?;
                        continue;
                    }
                    user
                }
            };
            let token = match known.token.take() {
                Some(token) => token,
                None => ask_for_token(&mut lines, lang)?,
            };
            let client = match credentials::new(&user, &token) {
                Ok(credentials) => connect(global, &by, (credentials, None))?,
                Err(failure) => {
                    output::print(&format!("{}\n", failure.text(lang).unwrap_or_default()))?;
                    continue;
                }
            };
            match check_credentials(&client).await {
                Ok(()) => {
                    let (table, is_admin) = (Table::new(lang), is_admin(&client).await?);
                    let endpoint = client.endpoint();
                    let last_task = None;
                    return Ok(Self { client, lines, table, lang, last_task, is_admin, endpoint });
                }
                Err(refusal) if refusal.code == ErrorCode::Unauthenticated => {
                    output::print(&format!("{}\n", MenuMessage::LoginFailed.text(lang)))?;
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    async fn step(&mut self) -> Result<(), Leave> {
        let entries = MenuMessage::Entries { is_admin: self.is_admin };
        self.say(&format!("\n{}", entries.text(self.lang)))?;
        let choice = self.ask(&MenuMessage::AskChoice)?;
        match choice.as_str() {
            "1" => self.submit().await,
            "2" => self.status().await,
            "3" => self.list().await,
            "4" => self.follow().await,
            "5" => self.cancel().await,
            "6" => self.cluster().await,
            "7" if self.is_admin => self.queues().await,
            "7" => Err(Leave::Done),
            "8" if self.is_admin => Err(Leave::Done),
            _ => self.tell(&MenuMessage::BadChoice { last: if self.is_admin { 8 } else { 7 } }),
        }
    }

    fn ask(&mut self, prompt: &impl Message) -> Result<String, Leave> {
        ask(&mut self.lines, prompt, self.lang)
    }

    fn say(&self, text: &str) -> Result<(), Leave> {
        Ok(output::print(&format!("{text}\n"))?)
    }

    fn tell(&self, message: &MenuMessage) -> Result<(), Leave> {
        self.say(&message.text(self.lang))
    }

    fn say_if_reconnected(&mut self) -> Result<(), Leave> {
        let endpoint = self.client.endpoint();
        if endpoint != self.endpoint
            && let Some(address) = &endpoint
        {
            self.tell(&MenuMessage::Reconnected { address: address.to_string() })?;
            self.endpoint = endpoint;
        }
        Ok(())
    }
}

/// Only administrators are told who the users are.
async fn is_admin(client: &Client) -> Result<bool, cliente::Error> {
    match client.users().await {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.code == ErrorCode::PermissionDenied => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

fn ask(lines: &mut Lines, prompt: &impl Message, lang: Lang) -> Result<String, Leave> {
    lines.ask(&prompt.text(lang))?.ok_or(Leave::Done)
}

fn ask_for_token(lines: &mut Lines, lang: Lang) -> Result<String, Leave> {
    let prompt = ClientMessage::AskToken;
    if lines.is_terminal() {
        Ok(ask_token(&prompt.text(lang))?.ok_or(Leave::Done)?)
    } else {
        ask(lines, &prompt, lang)
    }
}

fn refusal_text(refusal: &cliente::Error, lang: Lang) -> String {
    error::text(refusal.code, &refusal.message, lang)
}
