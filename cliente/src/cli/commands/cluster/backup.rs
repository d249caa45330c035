//! `cliente cluster backup`

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use common::blobs::{Content, Hash, Partial, Unfinished};
use common::error_code::ErrorCode;
use common::exit;
use common::messages::client_backup::BackupMessage;
use common::proto::BackupSummary;
use common::proto::backup_response::Part;
use serde_json::json;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::output;

/// What is known of it must be for nobody else.
const OWNER_ONLY: u32 = 0o600;

pub async fn run(context: &Context, file: &Path, overwrite: bool) -> Result<u8, Failure> {
    let failed = || Failure::io(file.display().to_string());
    // Found out before the cluster goes to work.
    if !overwrite && file.symlink_metadata().is_ok() {
        return Err(failed()(io::ErrorKind::AlreadyExists.into()));
    }
    let mut coming = Partial::create(partial(file)).await.map_err(failed())?;
    let owner_only = Permissions::from_mode(OWNER_ONLY);
    tokio::fs::set_permissions(coming.path(), owner_only).await.map_err(failed())?;
    let mut parts = context.client.backup().await?;
    let summary = loop {
        match parts.next().await? {
            Some(Part::Chunk(chunk)) => coming.write(&chunk).await.map_err(failed())?,
            Some(Part::Summary(summary)) => break summary,
            None => return Err(cut_off().into()),
        }
    };
    let hash = Hash::from_bytes(&summary.hash).ok_or_else(cut_off)?;
    match coming.keep(Content { hash, bytes: summary.bytes }, file).await {
        Ok(()) => {}
        Err(Unfinished::Other) => return Err(cut_off().into()),
        Err(Unfinished::Io(error)) => return Err(failed()(error)),
    }
    output::print(&told(context, file, &summary))?;
    Ok(exit::OK)
}

/// Beside it; of this process, so that two that go to the same place do not mix.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    file.with_file_name(name)
}

fn cut_off() -> cliente::Error {
    cliente::Error::new(
        ErrorCode::Unavailable,
        "the backup did not come to its end; take another one",
    )
}

fn told(context: &Context, file: &Path, summary: &BackupSummary) -> String {
    let path = file.display().to_string();
    let BackupSummary { cluster_id, journal_index, epoch, tasks, blobs, bytes, hash: _ } = summary;
    match context.is_json {
        true => {
            let object = json!({
                "file": path, "cluster_id": cluster_id, "journal_index": journal_index,
                "epoch": epoch, "tasks": tasks, "blobs": blobs, "bytes": bytes,
            });
            format!("{object}\n")
        }
        false => {
            let (tasks, blobs, bytes, last) = (*tasks, *blobs, *bytes, *journal_index);
            let taken = BackupMessage::Taken { file: path, tasks, blobs, bytes, last };
            format!("{}\n", taken.text(context.lang))
        }
    }
}
