//! What running attempts say: kept by whoever is principal, in memory and never durably, for those who follow it. Workers tell
//! a new principal the last of it again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::proto::{AttemptOutput, OutputPiece, OutputStream, Progress};
use hashbrown::HashMap;
use orquestrador_core::ids::TaskId;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Bytes of the beginning, and as many of the end, of each stream of an attempt that are kept.
const KEPT_BYTES: usize = 1 << 20;
/// Of each stream of an attempt that ended with its worker: what its record has.
const RECORDED_BYTES: usize = 64 << 10;
/// Of all attempts; beyond it those are forgotten that are over, and then those that have been silent for longest.
const MAX_KEPT_BYTES: usize = 128 << 20;
/// What an attempt counts beside what it said.
const ENTRY_BYTES: usize = 512;
/// Bytes of a progress message that are kept.
const MAX_MESSAGE: usize = 256;

/// Shared by all sessions of workers and all who follow.
#[derive(Clone, Default)]
pub struct Outputs(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    by_task: HashMap<TaskId, Said>,
    /// Which is to be forgotten first.
    by_age: BTreeMap<Age, TaskId>,
    next_age: u64,
    bytes: usize,
}

/// By the newest attempt that was heard of; 0 for none.
struct Said {
    worker: Arc<str>,
    attempt: u32,
    stdout: Ends,
    stderr: Ends,
    progress: Option<Progress>,
    age: Age,
    news: watch::Sender<()>,
}

/// Whether it goes on, and when it said something last.
type Age = (bool, u64);

/// The beginning of a stream, and its last part behind that.
#[derive(Default)]
struct Ends {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Of the whole stream, as far as it was heard.
    end: u64,
}

/// What somebody has heard of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub attempt: u32,
    pub stdout: u64,
    pub stderr: u64,
}

/// Somebody who follows a task.
pub struct Follower {
    outputs: Outputs,
    task: TaskId,
    news: watch::Receiver<()>,
}

impl Outputs {
    /// A worker tells what one of its attempts said. What is not well-formed is left out: nothing depends on it.
    pub fn note(&self, worker: &Arc<str>, output: AttemptOutput) {
        let Some(task) = task_id(&output.task_id) else { return };
        if output.attempt == 0 {
            return;
        }
        let mut kept = self.kept();
        let said = kept.said(task);
        if output.attempt < said.attempt {
            return;
        }
        let before = said.bytes();
        if (output.attempt, worker) != (said.attempt, &said.worker) {
            (said.attempt, said.worker) = (output.attempt, Arc::clone(worker));
            (said.stdout, said.stderr, said.progress) = Default::default();
        }
        for piece in output.pieces {
            match piece.stream() {
                OutputStream::Stdout => said.stdout.note(piece.offset, &piece.data),
                OutputStream::Stderr => said.stderr.note(piece.offset, &piece.data),
                OutputStream::Unspecified => {}
            }
        }
        if let Some(Progress { fraction, message }) = output.progress {
            let message = message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned();
            said.progress = Some(Progress { fraction, message });
        }
        said.news.send_replace(());
        kept.grown(task, before);
        kept.forget_oldest();
    }

