//! The worker with its built-in handlers.

use std::process::ExitCode;

use common::lang::Lang;
use common::messages::{command_line, node_help};
use worker::Config;

fn main() -> ExitCode {
    let config = match Config::parse(std::env::args().collect()) {
        Ok(config) => config,
        Err(error) => {
            let lang = Lang::early(std::env::args());
            return ExitCode::from(command_line::tell(&error, lang));
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
            eprintln!("{}", node_help::failure(&error.text(lang), lang));
            ExitCode::from(error.exit_code())
        }
    }
}
