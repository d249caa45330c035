//! Subcommands and the menu, on top of the library.

mod alike;
mod args;
mod authority;
mod commands;
mod credentials;
mod failure;
mod files;
mod flow;
mod folder;
mod inputs;
mod output;
mod profile;
mod report;
mod screen;
mod taken;
mod terminal;
mod top;
mod traced;

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::FromArgMatches as _;
use cliente::{Client, ClientConfig};
use common::auth::Credentials;
use common::endpoint::Endpoint;
use common::exit;
use common::lang::Lang;
use common::messages::client::ClientMessage;
use common::messages::client_usage::UsageMessage;
use common::messages::command_line;
use common::tls::{Problem, Tls};
use common::traces::SpanContext;

pub use args::Args;
use args::{ClusterAction, Format, Global, Online, Subcommand};
use failure::Failure;
use output::Output;
use traced::Traced;

/// What every subcommand is given.
pub struct Context {
    pub client: Client,
    pub output: Box<dyn Output>,
    pub is_json: bool,
    pub lang: Lang,
    pub orchestrators: Vec<Endpoint>,
    pub tls: Tls,
}

/// The command line as a type, or the exit code after help was shown or an error told.
pub fn parse(args: &[OsString]) -> Result<Args, u8> {
    let lang = Lang::early(args);
    common::help::parse(args::command(lang), args, lang)
        .and_then(|matches| Args::from_arg_matches(&matches))
        .map_err(|error| {
            match command_line::text(&error, lang) {
                Some(text) => failure::tell_usage(&text, Format::early(args).is_json()),
                // A reader of help that has left needs none.
                None => drop(error.print()),
            }
            u8::try_from(error.exit_code()).unwrap_or(exit::USAGE)
        })
}

/// Runs to the end; gives the exit code.
pub fn run(args: Args) -> u8 {
    let lang = args.global.lang;
    let is_json = args.global.output.is_json();
    common::telemetry::init_client();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                Failure::io("tokio")(error).tell(is_json, lang);
                return exit::RESOURCE;
            }
        };
    let ended = runtime.block_on(async {
        terminal::end_when_interrupted()?;
        dispatch(args).await
    });
    match ended {
        Ok(code) => code,
        Err(failure) => {
            failure.tell(is_json, lang);
            failure.exit_code()
        }
    }
}

async fn dispatch(args: Args) -> Result<u8, Failure> {
    let Args { global, command } = args;
    let lang = global.lang;
    let command = match command {
        Some(command) => command,
        None if std::io::stdin().is_terminal() => Subcommand::Menu,
        None => return Err(Failure::NoCommand),
    };
    match command {
        Subcommand::Menu => commands::menu::run(&global).await,
        Subcommand::Login => commands::login::run(&global).await,
        Subcommand::Logout => commands::logout::run(lang),
        Subcommand::Certs { action } => {
            commands::certs::run(&action, global.output.is_json(), lang)
        }
        Subcommand::Manual(manual) => {
            let written = manual.write(args::command(lang), lang);
            written.map_err(|error| Failure::io(error.what)(error.source))?;
            Ok(exit::OK)
        }
        // Of this machine, mostly when there is nobody to log in to.
        Subcommand::Online(Online::Cluster {
            action: Some(ClusterAction::Restore { file, data_dir, check }),
        }) => {
            let is_json = global.output.is_json();
            commands::cluster::restore::run((is_json, lang), &file, data_dir.as_deref(), check)
        }
        Subcommand::Online(command) => {
            if command.is_of_all_users() && global.acting_as.is_some() {
                return Err(Failure::usage(ClientMessage::Usage(UsageMessage::AllUsersAsOne)));
            }
            let credentials = credentials::find_or_ask(&global)?;
            let tls = tls(&global)?;
            let traced = Traced::begin(&global, command.span())?;
            let context = Context {
                client: connect(&global, &tls, (credentials, traced.context()))?,
                output: output::new(global.output, lang),
                is_json: global.output.is_json(),
                lang,
                orchestrators: orchestrators(&global, &tls)?,
                tls,
            };
            let ended = commands::run(&context, command).await;
            traced.end(&ended).await;
            ended
        }
    }
}

/// Does not wait for a connection. `trace`: what is submitted belongs to it.
fn connect(
    global: &Global,
    tls: &Tls,
    (credentials, trace): (Credentials, Option<SpanContext>),
) -> Result<Client, Failure> {
    let config = ClientConfig::new(orchestrators(global, tls)?, credentials);
    let (timeout, tls) = (global.timeout, tls.clone());
    Ok(Client::new(ClientConfig { timeout, tls, trace, ..config }))
}

/// Flags and environment before the profile; followed from then on, so to be asked for once.
fn tls(global: &Global) -> Result<Tls, Failure> {
    let flags = match global.tls.is_empty() {
        false => global.tls.clone(),
        true => profile::load()?.map(|profile| profile.tls).unwrap_or_default(),
    };
    let tls = Tls::read(&flags).map_err(insecure)?;
    tls.follow_silently();
    Ok(tls)
}

fn insecure(problem: Problem) -> Failure {
    Failure::usage(ClientMessage::Tls(problem))
}

/// Flags and environment before the profile before the guide's ports.
fn orchestrators(global: &Global, tls: &Tls) -> Result<Vec<Endpoint>, Failure> {
    let settled: Vec<_> = named(global)?.iter().map(|endpoint| endpoint.settled(tls)).collect();
    settled.iter().try_for_each(|endpoint| endpoint.check(tls)).map_err(insecure)?;
    Ok(settled)
}

fn named(global: &Global) -> Result<Vec<Endpoint>, Failure> {
    if !global.orchestrators.is_empty() {
        return Ok(global.orchestrators.clone());
    }
    if let Some(profile) = profile::load()?
        && !profile.orchestrators.is_empty()
    {
        let parsed: Result<_, _> = profile.orchestrators.iter().map(|text| text.parse()).collect();
        return parsed.map_err(profile::broken);
    }
    Ok(args::default_orchestrators())
}
