//! What attempts say while they run, on its way to those who follow them. Bounded: of each stream the beginning is kept, so that
//! whoever reads only that gets it however much comes behind it, and the end.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use common::proto::{self, AttemptOutput, OutputPiece};

use crate::slots::Key;

/// Bytes of the beginning, and as many of the end, of each stream of an attempt that are kept, and told again to a new principal.
pub const KEPT_BYTES: usize = 1 << 20;
/// Of a line that tells of progress.
const MAX_LINE: usize = 1 << 10;
/// What such a line begins with; a space or a tab comes next.
pub const PROGRESS_PREFIX: &str = "mutirao:progress";
/// Bytes of a progress message that are kept.
const MAX_MESSAGE: usize = 256;

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What the work gives.
    Stdout,
    /// What it says beside that.
    Stderr,
}

/// What one attempt says. Cheap to clone; nothing is said to anybody by a default one.
#[derive(Clone, Default)]
pub struct Live(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Something was not told yet.
    is_news: AtomicBool,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    stdout: Ends,
    stderr: Ends,
    progress: Option<proto::Progress>,
    is_progress_told: bool,
    /// It was told of in this session or an earlier one.
    was_told: bool,
    /// The beginning of a line on standard error; `None` while the line is no news of progress.
    line: Option<Vec<u8>>,
    is_within_line: bool,
}

/// The beginning of a stream, and its last part behind that.
#[derive(Default)]
struct Ends {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Of the whole stream.
    length: u64,
    told: u64,
}

impl Live {
    /// Says something to whoever follows the task.
    pub fn say(&self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut said = self.said();
        match stream {
            Stream::Stdout => said.stdout.append(bytes),
            Stream::Stderr => {
                said.stderr.append(bytes);
                said.look_for_progress(bytes);
            }
        }
        self.0.is_news.store(true, Ordering::Release);
    }

    /// Says how far the work is: `fraction` from 0 to 1, and a word for people.
    pub fn progress(&self, fraction: f64, message: &str) {
        self.said().note_progress(fraction, message);
        self.0.is_news.store(true, Ordering::Release);
    }

    /// Nothing more comes on standard error: its last line may have no end.
    pub(crate) fn end_of_errors(&self) {
        let mut said = self.said();
        let line = said.line.take().filter(|_| said.is_within_line);
        said.is_within_line = false;
        if let Some(line) = line
            && said.note_line(&line)
        {
            self.0.is_news.store(true, Ordering::Release);
        }
    }

    pub(crate) fn is_news(&self) -> bool {
        self.0.is_news.load(Ordering::Acquire)
    }

    /// Somebody may have heard a part of it.
    pub(crate) fn was_told(&self) -> bool {
        self.said().was_told
    }

    /// What was not told yet, at most so many bytes of each stream: the first ones, and the others the next time.
    pub(crate) fn news(&self, key: &Key, most: usize) -> AttemptOutput {
        self.0.is_news.store(false, Ordering::Release);
        let mut said = self.said();
        said.was_told = true;
        let streams = [proto::OutputStream::Stdout, proto::OutputStream::Stderr];
        let Said { stdout, stderr, .. } = &mut *said;
        let mut pieces = Vec::new();
        for (stream, ends) in streams.into_iter().zip([stdout, stderr]) {
            let mut most = most;
            while let Some((offset, data)) = ends.news(most) {
                most -= data.len();
                pieces.push(OutputPiece {
                    attempt: key.attempt,
                    stream: stream.into(),
                    offset,
                    data,
                });
            }
        }
        if said.stdout.is_untold() || said.stderr.is_untold() {
            self.0.is_news.store(true, Ordering::Release);
        }
        let is_old = std::mem::replace(&mut said.is_progress_told, true);
        let progress = said.progress.clone().filter(|_| !is_old);
        AttemptOutput { task_id: key.task_id.clone(), attempt: key.attempt, pieces, progress }
    }

    /// Whoever hears it next knows nothing.
    pub(crate) fn forget_told(&self) {
        let mut said = self.said();
        (said.stdout.told, said.stderr.told, said.is_progress_told) = (0, 0, false);
        if said.stdout.length + said.stderr.length > 0 || said.progress.is_some() {
            self.0.is_news.store(true, Ordering::Release);
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("is_news", &self.is_news()).finish_non_exhaustive()
    }
}

impl Ends {
    fn append(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (head, bytes) = bytes.split_at(bytes.len().min(KEPT_BYTES - self.head.len()));
        self.head.extend_from_slice(head);
        let bytes = &bytes[bytes.len().saturating_sub(KEPT_BYTES)..];
        let room = KEPT_BYTES - bytes.len();
        self.tail.drain(..self.tail.len().saturating_sub(room));
        self.tail.extend(bytes);
    }

    /// What comes without a gap.
    fn news(&mut self, most: usize) -> Option<(u64, Vec<u8>)> {
        let place = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
        let (from, data): (u64, Vec<u8>) = match self.head.get(place(self.told)..) {
            Some(head) if !head.is_empty() => (self.told, head[..head.len().min(most)].to_vec()),
            Some(_) | None => {
                let first = self.length - self.tail.len() as u64;
                let from = self.told.max(first);
                (from, self.tail.range(place(from - first)..).take(most).copied().collect())
            }
        };
        self.told = from + data.len() as u64;
        (!data.is_empty()).then_some((from, data))
    }

    fn is_untold(&self) -> bool {
        self.told < self.length
    }
}

impl Said {
    fn note_progress(&mut self, fraction: f64, message: &str) {
        let end = message.floor_char_boundary(MAX_MESSAGE);
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
        self.progress = Some(proto::Progress { fraction, message: message[..end].to_owned() });
        self.is_progress_told = false;
    }

