//! The end of what a task says.

use common::messages::words::plain_cell;
use common::proto::{FollowOutputResponse, OutputPiece};

/// Bytes that are kept: more than any screen shows.
const KEPT: usize = 64 << 10;

#[derive(Clone, Debug, Default)]
pub struct Log {
    attempt: u32,
    bytes: Vec<u8>,
}

impl Log {
    pub fn take(&mut self, part: &FollowOutputResponse) {
        part.pieces.iter().for_each(|piece| self.piece(piece));
    }

    /// A later attempt begins anew.
    fn piece(&mut self, piece: &OutputPiece) {
        if piece.attempt != self.attempt {
            (self.attempt, self.bytes) = (piece.attempt, Vec::new());
        }
        self.append(&piece.data);
    }

    fn append(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        let surplus = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..surplus);
    }

    /// The whole of it is known now.
    pub fn replace(&mut self, text: &str) {
        self.bytes.clear();
        self.append(text.as_bytes());
    }

    /// As a terminal may have them; of what a program drew over itself in one line, what it drew last.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = |line: &str| {
            let line = line.trim_end_matches('\r');
            let last = line.rsplit('\r').next().unwrap_or(line);
            plain_cell(&last.replace('\t', "    ")).into_owned()
        };
        text.lines().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pieces: &[(u32, &str)]) -> Vec<String> {
        let mut log = Log::default();
        for (attempt, text) in pieces {
            let data = text.as_bytes().to_vec();
            let piece = OutputPiece { attempt: *attempt, data, ..OutputPiece::default() };
            log.take(&FollowOutputResponse { pieces: vec![piece], ..Default::default() });
        }
        log.lines()
    }

    #[test]
    fn what_was_drawn_over_is_gone_and_controls_are_spelt_out() {
        assert_eq!(
            said(&[(1, "10 %\r20 %\r30 %\r\n"), (1, "a\tb\x1b[2J")]),
            ["30 %", r"a    b\u{1b}[2J"]
        );
    }

    #[test]
    fn another_attempt_begins_anew_and_the_end_is_kept() {
        assert_eq!(said(&[(1, "first\n"), (2, "second\n")]), ["second"]);
        let long = "0123456789\n".repeat(KEPT / 10);
        let lines = said(&[(1, &long), (1, "end")]);
        assert_eq!(lines.last().map(String::as_str), Some("end"));
        assert!(lines.len() <= KEPT / 11 + 2, "{}", lines.len());
    }
}
