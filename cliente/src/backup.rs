//! The whole cluster, as the bytes of one file.

use std::time::Duration;

use common::error_code::ErrorCode;
use common::proto::backup_response::Part;
use common::proto::{BackupRequest, BackupResponse};
use tonic::Streaming;

use crate::operator::operator;
use crate::{Client, Error};

/// The state may wait for its commit, and for whoever takes over.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Nothing came for so long: the orchestrator is gone, and the rest with it.
const IDLE: Duration = Duration::from_secs(60);

/// What comes of a backup.
pub struct Backup(Streaming<BackupResponse>);

impl Backup {
    /// What follows; `None` after the last part.
    ///
    /// # Errors
    /// The principal ended or refused, or nothing came for a minute: what came so far is of no use.
    pub async fn next(&mut self) -> Result<Option<Part>, Error> {
        let silent = || Error::new(ErrorCode::Unavailable, "nothing more came of the backup");
        let next = tokio::time::timeout(IDLE, self.0.message()).await.map_err(|_| silent())?;
        Ok(next?.and_then(|message| message.part))
    }
}

impl Client {
    /// Begins a backup of the present state.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn backup(&self) -> Result<Backup, Error> {
        let begun = self.targets().call(
            BEGIN_TIMEOUT,
            |_: &Streaming<BackupResponse>| None,
            |channel| {
                let request = self.targets().request(BackupRequest {});
                async move { Ok(operator(channel).backup(request).await?.into_inner()) }
            },
        );
        begun.await.map(Backup)
    }
}
