//! `journal restore`: a new cluster from a backup, or whether one could be made.

use std::path::Path;

use common::messages::Message as _;
use common::messages::node_backup::BackupMessage;
use common::{console, exit};
use orquestrador_core::ids::ClusterId;
use serde_json::json;

use super::{Error, Format, Tool, line};
use crate::backup::{self, Found};
use crate::journal::{self, NotEmpty};

pub(super) fn run(tool: &Tool, file: &Path, check: bool, output: Format) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match check {
            true => backup::check(file).await.map(|found| (found, None)),
            false => backup::restore(file, &tool.dir).await.map(|(found, id)| (found, Some(id))),
        }
    });
    let failed = |source| Error::Restore { file: file.to_path_buf(), source };
    let (found, cluster) = done.map_err(failed)?;
    let text = match output {
        Format::Json => object(tool, &found, cluster).to_string(),
        Format::Table => sentences(tool, file, &found, cluster),
    };
    line(&mut std::io::stdout().lock(), &text)?;
    Ok(exit::OK)
}

fn sentences(tool: &Tool, file: &Path, found: &Found, cluster: Option<ClusterId>) -> String {
    let holds = BackupMessage::Holds {
        file: file.display().to_string(),
        at_ms: found.meta.at.0,
        cluster: found.meta.cluster.to_string(),
        last: found.meta.id.index.0,
        tasks: found.tasks,
        blobs: found.blobs,
    };
    let restored = cluster.map(|cluster| BackupMessage::Restored {
        dir: tool.dir(),
        cluster: cluster.to_string(),
        start: format!("{} --data-dir {}", tool.program, tool.dir()),
    });
    let texts = std::iter::once(holds).chain(restored).map(|message| message.text(tool.lang));
    texts.collect::<Vec<_>>().join("\n")
}

fn object(tool: &Tool, found: &Found, cluster: Option<ClusterId>) -> serde_json::Value {
    let meta = &found.meta;
    json!({
        "cluster_id": meta.cluster.to_string(),
        "at_ms": meta.at.0,
        "journal_index": meta.id.index.0,
        "epoch": meta.epoch.0,
        "version": meta.version,
        "tasks": found.tasks,
        "blobs": found.blobs,
        "bytes": found.bytes,
        "restored": cluster.map(|cluster| json!({
            "data_dir": tool.dir(),
            "cluster_id": cluster.to_string(),
        })),
    })
}

/// Says why nothing was restored; gives the exit code.
pub(super) fn failed(tool: &Tool, file: &Path, error: &backup::Error) -> u8 {
    let (lang, file) = (tool.lang, file.display().to_string());
    let (message, code) = match error {
        backup::Error::NotEmpty(NotEmpty { dir, found }) => {
            let (dir, found) = (dir.display().to_string(), found.clone());
            (BackupMessage::NotEmpty { dir, found }, exit::RESOURCE)
        }
        backup::Error::Unreadable(error) if error.is_damage() => {
            // What it advises is for a node's own journal.
            let detail = match error {
                journal::Error::Corrupt { at, what, .. } => format!("{what}, {at}"),
                other => console::chain(other),
            };
            (BackupMessage::Damaged { file, detail }, exit::BROKEN)
        }
        backup::Error::Contradiction(detail) => {
            (BackupMessage::Damaged { file, detail: detail.clone() }, exit::BROKEN)
        }
        backup::Error::Unreadable(error) | backup::Error::Journal(error) => {
            (BackupMessage::NotRestored { error: error.fault().text(lang) }, exit::RESOURCE)
        }
        backup::Error::Blob(_) | backup::Error::Io(_) => {
            let error = console::chain(error);
            (BackupMessage::NotRestored { error }, exit::RESOURCE)
        }
    };
    console::say(&message.text(lang));
    code
}