    /// The attempt is over. Of one that succeeded the result has all that matters; of others it is not known whether it
    /// was the last one.
    pub fn ended(&self, task_id: &str, has_succeeded: bool) {
        let mut kept = self.kept();
        let Some(task) = self::task_id(task_id) else { return };
        let Some(said) = kept.by_task.get(&task) else { return };
        match has_succeeded && said.news.receiver_count() == 0 {
            true => kept.remove(task),
            false => kept.set_age(task, false),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.kept().by_task.is_empty()
    }

    pub fn follow(&self, task: TaskId) -> Follower {
        let news = self.kept().said(task).news.subscribe();
        Follower { outputs: self.clone(), task, news }
    }

    /// How far this attempt is, as far as it said so.
    pub fn progress(&self, task: TaskId, (worker, attempt): (&str, u32)) -> Option<Progress> {
        let kept = self.kept();
        let said = kept.by_task.get(&task).filter(|said| said.is_of(worker, attempt))?;
        said.progress.clone()
    }

    /// What is kept of this attempt, in the form in which the `command` handler reports.
    pub fn report(&self, task: TaskId, attempt: u32) -> Option<Vec<u8>> {
        let kept = self.kept();
        let said = kept.by_task.get(&task).filter(|said| said.attempt == attempt)?;
        let (stdout, stderr) = (&said.stdout, &said.stderr);
        let is_cut = |of: &Ends| of.end > of.last().len() as u64;
        let report = json!({
            "exit_code": null, "stdout": stdout.value(), "stderr": stderr.value(),
            "truncated": is_cut(stdout) || is_cut(stderr),
        });
        (stdout.end > 0 || stderr.end > 0).then(|| report.to_string().into_bytes())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn said(&mut self, task: TaskId) -> &mut Said {
        let Self { by_task, by_age, next_age, bytes } = self;
        by_task.entry(task).or_insert_with(|| {
            *next_age += 1;
            *bytes += ENTRY_BYTES;
            by_age.insert((true, *next_age), task);
            Said {
                worker: Arc::from(""),
                attempt: 0,
                stdout: Ends::default(),
                stderr: Ends::default(),
                progress: None,
                age: (true, *next_age),
                news: watch::Sender::default(),
            }
        })
    }

    /// It said something: it is the youngest now, and no longer as long as `before`.
    fn grown(&mut self, task: TaskId, before: usize) {
        let Some(said) = self.by_task.get(&task) else { return };
        self.bytes = self.bytes + said.bytes() - before;
        self.set_age(task, true);
    }

    fn set_age(&mut self, task: TaskId, goes_on: bool) {
        let Some(said) = self.by_task.get_mut(&task) else { return };
        self.next_age += 1;
        self.by_age.remove(&said.age);
        said.age = (goes_on, self.next_age);
        self.by_age.insert(said.age, task);
    }

    fn forget_oldest(&mut self) {
        while self.bytes > MAX_KEPT_BYTES
            && let Some((_, task)) = self.by_age.pop_first()
        {
            self.remove(task);
        }
    }

    fn remove(&mut self, task: TaskId) {
        if let Some(said) = self.by_task.remove(&task) {
            self.by_age.remove(&said.age);
            self.bytes -= said.bytes();
        }
    }
}

impl Said {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.stdout.bytes() + self.stderr.bytes()
    }

    /// `worker`: empty where the attempt is over, and nobody remembers whose it was.
    fn is_of(&self, worker: &str, attempt: u32) -> bool {
        (worker.is_empty() || *self.worker == *worker) && self.attempt == attempt
    }
}

impl Ends {
    fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Parts may come twice; where one is missing, what came before it behind the beginning is forgotten.
    fn note(&mut self, offset: u64, data: &[u8]) {
        // Nobody has said so much.
        if offset.checked_add(data.len() as u64).is_none() {
            return;
        }
        if offset > self.end {
            self.tail.clear();
            self.end = offset;
        }
        let known = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        let Some(new) = data.get(known..) else { return };
        let is_beginning = self.end == self.head.len() as u64;
        self.end += new.len() as u64;
        let room = if is_beginning { KEPT_BYTES - self.head.len() } else { 0 };
        let (head, new) = new.split_at(new.len().min(room));
        self.head.extend_from_slice(head);
        let new = &new[new.len().saturating_sub(KEPT_BYTES)..];
        let room = KEPT_BYTES - new.len();
        self.tail.drain(..self.tail.len().saturating_sub(room));
        self.tail.extend(new);
    }

    /// Of what is kept without a gap up to the end, the last part.
    fn last(&self) -> Vec<u8> {
        let is_whole = self.end == self.bytes() as u64;
        let missing = RECORDED_BYTES.saturating_sub(self.tail.len());
        let head = if is_whole { &self.head[..] } else { &[] };
        let head = &head[head.len().saturating_sub(missing)..];
        let tail = self.tail.range(self.tail.len().saturating_sub(RECORDED_BYTES)..);
        head.iter().chain(tail).copied().collect()
    }

    /// Text where it is text, without the parts of characters at its ends, which were cut through.
    fn value(&self) -> Value {
        let bytes = self.last();
        let is_cut = self.end > bytes.len() as u64;
        let is_inside = |byte: &&u8| (**byte & 0xc0) == 0x80;
        let skipped = if is_cut { bytes.iter().take(3).take_while(is_inside).count() } else { 0 };
        match std::str::from_utf8(&bytes[skipped..]) {
            Ok(text) => text.into(),
            Err(error) if error.error_len().is_none() => {
                String::from_utf8_lossy(&bytes[skipped..skipped + error.valid_up_to()]).into()
            }
            Err(_) => json!({ "base64": BASE64.encode(bytes) }),
        }
    }

