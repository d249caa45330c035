//! The worker with its built-in handlers.

use std::process::ExitCode;

use common::console::say;
use common::exit;
use common::lang::Lang;
use common::manual::Manual;
use common::messages::{command_line, io, node_help};
use worker::config::{self, Invocation};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let config = match Invocation::parse(&args) {
        Ok(Invocation::Work(config)) => *config,
        Ok(Invocation::Manual(manual, lang)) => return write(&manual, lang),
        Err(error) => {
            return ExitCode::from(command_line::tell(&error, Lang::early(&args)));
        }
    };
    let lang = config.lang;
    let output = common::telemetry::init(config.log_format, lang);
    let handlers = config.built_in_handlers();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(worker::run(config, handlers)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(code) => {
            drop(output);
            std::process::exit(i32::from(code))
        }
        Err(error) => {
            say(&node_help::failure(&error.text(lang), lang));
            ExitCode::from(error.exit_code())
        }
    }
}

fn write(manual: &Manual, lang: Lang) -> ExitCode {
    match manual.write(config::program(lang), lang) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let why = format!("{}: {}", error.what, io::text(&error.source, lang));
            say(&node_help::failure(&why, lang));
            ExitCode::from(exit::RESOURCE)
        }
    }
}
