//! `groups`: which groups of orchestrators there are on an etcd, and whose each queue is; a queue can be given to another one.

use std::io::Write as _;

use clap::Args;
use common::lang::Lang;
use common::messages::Message as _;
use common::messages::node_shards::ShardMessage;
use common::{console, exit, proto};
use serde_json::json;

use super::migrate::code_of;
use super::{Error, Format, Tool, line};
use crate::engine;

/// Which etcd, and what to do there.
#[derive(Clone, Debug, Args)]
pub struct Groups {
    #[arg(long, env = "MUTIRAO_ENGINE", value_name = "etcd://HOST:PORT,…[/PREFIX]")]
    engine: String,
    #[command(flatten)]
    access: engine::Access,
    #[arg(long = "move", value_name = "QUEUE", requires = "to", value_parser = engine::queue)]
    moved: Option<String>,
    #[arg(long, value_name = "GROUP", requires = "moved")]
    to: Option<String>,
    #[arg(long, value_name = "GROUP", conflicts_with = "moved")]
    remove: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(tool: &Tool, groups: &Groups) -> Result<u8, Error> {
    let config = match tool.etcd(&groups.access, &groups.engine, "--engine") {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = match (groups.moved.clone().zip(groups.to.clone()), groups.remove.clone()) {
        (None, Some(name)) => {
            runtime.block_on(engine::shards::remove(&config, &name)).map(|is_done| {
                let (message, code) = match is_done {
                    true => (ShardMessage::Removed { name }, exit::OK),
                    false => (ShardMessage::NotRemoved { name }, exit::REFUSED),
                };
                console::say(&message.text(tool.lang));
                Ok(code)
            })
        }
        (None, None) => runtime.block_on(engine::shards::read(&config)).map(|map| {
            show(&map.list(), groups.output, tool.lang)?;
            Ok(exit::OK)
        }),
        (Some((queue, to)), _) => {
            let given = runtime.block_on(engine::shards::give(&config, &queue, &to));
            given.map(|is_done| {
                let (message, code) = match is_done {
                    true => (ShardMessage::Moved { queue, to }, exit::OK),
                    false => (ShardMessage::NoSuchGroup { name: to }, exit::REFUSED),
                };
                console::say(&message.text(tool.lang));
                Ok(code)
            })
        }
    };
    done.unwrap_or_else(|error| {
        let code = match &error {
            engine::Error::Etcd(error) => code_of(error),
            _ => exit::BROKEN,
        };
        console::say(&ShardMessage::Failed { error: console::chain(&error) }.text(tool.lang));
        Ok(code)
    })
}

fn show(shards: &[proto::Shard], format: Format, lang: Lang) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    if format == Format::Table {
        line(&mut out, &ShardMessage::heads(lang))?;
    }
    for proto::Shard { name, queues, orchestrators } in shards {
        let text = match format {
            Format::Json => {
                json!({ "group": name, "queues": queues, "orchestrators": orchestrators })
                    .to_string()
            }
            Format::Table => {
                format!("{name}\t{}\t{}", queues.join(","), orchestrators.join(","))
            }
        };
        line(&mut out, &text)?;
    }
    out.flush().map_err(Error::Output)
}
