//! A worker with a handler of its own beside the built-in ones.
//!
//! `cargo run --package worker --example custom_handler -- --port 50064`

use std::process::ExitCode;
use std::sync::Arc;

use futures::future::BoxFuture;
use worker::{Config, Context, Failure, Handler};

/// Counts the words of a text.
struct WordCount;

impl Handler for WordCount {
    fn name(&self) -> &str {
        "word-count"
    }

    fn run(&self, _: Context, payload: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            let text = String::from_utf8(payload)
                .map_err(|_| Failure::invalid_payload("the payload must be UTF-8 text"))?;
            Ok(text.split_whitespace().count().to_string().into_bytes())
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::parse(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(config) => config,
        Err(error) => error.exit(),
    };
    let _output = common::telemetry::init(config.log_format, config.lang);
    let mut handlers = config.built_in_handlers();
    handlers.push(Arc::new(WordCount));
    match worker::run(config, handlers).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
