//! What a program prints, and the result made of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::blobs::StagedFile;
use common::endpoint::MAX_PAYLOAD_BYTES;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

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

/// The result. JSON takes up to six bytes for one of the output: what does not fit is cut, and said to be.
pub fn report(
    (exit_code, unusual): (Option<i32>, Unusual),
    (mut stdout, mut stderr): (Captured, Captured),
    files: &[StagedFile],
) -> Result<Vec<u8>, Failure> {
    loop {
        let report = Report {
            exit_code,
            unusual,
            truncated: stdout.truncated || stderr.truncated,
            stdout: stdout.value(),
            stderr: stderr.value(),
            files,
        };
        let output =
            serde_json::to_vec(&report).map_err(|error| Failure::handler(error.to_string()))?;
        if output.len() <= MAX_PAYLOAD_BYTES || stdout.bytes.len() + stderr.bytes.len() == 0 {
            return Ok(output);
        }
        let longer =
            if stdout.bytes.len() >= stderr.bytes.len() { &mut stdout } else { &mut stderr };
        longer.bytes.truncate(longer.bytes.len() / 2);
        longer.truncated = true;
    }
}

#[derive(Default)]
pub struct Captured {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Captured {
    /// Text where it is text; otherwise the bytes, under a name that says how.
    fn value(&self) -> Value {
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
        self.truncated |= self.bytes.len() > limit;
        self.bytes.truncate(limit);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads to the end, says what comes, keeps what fits.
    pub async fn read(
        &mut self,
        stream: Option<impl AsyncRead + Unpin>,
        limit: usize,
        mut say: impl FnMut(&[u8]),
    ) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 16 << 10];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return,
                Ok(count) => {
                    say(&buffer[..count]);
                    let room = limit - self.bytes.len();
                    self.truncated |= count > room;
                    self.bytes.extend_from_slice(&buffer[..count.min(room)]);
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to read a program's output");
                    return;
                }
            }
        }
    }
}
