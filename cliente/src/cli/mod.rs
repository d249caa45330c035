//! Subcommands and the menu, on top of the library.

mod args;
mod commands;
mod credentials;
mod failure;
mod output;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use cliente::{Client, ClientConfig};
use common::exit;
use common::lang::Lang;

use args::{Args, Subcommand};
use failure::Failure;
use output::Output;

/// What every subcommand is given.
pub struct Context {
    pub client: Client,
    pub output: Output,
    pub lang: Lang,
    pub orchestrators: Vec<common::endpoint::Endpoint>,
}

/// Parses, runs, maps the result to an exit code.
pub fn main() -> ExitCode {
    let lang = Lang::early(std::env::args());
    let args = match args::command(lang)
        .try_get_matches_from(std::env::args_os())
        .and_then(|matches| Args::from_arg_matches(&matches))
    {
        Ok(args) => args,
        Err(error) => {
            if error.print().is_err() {
                return ExitCode::from(exit::USAGE);
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(exit::RESOURCE);
            }
        };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run(args) => ended,
            _ = tokio::signal::ctrl_c() => Ok(exit::INTERRUPTED),
        }
    });
    let code = match ended {
        Ok(code) => code,
        Err(failure) => {
            if let Some(text) = failure.text(lang) {
                eprintln!("{text}");
            }
            failure.exit_code()
        }
    };
    // Reading a terminal cannot be interrupted, so its thread is not waited for.
    std::process::exit(i32::from(code))
}

async fn run(args: Args) -> Result<u8, Failure> {
    let lang = args.global.lang;
    let command = match args.command {
        Some(command) => command,
        None if std::io::stdin().is_terminal() => Subcommand::Menu,
        None => return Err(Failure::NoCommand),
    };
    let output = Output::new(args.global.output, lang);
    match command {
        Subcommand::Menu => commands::menu::run(&args.global).await,
        Subcommand::Login => commands::login::login(&args.global).await,
        Subcommand::Logout => commands::login::logout(lang),
        other => {
            let credentials = credentials::find(&args.global)?;
            let client = connect(&args.global, credentials);
            let orchestrators = args.global.orchestrators.clone();
            commands::run(Context { client, output, lang, orchestrators }, other).await
        }
    }
}

/// Does not wait for a connection.
fn connect(global: &args::Global, credentials: common::auth::Credentials) -> Client {
    Client::new(ClientConfig {
        endpoints: global.orchestrators.clone(),
        credentials,
        timeout: global.timeout,
    })
}
