//! The log of what administrators do: a file of its own at each node, a line of JSON for each stage of an action.
//!
//! What cannot be logged is not done.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::command::Role;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::Status;
use uuid::Uuid;

use crate::users::{Asking, Caller};

const NAME: &str = "actions";
/// What others do with tokens of their own, and try: so that nobody fills the log of administrators.
const OF_OTHERS: &str = "actions-of-others";
/// Of a text of what an action is about.
const MAX_TEXT: usize = 256;
/// Of one file; then the next begins.
const MAX_BYTES: u64 = 16 << 20;
/// Full files that are kept.
const MAX_FILES: u32 = 8;

/// Cheap to clone; one for the whole node.
#[derive(Clone, Debug)]
pub struct Actions {
    /// `None` where nobody can ask for any.
    logs: Option<Arc<Logs>>,
}

#[derive(Debug)]
struct Logs {
    of_administrators: Mutex<Log>,
    of_others: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Actions {
    /// Continues the file in `folder`, the node's data directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let log = |name: &str| Log::open(folder.join(name).with_extension("jsonl"));
        let (of_administrators, of_others) = (Mutex::new(log(NAME)?), Mutex::new(log(OF_OTHERS)?));
        Ok(Self { logs: Some(Arc::new(Logs { of_administrators, of_others })) })
    }

    /// Of a node without services, as the simulator runs it.
    pub fn of_nobody() -> Self {
        Self { logs: None }
    }

    /// Does `work` as an action of whoever asks: its line is on the disk before, and one with the outcome after it.
    /// `about`: what it is done to; no secrets.
    ///
    /// # Errors
    /// Those of `work`; `ACTIONS_LOG_FAILED` when it was not done because its line could not be written.
    pub async fn record<T>(
        &self,
        (caller, asking): (&Caller, Asking<'_>),
        about: Value,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let mut line = line(asking, "asked");
        line["about"] = bounded(about);
        self.write(caller.role, line.clone()).await?;
        let done = work.await;
        let code = done.as_ref().err().map(grpc_status::meaning);
        let code = code.map_or("OK", |meaning| meaning.code.word());
        line["at"] = now().into();
        line["stage"] = "done".into();
        line["outcome"] = code.into();
        if let Err(error) = self.write(caller.role, line).await {
            tracing::error!(%error, action = asking.call(), outcome = code, "the end of an action is not logged");
        }
        done
    }

    /// Something is changed in the place of another user; what becomes of it, that one's tasks tell.
    ///
    /// # Errors
    /// `ACTIONS_LOG_FAILED` when the line could not be written.
    pub async fn acting(&self, asking: Asking<'_>) -> Result<(), Status> {
        let mut line = line(asking, "asked");
        line["about"] = bounded(json!({ "as": asking.acting_as() }));
        self.write(Role::Admin, line).await
    }

    /// Somebody wanted to do what is not for them.
    pub async fn refused(&self, asking: Asking<'_>, code: ErrorCode) {
        let mut line = line(asking, "refused");
        line["outcome"] = code.word().into();
        if let Err(error) = self.write(Role::Submitter, line).await {
            tracing::error!(%error, action = asking.call(), "a refusal is not logged");
        }
    }

    async fn write(&self, by: Role, line: Value) -> Result<(), Status> {
        let Some(logs) = self.logs.clone() else { return Ok(()) };
        let written = tokio::task::spawn_blocking(move || {
            let log = match by {
                Role::Admin => &logs.of_administrators,
                Role::Submitter | Role::Viewer => &logs.of_others,
            };
            log.lock().unwrap_or_else(PoisonError::into_inner).write(&line)
        });
        let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| {
            let why = format!("{NAME}.jsonl in the data directory cannot be written: {error}");
            grpc_status::status(ErrorCode::ActionsLogFailed, why)
        })
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// Whoever asks does not decide how long a line is.
fn bounded(mut about: Value) -> Value {
    for value in about.as_object_mut().into_iter().flat_map(|object| object.values_mut()) {
        if let Value::String(text) = value
            && text.len() > MAX_TEXT
        {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push('…');
        }
    }
    about
}

/// The same id in all stages of one action.
fn line(asking: Asking<'_>, stage: &str) -> Value {
    json!({
        "at": now(),
        "id": Uuid::now_v7().to_string(),
        "stage": stage,
        "action": asking.call(),
        "user": asking.user(),
        "address": asking.address().map(|address| address.to_string()),
    })
}

impl Log {
    fn open(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let opened = options.create(true).append(true).read(true).mode(0o600).open(&path);
        let mut file = opened.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let mut bytes = file.metadata()?.len();
        // One that a death cut short ends before the next one begins.
        let mut last = [b'\n'];
        if bytes > 0 {
            file.read_exact_at(&mut last, bytes - 1)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
            bytes += 1;
        }
        Ok(Self { path, file, bytes })
    }

    fn write(&mut self, line: &Value) -> io::Result<()> {
        let line = format!("{line}\n");
        let length = line.len() as u64;
        if self.bytes + length > MAX_BYTES {
            self.rotate()?;
        }
        // Of one that a full disk cut short nothing stays.
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            if let Err(error) = self.file.set_len(self.bytes) {
                tracing::warn!(%error, "a line that was cut short stays in the log of actions");
            }
            return Err(error);
        }
        self.bytes += length;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let kept = |number: u32| self.path.with_extension(format!("{number}.jsonl"));
        for number in (1..MAX_FILES).rev() {
            match std::fs::rename(kept(number), kept(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        std::fs::rename(&self.path, kept(1))?;
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_kept_and_the_oldest_dropped() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let mut log = Log::open(folder.path().join("actions.jsonl"))?;
        for number in 0..MAX_FILES + 3 {
            log.bytes = MAX_BYTES;
            log.write(&json!(number))?;
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name));
        assert_eq!(read("actions.jsonl")?, "10\n");
        assert_eq!(read("actions.1.jsonl")?, "9\n");
        assert_eq!(read("actions.8.jsonl")?, "2\n");
        assert!(read("actions.9.jsonl").is_err());
        Ok(())
    }

    #[test]
    fn nobody_writes_long_lines() {
        let about = bounded(json!({ "name": "é".repeat(1_000_000), "n": 1 }));
        assert!(about.to_string().len() < 300, "{about}");
        assert_eq!(about["n"], 1);
    }

    #[test]
    fn a_line_that_a_death_cut_short_spoils_no_other() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("actions.jsonl");
        std::fs::write(&path, "{\"whole\":1}\n{\"cut")?;
        Log::open(path.clone())?.write(&json!({ "next": 2 }))?;
        assert_eq!(std::fs::read_to_string(&path)?, "{\"whole\":1}\n{\"cut\n{\"next\":2}\n");
        Ok(())
    }
}