    /// Lines may come in parts.
    fn look_for_progress(&mut self, bytes: &[u8]) {
        let prefix = PROGRESS_PREFIX.as_bytes();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.is_within_line {
                self.line = Some(Vec::new());
            }
            let is_end = part.ends_with(b"\n");
            self.is_within_line = !is_end;
            let Some(line) = &mut self.line else { continue };
            line.extend_from_slice(&part[..part.len().min(MAX_LINE)]);
            let common = line.len().min(prefix.len());
            if line[..common] != prefix[..common] || line.len() > MAX_LINE {
                self.line = None;
            } else if is_end {
                let line = self.line.take().unwrap_or_default();
                self.note_line(&line);
            }
        }
    }

    /// Whether the line, which may begin with the prefix in part only, tells of progress. No number is none.
    fn note_line(&mut self, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(PROGRESS_PREFIX.as_bytes()) else { return false };
        let text = String::from_utf8_lossy(rest);
        if !text.starts_with([' ', '\t']) {
            return false;
        }
        let text = text.trim();
        let (fraction, message) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        match fraction.parse::<f64>() {
            Ok(fraction) if fraction.is_finite() => {
                self.note_progress(fraction, message.trim());
                true
            }
            Ok(_) | Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { task_id: "a".into(), attempt: 2 }
    }

    fn told(live: &Live, most: usize) -> Vec<(u64, String)> {
        let text = |piece: OutputPiece| (piece.offset, String::from_utf8_lossy(&piece.data).into());
        live.news(&key(), most).pieces.into_iter().map(text).collect()
    }

    #[test]
    fn what_was_not_told_is_told_once_and_to_a_new_principal_again() {
        let live = Live::default();
        live.say(Stream::Stdout, b"one");
        live.say(Stream::Stderr, b"!");
        assert!(live.is_news() && !live.was_told());
        assert_eq!(told(&live, 100), [(0, "one".into()), (0, "!".into())]);
        assert!(!live.is_news() && live.was_told());
        live.say(Stream::Stdout, b"two");
        assert_eq!(told(&live, 100), [(3, "two".into())]);
        live.forget_told();
        assert!(live.is_news());
        assert_eq!(told(&live, 100), [(0, "onetwo".into()), (0, "!".into())]);
    }

    #[test]
    fn of_too_much_the_beginning_and_the_end_are_kept_and_told_bit_by_bit() {
        let live = Live::default();
        live.say(Stream::Stdout, b"begin");
        live.say(Stream::Stdout, &vec![b'x'; 3 * KEPT_BYTES - 5]);
        live.say(Stream::Stdout, b"end");
        assert_eq!(told(&live, 4), [(0, "begi".into())]);
        let pieces = told(&live, usize::MAX);
        let lengths: Vec<_> = pieces.iter().map(|(offset, data)| (*offset, data.len())).collect();
        let end = 2 * KEPT_BYTES as u64 + 3;
        assert_eq!(lengths, [(4, KEPT_BYTES - 4), (end, KEPT_BYTES)]);
        live.say(Stream::Stdout, b"12345");
        let next = 3 * KEPT_BYTES as u64 + 3;
        assert_eq!(told(&live, 2), [(next, "12".into())]);
        assert!(live.is_news());
        assert_eq!(told(&live, 100), [(next + 2, "345".into())]);
        assert!(!live.is_news());
    }

    #[test]
    fn a_line_on_standard_error_tells_of_progress() {
        let live = Live::default();
        let progress = |live: &Live| live.news(&key(), 0).progress.map(|p| (p.fraction, p.message));
        for part in ["mutirao:pro", "gress 0.25 ", "half of half\nother", " mutirao:progress 1\n"] {
            live.say(Stream::Stderr, part.as_bytes());
        }
        assert_eq!(progress(&live), Some((0.25, "half of half".into())));
        assert_eq!(progress(&live), None, "told once");
        live.say(Stream::Stderr, b"mutirao:progress 7\nmutirao:progress x\n");
        assert_eq!(progress(&live), Some((1.0, String::new())));
        live.say(Stream::Stdout, b"mutirao:progress 0.5\n");
        assert_eq!(progress(&live), None);
        live.progress(f64::NAN, "x");
        assert_eq!(progress(&live), Some((0.0, "x".into())));
    }

    #[test]
    fn no_number_is_no_progress_and_the_last_line_needs_no_end() {
        let live = Live::default();
        let progress = |live: &Live| live.news(&key(), 0).progress.map(|p| (p.fraction, p.message));
        for wrong in ["inf", "-inf", "NaN", "infinity x", "1e999", ""] {
            live.say(Stream::Stderr, format!("mutirao:progress {wrong}\n").as_bytes());
            assert_eq!(progress(&live), None, "{wrong}");
        }
        live.say(Stream::Stderr, b"mutirao:progress0.5\n");
        assert_eq!(progress(&live), None);
        live.say(Stream::Stderr, b"mutirao:progress\t0.5\thalf\tof it\r\n");
        assert_eq!(progress(&live), Some((0.5, "half\tof it".into())));
        live.say(Stream::Stderr, b"mutirao:progress 0.75 nearly");
        assert_eq!(progress(&live), None, "it may go on");
        live.end_of_errors();
        assert_eq!(progress(&live), Some((0.75, "nearly".into())));
        live.end_of_errors();
        assert_eq!(progress(&live), None, "told once");
    }
}
