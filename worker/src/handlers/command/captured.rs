//! What a program prints, and the result made of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use common::blobs::{Content, Partial, StagedFile};
use common::endpoint::MAX_PAYLOAD_BYTES;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::files::Files;
use crate::handlers::Failure;

/// The result, and the output of a failure.
#[derive(Serialize)]
struct Report<'a> {
    exit_code: Option<i32>,
    #[serde(flatten)]
    unusual: Unusual,
    stdout: Value,
    stderr: Value,
    truncated: bool,
    #[serde(skip_serializing_if = "<[StagedFile]>::is_empty")]
    files: &'a [StagedFile],
}

/// What there is of a program that did not end by itself.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Unusual {
    /// Which killed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// It was not started: what a shell would have ended with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell_code: Option<u8>,
}

/// The result. JSON takes up to six bytes for one of the output: a stream that does not fit is stored, or else cut, and said
/// to be.
pub async fn report(
    (exit_code, unusual): (Option<i32>, Unusual),
    (mut stdout, mut stderr): (Captured, Captured),
    made: &[StagedFile],
    files: &Files,
) -> Result<Vec<u8>, Failure> {
    loop {
        let output = encoded((exit_code, unusual), (&stdout, &stderr), made)?;
        if output.len() <= MAX_PAYLOAD_BYTES || stdout.bytes.len() + stderr.bytes.len() == 0 {
            return Ok(output);
        }
        let longer =
            if stdout.bytes.len() >= stderr.bytes.len() { &mut stdout } else { &mut stderr };
        if let Some(content) = put(longer.bytes.clone(), files).await {
            longer.bytes.clear();
            longer.stored = Some(content);
        } else {
            longer.bytes.truncate(longer.bytes.len() / 2);
            longer.truncated = true;
        }
    }
}

/// The result of a program that was not started: what a shell would have ended with.
pub fn of_unstarted(shell_code: u8) -> Result<Vec<u8>, Failure> {
    let unusual = Unusual { shell_code: Some(shell_code), ..Unusual::default() };
    let nothing = Captured::default();
    encoded((None, unusual), (&nothing, &nothing), &[])
}

fn encoded(
    (exit_code, unusual): (Option<i32>, Unusual),
    (stdout, stderr): (&Captured, &Captured),
    files: &[StagedFile],
) -> Result<Vec<u8>, Failure> {
    let truncated = stdout.truncated || stderr.truncated;
    let (stdout, stderr) = (stdout.value(), stderr.value());
    let report = Report { exit_code, unusual, truncated, stdout, stderr, files };
    serde_json::to_vec(&report).map_err(|error| Failure::handler(error.to_string()))
}

async fn put(bytes: Vec<u8>, files: &Files) -> Option<Content> {
    files.max_result_bytes()?;
    let content = Content::of(&bytes);
    let put = files.store(Bytes::from(bytes).into(), content).await;
    put.map_err(|error| tracing::warn!(error = error.message, "output is not kept as a whole")).ok()
}

/// What is kept of a stream in memory; more is in a file.
pub const HEAD_BYTES: usize = 1 << 20;

#[derive(Default)]
pub struct Captured {
    /// The beginning, and all of it unless there is more.
    bytes: Vec<u8>,
    /// All of it.
    long: Option<Partial>,
    /// All of it, at the orchestrators.
    stored: Option<Content>,
    truncated: bool,
    /// The disk failed: nothing more can be kept.
    is_lost: bool,
}

impl Captured {
    /// Stores what is long. What cannot be stored is cut, and said to be.
    pub async fn store(&mut self, files: &Files) {
        let Some(mut long) = self.long.take() else { return };
        // Should this end early, only the beginning is kept.
        let was_truncated = std::mem::replace(&mut self.truncated, true);
        let content = long.content();
        let stored = match long.complete(content).await {
            Ok(()) => files.store(long.path().to_owned().into(), content).await,
            Err(error) => Err(Failure::handler(error.to_string())),
        };
        match stored {
            Ok(content) => {
                self.bytes.clear();
                (self.stored, self.truncated) = (Some(content), was_truncated);
            }
            Err(error) => {
                tracing::warn!(error = error.message, "output is not kept as a whole");
            }
        }
    }

    /// The same where nobody waits for it.
    pub fn cut_to_head(&mut self) {
        self.truncated |= self.long.take().is_some();
    }

    async fn keep(&mut self, piece: &[u8], files: &Files) -> std::io::Result<()> {
        if self.long.is_none() && self.bytes.len() + piece.len() <= HEAD_BYTES {
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        if self.long.is_none() {
            let mut long = files.scratch().await?;
            long.write(&self.bytes).await?;
            self.long = Some(long);
        }
        match &mut self.long {
            Some(long) => long.write(piece).await,
            None => Ok(()),
        }
    }

    fn length(&self) -> u64 {
        self.long.as_ref().map_or(self.bytes.len() as u64, Partial::bytes)
    }

    /// Text where it is text; otherwise the bytes, under a name that says how.
    fn value(&self) -> Value {
        if let Some(Content { hash, bytes }) = &self.stored {
            return serde_json::json!({ "blob": hash.to_string(), "bytes": bytes });
        }
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.into(),
            Err(error) => {
                // A limit may have cut a character; what is before it is still text.
                let (valid, rest) = self.bytes.split_at(error.valid_up_to());
                if self.truncated && rest.len() < 4 {
                    return String::from_utf8_lossy(valid).into();
                }
                serde_json::json!({ "base64": BASE64.encode(&self.bytes) })
            }
        }
    }

    /// Keeps no more than that.
    pub fn cut(&mut self, limit: usize) {
        self.truncated |= self.bytes.len() > limit && self.long.is_none();
        self.bytes.truncate(limit);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads to the end, says what comes, keeps what fits.
    pub async fn read(
        &mut self,
        stream: Option<impl AsyncRead + Unpin>,
        (limit, files): (u64, &Files),
        mut say: impl FnMut(&[u8]),
    ) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 16 << 10];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return,
                Ok(count) => {
                    say(&buffer[..count]);
                    let room = limit.saturating_sub(self.length());
                    let room = usize::try_from(room).unwrap_or(usize::MAX);
                    self.truncated |= count > room;
                    let (piece, is_lost) = (&buffer[..count.min(room)], self.is_lost);
                    if !is_lost && let Err(error) = self.keep(piece, files).await {
                        tracing::warn!(%error, "a program's output is kept in part");
                        (self.is_lost, self.truncated) = (true, true);
                        self.long = None;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to read a program's output");
                    return;
                }
            }
        }
    }
}
