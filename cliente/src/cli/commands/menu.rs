//! The interactive menu.

use std::io::IsTerminal as _;

use cliente::{Client, TaskSpec};
use common::exit;
use common::lang::Lang;
use common::messages::client::{ClientMessage, state_word};
use common::messages::{Message as _, error};
use futures::StreamExt as _;
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use serde_json::json;

use super::super::args::{Format, Global};
use super::super::failure::Failure;
use super::super::output::{self, Output};
use super::super::{connect, credentials};
use super::{check_credentials, login};

/// Why the menu ends.
enum Leave {
    /// `Sair`, or Ctrl+D.
    Done,
    /// Ctrl+C.
    Interrupted,
    Failed(Failure),
}

impl From<Failure> for Leave {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

pub async fn run(global: &Global) -> Result<u8, Failure> {
    let mut menu = match Menu::open(global).await {
        Ok(menu) => menu,
        Err(leave) => return ended(leave, global.lang),
    };
    loop {
        if let Err(leave) = menu.step().await {
            return ended(leave, global.lang);
        }
    }
}

fn ended(leave: Leave, lang: Lang) -> Result<u8, Failure> {
    match leave {
        Leave::Done => {
            println!("{}", ClientMessage::Goodbye.text(lang));
            Ok(exit::OK)
        }
        Leave::Interrupted => Ok(exit::INTERRUPTED),
        Leave::Failed(failure) => Err(failure),
    }
}

/// Lines from a terminal with editing and history, or from a pipe.
enum Input {
    Terminal(Box<DefaultEditor>),
    Pipe,
}

impl Input {
    fn open() -> Result<Self, Failure> {
        if !std::io::stdin().is_terminal() {
            return Ok(Self::Pipe);
        }
        let config = Config::builder().auto_add_history(true).build();
        let editor = DefaultEditor::with_config(config)
            .map_err(|e| Failure::io("terminal")(std::io::Error::other(e)))?;
        Ok(Self::Terminal(Box::new(editor)))
    }

    fn ask(&mut self, prompt: &str) -> Result<String, Leave> {
        match self {
            Self::Terminal(editor) => match tokio::task::block_in_place(|| editor.readline(prompt))
            {
                Ok(line) => Ok(line.trim().to_owned()),
                Err(ReadlineError::Eof) => Err(Leave::Done),
                Err(ReadlineError::Interrupted) => Err(Leave::Interrupted),
                Err(error) => Err(Failure::io("terminal")(std::io::Error::other(error)).into()),
            },
            Self::Pipe => {
                let line = tokio::task::block_in_place(|| login::ask_line(prompt))?;
                line.ok_or(Leave::Done)
            }
        }
    }
}

struct Menu {
    client: Client,
    input: Input,
    lang: Lang,
    last_task: Option<String>,
}

impl Menu {
    /// Asks for user and token until they are right, unless they are known.
    async fn open(global: &Global) -> Result<Self, Leave> {
        let lang = global.lang;
        println!("{}", ClientMessage::Welcome.text(lang));
        let mut input = Input::open()?;
        let mut known = match credentials::find(global) {
            Ok(credentials) => Some(credentials),
            Err(Failure::NoCredentials) => None,
            Err(other) => return Err(other.into()),
        };
        loop {
            let credentials = match known.take() {
                Some(credentials) => credentials,
                None => match ask_credentials(&mut input, lang)? {
                    Some(credentials) => credentials,
                    None => continue,
                },
            };
            let client = connect(global, credentials);
            match check_credentials(&client).await {
                Ok(()) => return Ok(Self { client, input, lang, last_task: None }),
                Err(refusal) if login::is_wrong(&refusal) => say_refusal(&refusal, lang),
                Err(refusal) => return Err(Failure::from(refusal).into()),
            }
        }
    }

    async fn step(&mut self) -> Result<(), Leave> {
        output::line(&format!("\n{}", ClientMessage::MenuEntries.text(self.lang)))?;
        let choice = self.input.ask(&ClientMessage::AskChoice.text(self.lang))?;
        let done = match choice.as_str() {
            "1" => self.submit().await?,
            "2" => self.status().await?,
            "3" => self.list().await,
            "4" => self.follow().await?,
            "5" => self.cancel().await?,
            "6" => self.cluster().await,
            "7" => return Err(Leave::Done),
            "" => Ok(()),
            _ => {
                self.say(&ClientMessage::BadChoice);
                Ok(())
            }
        };
        match done {
            Ok(()) => Ok(()),
            // A refusal is told and the menu goes on; the next try may find another principal.
            Err(Failure::Refused(refusal)) => {
                say_refusal(&refusal, self.lang);
                Ok(())
            }
            Err(other) => Err(other.into()),
        }
    }

