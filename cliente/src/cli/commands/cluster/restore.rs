//! `cliente cluster restore`: what the orchestrator's own program does, for whoever looks for it here.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::exit;
use common::lang::Lang;
use common::messages::client_backup::BackupMessage;

use crate::cli::failure::Failure;
use crate::cli::terminal::say;

const PROGRAM: &str = "orquestrador";

/// Returns only where the program could not be started; it takes the place of this one.
pub fn run(
    (is_json, lang): (bool, Lang),
    file: &Path,
    data_dir: Option<&Path>,
    check: bool,
) -> Result<u8, Failure> {
    let mut command = Command::new(program());
    command.args(["--lang", lang.word()]);
    if let Some(dir) = data_dir {
        command.arg("--data-dir").arg(dir);
    }
    command.args(["journal", "restore"]);
    if check {
        command.arg("--check");
    }
    if is_json {
        command.args(["--output", "json"]);
    }
    let error = command.arg("--").arg(file).exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        let file = file.display().to_string();
        say(&BackupMessage::NoOrchestrator { file }.text(lang));
        return Ok(exit::RESOURCE);
    }
    Err(Failure::io(PROGRAM)(error))
}

/// Beside this one, as they are installed; or wherever there is one.
fn program() -> PathBuf {
    let own = std::env::current_exe().ok();
    let beside = own.map(|own| own.with_file_name(PROGRAM)).filter(|path| path.exists());
    beside.unwrap_or_else(|| PROGRAM.into())
}
