//! What attempts say, printed as it comes.

use std::io::IsTerminal as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;
use common::proto::{FollowOutputResponse, OutputPiece, OutputStream, Progress, Task};
use serde_json::{Value, json};

use super::super::Context;
use super::super::failure::Failure;
use super::super::output;
use super::super::report::Report;
use super::super::terminal::{say, say_bytes};

pub struct Live<'a> {
    context: &'a Context,
    attempt: u32,
    /// So much of each stream was printed, or is known to be missing.
    stdout: u64,
    stderr: u64,
    progress: Option<Progress>,
    /// Those of which all is to come out, rather than the newest at once.
    whole: Streams,
    /// Something of it is missing: the rest comes from the record, in the end.
    held: Streams,
    /// In JSON: the beginning of a character, by stream, whose end comes with the next piece.
    begun: [Vec<u8>; 2],
}

#[derive(Clone, Copy, Default)]
struct Streams {
    stdout: bool,
    stderr: bool,
}

impl Streams {
    fn of(&mut self, stream: OutputStream) -> &mut bool {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr | OutputStream::Unspecified => &mut self.stderr,
        }
    }
}

impl<'a> Live<'a> {
    pub fn new(context: &'a Context) -> Self {
        let (whole, held, begun) = (Streams::default(), Streams::default(), Default::default());
        Self { context, attempt: 0, stdout: 0, stderr: 0, progress: None, whole, held, begun }
    }

    /// The same where nobody watches: what is in a file, or read by another program, has no gaps.
    pub fn whole(context: &'a Context) -> Self {
        let stdout = !std::io::stdout().is_terminal();
        let stderr = !std::io::stderr().is_terminal();
        Self { whole: Streams { stdout, stderr }, ..Self::new(context) }
    }

    pub fn part(&mut self, part: &FollowOutputResponse) -> Result<(), Failure> {
        part.pieces.iter().try_for_each(|piece| self.piece(piece))?;
        let progress = part.task.as_ref().and_then(|task| task.progress.as_deref());
        match progress {
            Some(progress) if self.progress.as_ref() != Some(progress) => {
                self.progress = Some(progress.clone());
                self.tell_progress(progress)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn piece(&mut self, piece: &OutputPiece) -> Result<(), Failure> {
        if piece.attempt != self.attempt {
            self.end_characters()?;
            if self.attempt > 0 {
                self.remark(&ClientMessage::NextAttempt { attempt: piece.attempt });
            }
            (self.attempt, self.stdout, self.stderr) = (piece.attempt, 0, 0);
            self.held = Streams::default();
        }
        let is_held = *self.held.of(piece.stream());
        let is_whole = *self.whole.of(piece.stream());
        let printed = match piece.stream() {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr | OutputStream::Unspecified => &mut self.stderr,
        };
        let missing = piece.offset.saturating_sub(*printed);
        if is_held || is_whole && missing > 0 {
            if !std::mem::replace(self.held.of(piece.stream()), true) {
                self.remark(&ClientMessage::Files(FilesMessage::OutputHeld));
            }
            return Ok(());
        }
        *printed = piece.offset + piece.data.len() as u64;
        if missing > 0 {
            self.end_characters()?;
            self.remark(&ClientMessage::OutputMissing { bytes: missing });
        }
        if self.context.is_json {
            let begun = &mut self.begun[nth(piece.stream())];
            let offset = piece.offset - begun.len() as u64;
            let mut data = std::mem::take(begun);
            data.extend_from_slice(&piece.data);
            *begun = data.split_off(data.len() - unfinished(&data));
            return said(piece.attempt, piece.stream(), offset, &data);
        }
        match piece.stream() {
            OutputStream::Stdout => output::bytes(&piece.data),
            OutputStream::Stderr | OutputStream::Unspecified => {
                say_bytes(&piece.data);
                Ok(())
            }
        }
    }

    /// What was begun is not ended any more.
    fn end_characters(&mut self) -> Result<(), Failure> {
        for (stream, end) in
            [(OutputStream::Stdout, self.stdout), (OutputStream::Stderr, self.stderr)]
        {
            let begun = std::mem::take(&mut self.begun[nth(stream)]);
            if !begun.is_empty() {
                said(self.attempt, stream, end - begun.len() as u64, &begun)?;
            }
        }
        Ok(())
    }

    /// The line that said so is on standard error already, if it was one of a program.
    fn tell_progress(&self, progress: &Progress) -> Result<(), Failure> {
        if !self.context.is_json {
            return Ok(());
        }
        let Progress { fraction, message } = progress;
        let line = json!({ "progress": { "fraction": fraction, "message": message } });
        output::print(&format!("{line}\n"))
    }

    /// It has ended: what its record holds beyond what was printed. `None`: that holds nothing that was printed.
    pub async fn rest(&mut self, task: &Task, result: &[u8]) -> Result<Option<Report>, Failure> {
        let report = Report::of(task, result);
        let Some(report) = report else {
            self.end_characters()?;
            return Ok(None);
        };
        let report = report.received(&self.context.client).await?;
        if task.attempt != self.attempt {
            self.end_characters()?;
            if self.attempt > 0 {
                self.remark(&ClientMessage::NextAttempt { attempt: task.attempt });
            }
            (self.attempt, self.stdout, self.stderr) = (task.attempt, 0, 0);
        }
        if self.context.is_json {
            for (stream, from) in
                [(OutputStream::Stdout, self.stdout), (OutputStream::Stderr, self.stderr)]
            {
                let mut offset = from;
                report.since(stream, from, |data| {
                    let (attempt, data) = (task.attempt, data.to_vec());
                    let next = offset + data.len() as u64;
                    let piece = OutputPiece { attempt, stream: stream.into(), offset, data };
                    offset = next;
                    self.piece(&piece)
                })?;
            }
            self.end_characters()?;
        } else {
            report.show_rest(self.context, (self.stdout, self.stderr))?;
        }
        Ok(Some(report))
    }

    pub fn has_printed(&self) -> bool {
        self.attempt > 0
    }

    fn remark(&self, message: &ClientMessage) {
        if !self.context.is_json {
            say(&message.text(self.context.lang));
        }
    }
}

fn nth(stream: OutputStream) -> usize {
    match stream {
        OutputStream::Stdout => 0,
        OutputStream::Stderr | OutputStream::Unspecified => 1,
    }
}

/// Bytes at the end that may be the beginning of a character.
fn unfinished(data: &[u8]) -> usize {
    match std::str::from_utf8(data) {
        Err(error) if error.error_len().is_none() => data.len() - error.valid_up_to(),
        Ok(_) | Err(_) => 0,
    }
}

fn said(attempt: u32, stream: OutputStream, offset: u64, data: &[u8]) -> Result<(), Failure> {
    if data.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(data);
    let text = text.map_or_else(|_| json!({ "base64": BASE64.encode(data) }), Value::from);
    let stream = ["stdout", "stderr"][nth(stream)];
    let line = json!({ "attempt": attempt, "stream": stream, "offset": offset, "text": text });
    output::print(&format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_become_a_character_waits_for_its_end() {
        for (data, waits) in [
            (&b"ol\xc3\xa1"[..], 0),
            (b"ol\xc3", 1),
            (b"\xf0\x9f\x98", 3),
            (b"\xff\xfe", 0),
            (b"a\xffb\xc3", 0),
            (b"", 0),
        ] {
            assert_eq!(unfinished(data), waits, "{data:?}");
        }
    }
}