    fn say(&self, message: &ClientMessage) {
        println!("{}", message.text(self.lang));
    }

    async fn submit(&mut self) -> Result<Result<(), Failure>, Leave> {
        let description = self.input.ask(&ClientMessage::AskDescription.text(self.lang))?;
        let payload = json!({ "description": description }).to_string().into_bytes();
        let task = TaskSpec::new("simulated", payload);
        Ok(match self.client.submit(task, false).await {
            Ok(done) => {
                self.say(&ClientMessage::Accepted {
                    task: done.task.task_id.clone(),
                    durability: done.receipt.durability(),
                });
                self.last_task = Some(done.task.task_id);
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        })
    }

    /// An empty answer is the last submitted task.
    fn ask_id(&mut self) -> Result<Option<String>, Leave> {
        let last = self.last_task.clone();
        let prompt = ClientMessage::AskTaskId { last: last.clone() }.text(self.lang);
        let id = self.input.ask(&prompt)?;
        let id = if id.is_empty() { last } else { Some(id) };
        match id {
            Some(id) if uuid::Uuid::try_parse(&id).is_ok() => Ok(Some(id)),
            Some(_) | None => {
                self.say(&ClientMessage::BadTaskId);
                Ok(None)
            }
        }
    }

    async fn status(&mut self) -> Result<Result<(), Failure>, Leave> {
        let Some(id) = self.ask_id()? else { return Ok(Ok(())) };
        Ok(match self.client.result(&id).await {
            Ok((task, result, _)) => {
                self.say(&ClientMessage::TaskStatus {
                    task: task.task_id.clone(),
                    state: task.state(),
                    worker: task.worker_id.clone(),
                    attempt: task.attempt,
                    pending: task.pending_reason.clone(),
                    error: task.error.as_ref().map(|e| format!("{}: {}", e.code, e.message)),
                    result: String::from_utf8_lossy(&result).into_owned(),
                });
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        })
    }

    async fn list(&self) -> Result<(), Failure> {
        let (tasks, _, _) = self.client.list(&[], 20, "").await?;
        Output::new(Format::Table, self.lang).tasks(&tasks)
    }

    async fn follow(&mut self) -> Result<Result<(), Failure>, Leave> {
        let Some(id) = self.ask_id()? else { return Ok(Ok(())) };
        let mut updates = std::pin::pin!(self.client.watch(vec![id], true));
        while let Some(update) = updates.next().await {
            match update {
                Ok(update) if update.not_found => self.say(&ClientMessage::BadTaskId),
                Ok(update) => {
                    if let Some(task) = &update.task {
                        println!(
                            "{}  {}  {}",
                            task.task_id,
                            state_word(task.state()),
                            task.worker_id
                        );
                    }
                }
                Err(refusal) => return Ok(Err(refusal.into())),
            }
        }
        Ok(Ok(()))
    }

    async fn cancel(&mut self) -> Result<Result<(), Failure>, Leave> {
        let Some(id) = self.ask_id()? else { return Ok(Ok(())) };
        Ok(match self.client.cancel(&id).await {
            Ok((task, _)) => {
                println!("{}  {}", task.task_id, state_word(task.state()));
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        })
    }

    async fn cluster(&self) -> Result<(), Failure> {
        Output::new(Format::Table, self.lang).cluster(&self.client.cluster().await?)
    }
}

/// `None` when they cannot even be sent.
fn ask_credentials(
    input: &mut Input,
    lang: Lang,
) -> Result<Option<common::auth::Credentials>, Leave> {
    let user = input.ask(&ClientMessage::AskUser.text(lang))?;
    let prompt = ClientMessage::AskToken.text(lang);
    let token = tokio::task::block_in_place(|| login::ask_token(&prompt))?.ok_or(Leave::Done)?;
    match credentials::new(&user, &token) {
        Ok(credentials) => Ok(Some(credentials)),
        Err(failure) => {
            if let Some(text) = failure.text(lang) {
                println!("{text}");
            }
            Ok(None)
        }
    }
}

fn say_refusal(refusal: &cliente::Error, lang: Lang) {
    println!("{}", error::text(refusal.code, &refusal.message, lang));
}