    /// What comes from there on without a gap, as far as it is kept.
    fn since(&self, from: u64) -> Option<(u64, Vec<u8>)> {
        let new = usize::try_from(self.end.checked_sub(from)?).unwrap_or(usize::MAX);
        let place = usize::try_from(from).unwrap_or(usize::MAX);
        if let Some(head) = self.head.get(place..).filter(|head| !head.is_empty()) {
            return Some((from, head.to_vec()));
        }
        let count = new.min(self.tail.len());
        let data = self.tail.range(self.tail.len() - count..).copied().collect();
        (count > 0).then(|| (self.end - count as u64, data))
    }
}

impl Follower {
    /// Until something new may have been said.
    pub async fn changed(&mut self) {
        while self.news.changed().await.is_err() {
            // It was forgotten, to make room for others.
            self.news = self.outputs.kept().said(self.task).news.subscribe();
        }
    }

    /// What this attempt has said since, and how far it is.
    pub fn news(
        &self,
        heard: &mut Heard,
        (worker, attempt): (&str, u32),
    ) -> (Vec<OutputPiece>, Option<Progress>) {
        let kept = self.outputs.kept();
        let said = kept.by_task.get(&self.task).filter(|said| said.is_of(worker, attempt));
        let Some(said) = said else { return Default::default() };
        if heard.attempt != attempt {
            *heard = Heard { attempt, ..Heard::default() };
        }
        let streams = [
            (OutputStream::Stdout, &said.stdout, &mut heard.stdout),
            (OutputStream::Stderr, &said.stderr, &mut heard.stderr),
        ];
        let mut pieces = Vec::new();
        for (stream, of, heard) in streams {
            while let Some((offset, data)) = of.since(*heard) {
                *heard = offset + data.len() as u64;
                pieces.push(OutputPiece { attempt, stream: stream.into(), offset, data });
            }
        }
        (pieces, said.progress.clone())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut kept = self.outputs.kept();
        let said = kept.by_task.get(&self.task);
        // This one is still counted.
        if said.is_some_and(|said| said.attempt == 0 && said.news.receiver_count() <= 1) {
            kept.remove(self.task);
        }
    }
}

fn task_id(text: &str) -> Option<TaskId> {
    uuid::Uuid::try_parse(text).ok().map(|id| TaskId(id.as_u128()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId(7);

    fn said(attempt: u32, offset: u64, data: &str) -> AttemptOutput {
        let (stream, data) = (OutputStream::Stdout.into(), data.as_bytes().to_vec());
        let pieces = vec![OutputPiece { attempt, stream, offset, data }];
        AttemptOutput { task_id: TASK.to_string(), attempt, pieces, progress: None }
    }

    fn u128_id(id: u128) -> String {
        TaskId(id).to_string()
    }

    fn heard(follower: &Follower, heard: &mut Heard, of: (&str, u32)) -> Vec<(u64, String)> {
        let text = |piece: OutputPiece| (piece.offset, String::from_utf8_lossy(&piece.data).into());
        follower.news(heard, of).0.into_iter().map(text).collect()
    }

    #[test]
    fn each_follower_hears_each_part_once_although_it_is_told_twice() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        outputs.note(&worker, said(1, 0, "one"));
        let (follower, mut so_far) = (outputs.follow(TASK), Heard::default());
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), [(0, "one".into())]);
        outputs.note(&worker, said(1, 0, "onetwo"));
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), [(3, "two".into())]);
        outputs.note(&worker, said(1, 9, "later"));
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), [(9, "later".into())], "with a gap");
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), []);
        assert_eq!(heard(&follower, &mut so_far, ("x", 1)), [], "of another worker");
    }

    #[test]
    fn a_newer_attempt_takes_the_place_and_an_older_one_is_not_heard() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        outputs.note(&worker, said(2, 0, "two"));
        outputs.note(&worker, said(1, 0, "one"));
        let (follower, mut so_far) = (outputs.follow(TASK), Heard::default());
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), []);
        assert_eq!(heard(&follower, &mut so_far, ("w", 2)), [(0, "two".into())]);
        outputs.note(&worker, said(3, 0, "3"));
        assert_eq!(heard(&follower, &mut so_far, ("w", 3)), [(0, "3".into())]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_most_silent_is_forgotten() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        outputs.note(&worker, AttemptOutput { task_id: u128_id(1 << 64), ..said(1, 0, "quiet") });
        let text = "x".repeat(3 * KEPT_BYTES);
        let count = 2 * MAX_KEPT_BYTES / KEPT_BYTES;
        for task in 0..count as u128 {
            let task_id = TaskId(task).to_string();
            outputs.note(&worker, AttemptOutput { task_id: task_id.clone(), ..said(1, 0, &text) });
            outputs.ended(&task_id, false);
        }
        let kept = outputs.kept();
        assert!(kept.bytes <= MAX_KEPT_BYTES);
        assert_eq!(kept.bytes, kept.by_task.values().map(Said::bytes).sum::<usize>());
        assert!(kept.by_task.contains_key(&TaskId(1 << 64)), "what goes on stays longer");
        assert!(!kept.by_task.contains_key(&TaskId(0)));
        assert!(kept.by_task.contains_key(&TaskId(count as u128 - 1)));
    }

    #[test]
    fn what_is_recorded_is_the_end_of_what_was_heard() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        outputs.note(&worker, said(1, 0, &("\0".repeat(KEPT_BYTES) + "end")));
        let report = outputs.report(TASK, 1).expect("something was said");
        assert!(report.len() < 7 * RECORDED_BYTES, "{}", report.len());
        let report: Value = serde_json::from_slice(&report).expect("is JSON");
        assert!(report["stdout"].as_str().is_some_and(|text| text.ends_with("end")));
        assert_eq!(report["truncated"], true);
        assert_eq!(outputs.report(TASK, 2), None);
        outputs.note(&worker, said(3, 0, &("á".repeat(RECORDED_BYTES / 2) + "x")));
        let report = outputs.report(TASK, 3).expect("something was said");
        let report: Value = serde_json::from_slice(&report).expect("is JSON");
        let kept = report["stdout"].as_str().expect("is text, the half of a character left out");
        assert_eq!(kept, "á".repeat(RECORDED_BYTES / 2 - 1) + "x");
    }

    #[test]
    fn nothing_is_kept_of_what_no_attempt_can_say() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        outputs.note(&worker, AttemptOutput { attempt: 0, ..said(1, 0, "x") });
        outputs.note(&worker, AttemptOutput { task_id: "no id".into(), ..said(1, 0, "x") });
        assert!(outputs.is_empty());
        outputs.note(&worker, said(1, 0, "right"));
        let (follower, mut so_far) = (outputs.follow(TASK), Heard::default());
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), [(0, "right".into())]);
        outputs.note(&worker, said(1, u64::MAX, "wrong"));
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), []);
        outputs.note(&worker, said(1, u64::MAX - 3, "end"));
        let end = (u64::MAX - 3, "end".into());
        assert_eq!(heard(&follower, &mut so_far, ("w", 1)), [end]);
        assert!(outputs.report(TASK, 1).is_some());
    }

    #[test]
    fn whoever_comes_late_hears_the_beginning_and_the_end() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        let text = "x".repeat(KEPT_BYTES);
        for nth in 0..5 {
            outputs.note(&worker, said(1, nth * KEPT_BYTES as u64, &text));
        }
        let follower = outputs.follow(TASK);
        let lengths: Vec<_> = heard(&follower, &mut Heard::default(), ("w", 1))
            .into_iter()
            .map(|(offset, data)| (offset / KEPT_BYTES as u64, data.len() / KEPT_BYTES))
            .collect();
        assert_eq!(lengths, [(0, 1), (4, 1)]);
        // One that took the office later has not heard the beginning.
        outputs.note(&worker, said(2, 7, "later"));
        let expected = [(7, "later".to_owned())];
        assert_eq!(heard(&follower, &mut Heard::default(), ("w", 2)), expected);
    }

    #[test]
    fn what_nobody_needs_is_not_kept() {
        let (outputs, worker) = (Outputs::default(), Arc::from("w"));
        drop(outputs.follow(TASK));
        assert!(outputs.kept().by_task.is_empty());
        outputs.note(&worker, said(1, 0, "one"));
        let follower = outputs.follow(TASK);
        outputs.ended(&TASK.to_string(), true);
        assert_eq!(heard(&follower, &mut Heard::default(), ("w", 1)).len(), 1);
        drop(follower);
        outputs.ended(&TASK.to_string(), true);
        assert_eq!(outputs.kept().bytes, 0);
    }
}
