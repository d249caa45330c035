//! What tasks are given: the flags of `cliente submit` as a template, and the lines that fill it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

use cliente::{
    After, ArraySpec, Delivery, Needs, Place, RetryPolicy, Start, TaskSpec, TimeLimits, UniqueKey,
};
use common::blobs::{self, InputFrom};
use common::endpoint::{MAX_LARGE_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES};
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;
use common::messages::client_usage::UsageMessage;
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::args::{self, Submit, Surroundings};
use super::super::failure::Failure;
use super::super::files::{Output, Prepared};
use super::super::taken;
use super::order::{Input, Order};

/// What takes the place of a line.
pub const PLACEHOLDER: &str = "{}";
/// The standard input, as a file's name.
pub const STDIN: &str = "-";
pub const COMMAND: &str = "command";
const SIMULATED: &str = "simulated";
/// Lines, and their bytes, that go on together.
const BATCH_LINES: usize = 5_000;
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of standard input that are read into memory; a file may be longer, where the orchestrators take that.
const MAX_STDIN_BYTES: u64 = 256 << 20;
/// Batches that wait for the orchestrator.
const BATCHES: usize = 4;

/// What every task of a submission is made from.
#[derive(Clone, Debug)]
pub struct Template {
    pub handler: String,
    delivery: Delivery,
    retry: Option<RetryPolicy>,
    max_lost_attempts: Option<u32>,
    start: Start,
    place: Place,
    times: TimeLimits,
    after: After,
    needs: Needs,
    unique: Option<UniqueKey>,
    group: Option<String>,
    webhook: Option<String>,
    blobs: Vec<blobs::Content>,
    files: args::Files,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// Text with places for a line; all of the line if there is no text.
    Text(String),
    /// JSON with places for a line in its strings.
    Json(Value),
    Program(Order),
}

impl Template {
    /// Reads what the flags name.
    pub fn read(options: &Submit) -> Result<Self, Failure> {
        let handler = match &options.handler {
            Some(handler) => handler.clone(),
            // Arguments after `--` are a program's.
            None if !options.argv.is_empty() => COMMAND.to_owned(),
            None => SIMULATED.to_owned(),
        };
        check(options, &handler)?;
        let by_line = options.each_line.is_some();
        let taken = taken::read(&options.files.input_from)?;
        let sources: BTreeSet<_> = taken.into_iter().map(|from| from.task).collect();
        let ids: BTreeSet<_> = sources.iter().chain(&options.after).cloned().collect();
        let after = After {
            ids: ids.into_iter().collect(),
            any_end: options.after_any_end,
            sources: sources.into_iter().collect(),
        };
        let content = if !options.argv.is_empty() {
            let stdin = match &options.stdin_from {
                Some(source) => read(source)?.into(),
                None => Input::default(),
            };
            let argv = program(&options.argv, by_line);
            let Surroundings { memory_limit, env, .. } = &options.surroundings;
            let (env, memory_limit) = (env.iter().cloned().collect(), *memory_limit);
            let place = (&options.surroundings).into();
            let order = Order { argv, env, stdin, place, memory_limit, ..Order::default() };
            Content::Program(order)
        } else {
            match (options.payload.as_deref(), by_line) {
                (None, true) => Content::Text(PLACEHOLDER.to_owned()),
                (None, false) => Content::Bytes(Vec::new()),
                (Some(payload), true) => with_places(payload)?,
                (Some(payload), false) => Content::Bytes(payload_bytes(payload)?),
            }
        };
        let (retry, max_lost_attempts) = (options.retry.policy(), options.retry.max_lost_attempts);
        let start = options.start();
        let (place, times) = (options.way.place(), options.way.times());
        let delivery = options.delivery.into();
        let (needs, unique) = (options.way.needs(), options.unique());
        let (group, webhook) = (options.way.group.clone(), options.way.webhook.clone());
        let (blobs, files) = (Vec::new(), options.files.clone());
        Ok(Self {
            handler,
            delivery,
            retry,
            max_lost_attempts,
            start,
            place,
            times,
            after,
            needs,
            unique,
            group,
            webhook,
            blobs,
            files,
            content,
        })
    }

    /// What the program takes with it where this line, or these inputs, fill the places.
    pub fn inputs(&self, fill: impl Fn(&str) -> String) -> Vec<String> {
        self.files.input.iter().map(|input| fill(input)).collect()
    }

    /// Programs of other lines take, or make, other files.
    pub fn has_files(&self) -> bool {
        self.files.given().is_some()
    }

    /// What comes back of its files.
    pub fn outputs(&self, fill: impl Fn(&str) -> String) -> Result<Vec<Output>, Failure> {
        self.files.output_file.iter().map(|output| Output::read(output, &fill)).collect()
    }

    /// What it takes of other tasks, where this line, or these inputs, fill the places.
    pub fn taken(&self, fill: impl Fn(&str) -> String) -> Result<Vec<InputFrom>, Failure> {
        let filled: Vec<_> = self.files.input_from.iter().map(|from| fill(from)).collect();
        taken::read(&filled)
    }

    /// The same for a program that takes and makes these.
    pub fn with_files(
        mut self,
        (prepared, taken): (&Prepared, Vec<InputFrom>),
        outputs: &[Output],
    ) -> Self {
        if let Content::Program(order) = &mut self.content {
            order.inputs_from = taken;
            order.inputs.clone_from(&prepared.inputs);
            order.outputs = outputs.iter().map(|output| output.name.clone()).collect();
        }
        self.blobs = prepared.sources.iter().map(|(content, _)| *content).collect();
        self
    }

    /// A new task with this payload.
    pub fn task(&self, payload: Vec<u8>) -> TaskSpec {
        TaskSpec {
            delivery: self.delivery,
            retry: self.retry.clone(),
            max_lost_attempts: self.max_lost_attempts,
            start: self.start,
            place: self.place.clone(),
            times: self.times,
            after: self.after.clone(),
            needs: self.needs.clone(),
            unique: self.unique.clone(),
            group: self.group.clone(),
            webhook: self.webhook.clone(),
            blobs: self.blobs.clone(),
            ..TaskSpec::new(&self.handler, payload)
        }
    }

    /// A new array of tasks with these numbers, which no line fills.
    pub fn array(&self, numbers: Range<u32>) -> ArraySpec {
        ArraySpec::like(self.task(self.only_payload()), numbers)
    }

    /// The payload of a task for `line`, or of one that needs none.
    pub fn payload(&self, line: &str) -> Vec<u8> {
        match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Text(text) => text.replace(PLACEHOLDER, line).into_bytes(),
            Content::Json(value) => filled(value, line).to_string().into_bytes(),
            Content::Program(Order { argv, .. }) => {
                self.order(argv.iter().map(|arg| arg.replace(PLACEHOLDER, line)).collect())
            }
        }
    }

    /// The payload for this command line, with the rest of every task.
    pub fn order(&self, argv: Vec<String>) -> Vec<u8> {
        match &self.content {
            Content::Program(order) => Order { argv, ..order.clone() },
            Content::Bytes(_) | Content::Text(_) | Content::Json(_) => {
                Order { argv, ..Order::default() }
            }
        }
        .payload()
    }

    /// The payload where no line fills it.
    pub fn only_payload(&self) -> Vec<u8> {
        match &self.content {
            // An argument may well be `{}`.
            Content::Program(_) => self.payload(PLACEHOLDER),
            Content::Bytes(_) | Content::Text(_) | Content::Json(_) => self.payload(""),
        }
    }
}

fn check(options: &Submit, handler: &str) -> Result<(), Failure> {
    let has_input = options.payload.is_some() || options.each_line.is_some();
    let inputs = [&options.payload, &options.each_line, &options.stdin_from];
    let problem = if inputs.into_iter().filter(|input| input.as_deref() == Some(STDIN)).count() > 1
    {
        ClientMessage::TwoInputs
    } else if options.retry.is_any() && options.delivery == args::Delivery::AtMostOnce {
        ClientMessage::OnceIsNotRetried
    } else if let Some((code, meant)) = options.retry.unknown_code(handler != COMMAND) {
        ClientMessage::Usage(UsageMessage::UnknownFailure { flag: "--retry-on", code, meant })
    } else if !options.argv.is_empty() && handler != COMMAND {
        ClientMessage::CommandLineNotTaken { handler: handler.to_owned() }
    } else if let Some(flag) = program_flag(options).filter(|_| options.argv.is_empty()) {
        ClientMessage::OnlyForPrograms { flag }
    } else if handler == COMMAND && options.argv.is_empty() && options.payload.is_none() {
        ClientMessage::NoCommandLine
    } else if options.handler.is_none() && options.argv.is_empty() && !has_input {
        ClientMessage::NothingToSubmit
    } else {
        return Ok(());
    };
    Err(Failure::usage(problem))
}

/// One that was given and is for programs only.
fn program_flag(options: &Submit) -> Option<&'static str> {
    options
        .stdin_from
        .as_ref()
        .map(|_| "--stdin-from")
        .or(options.surroundings.given())
        .or(options.files.given())
}

/// A line without a place of its own comes last.
fn program(argv: &[String], by_line: bool) -> Vec<String> {
    let mut argv = argv.to_vec();
    if by_line && !argv.iter().any(|arg| arg.contains(PLACEHOLDER)) {
        argv.push(PLACEHOLDER.to_owned());
    }
    argv
}

/// In JSON a line goes into strings, where its quotes do no harm.
fn with_places(payload: &str) -> Result<Content, Failure> {
    let payload = String::from_utf8(payload_bytes(payload)?)
        .map_err(|_| Failure::usage(ClientMessage::NotText { source: "--payload".into() }))?;
    if let Ok(value) = serde_json::from_str::<Value>(&payload)
        && has_place(&value)
    {
        return Ok(Content::Json(value));
    }
    if payload.contains(PLACEHOLDER) {
        Ok(Content::Text(payload))
    } else {
        Err(Failure::usage(ClientMessage::NoPlaceholder))
    }
}

fn has_place(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(PLACEHOLDER),
        Value::Array(values) => values.iter().any(has_place),
        Value::Object(fields) => fields.values().any(has_place),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn filled(value: &Value, line: &str) -> Value {
    match value {
        Value::String(text) => text.replace(PLACEHOLDER, line).into(),
        Value::Array(values) => values.iter().map(|value| filled(value, line)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), filled(value, line))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The text itself, a file's content for `@FILE`, or standard input.
fn payload_bytes(payload: &str) -> Result<Vec<u8>, Failure> {
    match payload.strip_prefix('@') {
        Some(path) => read(path),
        None if payload == STDIN => read(STDIN),
        None => Ok(payload.as_bytes().to_vec()),
    }
}

/// A file, or standard input for `-`. Of what is longer than anything may be no more is read.
pub fn read(source: &str) -> Result<Vec<u8>, Failure> {
    let most = if source == STDIN { MAX_STDIN_BYTES } else { MAX_LARGE_PAYLOAD_BYTES as u64 };
    read_within(source, most)
}

/// The same where less is too much.
pub fn read_within(source: &str, most: u64) -> Result<Vec<u8>, Failure> {
    let too_long = || {
        let source = source.to_owned();
        Failure::usage(ClientMessage::Files(FilesMessage::TooLong { source, most }))
    };
    let mut content = Vec::new();
    let done = tokio::task::block_in_place(|| {
        if source == STDIN {
            return std::io::stdin().lock().take(most + 1).read_to_end(&mut content);
        }
        let file = File::open(source)?;
        match file.metadata()?.len() {
            length if length > most => Ok(usize::MAX),
            _ => file.take(most + 1).read_to_end(&mut content),
        }
    });
    match done.map_err(Failure::input(source))? as u64 > most {
        true => Err(too_long()),
        false => Ok(content),
    }
}

pub fn text(source: &str, content: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(content)
        .map_err(|_| Failure::usage(ClientMessage::NotText { source: source.to_owned() }))
}

/// What ends a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `\n`, or `\r\n`.
    Newline,
    /// A byte of zero, as `find -print0` has it: a line may hold line breaks.
    Null,
}

impl End {
    fn byte(self) -> u8 {
        match self {
            Self::Newline => b'\n',
            Self::Null => 0,
        }
    }
}

/// The lines of a file or of standard input as they come, in batches; empty lines are left out.
pub fn lines(
    source: &str,
    end: End,
) -> Result<mpsc::Receiver<Result<Vec<String>, Failure>>, Failure> {
    let input: Box<dyn Read + Send> = if source == STDIN {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(source).map_err(Failure::input(source))?)
    };
    let (sender, receiver) = mpsc::channel(BATCHES);
    let source = source.to_owned();
    // A thread of its own: reading standard input cannot be interrupted, and nothing waits for its end.
    std::thread::spawn(move || {
        let mut reader = BufReader::with_capacity(1 << 20, input);
        let mut number = 0;
        loop {
            let (lines, failure) = batch(&mut reader, (&source, end), &mut number);
            let is_last = lines.is_empty() || failure.is_some();
            if !lines.is_empty() && sender.blocking_send(Ok(lines)).is_err() {
                return;
            }
            if let Some(failure) = failure {
                // Nobody needs it who has stopped listening.
                drop(sender.blocking_send(Err(failure)));
            }
            if is_last {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Lines, and why there are no more.
type Batch = (Vec<String>, Option<Failure>);

/// Lines that are there, up to a limit; waits only for the first. Empty at the end of the input.
fn batch<R: Read>(reader: &mut BufReader<R>, of: (&str, End), number: &mut u64) -> Batch {
    let mut lines = Vec::new();
    let mut bytes = 0;
    while lines.len() < BATCH_LINES && bytes < BATCH_BYTES {
        if !lines.is_empty() && reader.buffer().is_empty() {
            break;
        }
        match line(reader, of, number) {
            Ok(Some(line)) if line.is_empty() => {}
            Ok(Some(line)) => {
                bytes += line.len();
                lines.push(line);
            }
            Ok(None) => break,
            Err(failure) => return (lines, Some(failure)),
        }
    }
    (lines, None)
}

/// The next line without its end; `None` at the end of the input.
fn line<R: Read>(
    reader: &mut BufReader<R>,
    (source, end): (&str, End),
    number: &mut u64,
) -> Result<Option<String>, Failure> {
    let mut line = Vec::new();
    let limit = MAX_PAYLOAD_BYTES;
    let read = reader.by_ref().take(limit as u64 + 2).read_until(end.byte(), &mut line);
    if read.map_err(Failure::input(source))? == 0 {
        return Ok(None);
    }
    *number += 1;
    if line.ends_with(&[end.byte()]) {
        line.pop();
    }
    if end == End::Newline && line.ends_with(b"\r") {
        line.pop();
    }
    let source = source.to_owned();
    if line.len() > limit {
        return Err(Failure::usage(ClientMessage::LineTooLong { line: *number, limit }));
    }
    String::from_utf8(line)
        .map(Some)
        .map_err(|_| Failure::usage(ClientMessage::LineNotText { line: *number, source }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Args, Online, Subcommand};

    fn template(args: &[&str]) -> Result<Template, Failure> {
        let all = ["cliente", "submit"].iter().chain(args);
        let args = Args::try_parse_from(all).expect("can be parsed");
        let Some(Subcommand::Online(Online::Submit(options))) = args.command else {
            panic!("another command")
        };
        Template::read(&options)
    }

    fn filled_with(args: &[&str], line: &str) -> String {
        let template = template(args).expect("is right");
        String::from_utf8(template.payload(line)).expect("is text")
    }

    #[test]
    fn a_line_replaces_the_placeholder_or_comes_last() {
        let each = ["--each-line", "lines"];
        let with = |rest: &[&'static str]| [&each[..], rest].concat();
        assert_eq!(
            filled_with(&with(&["--", "convert", "{}", "{}.png"]), "a b"),
            r#"{"argv":["convert","a b","a b.png"]}"#
        );
        assert_eq!(filled_with(&with(&["--", "sha256sum"]), "a"), r#"{"argv":["sha256sum","a"]}"#);
        assert_eq!(filled_with(&with(&["--handler", "echo"]), "a"), "a");
        assert_eq!(filled_with(&with(&["--handler", "echo", "--payload", "<{}>"]), "a"), "<a>");
        assert_eq!(filled_with(&with(&["--handler", "echo", "--payload", "{}"]), "a"), "a");
    }

    #[test]
    fn a_line_with_quotes_does_not_break_json() {
        let payload = r#"{"description":"olá {}","seconds":1}"#;
        assert_eq!(
            filled_with(&["--each-line", "lines", "--payload", payload], r#"a"b"#),
            r#"{"description":"olá a\"b","seconds":1}"#
        );
    }

    #[test]
    fn a_program_without_lines_is_taken_as_it_is() {
        let template = template(&["--", "true", "{}"]).expect("is right");
        assert_eq!(template.handler, "command");
        assert_eq!(template.only_payload(), br#"{"argv":["true","{}"]}"#);
    }

    #[test]
    fn where_a_program_runs_and_what_it_may_take_are_in_its_order() {
        let program = ["--", "true"];
        let order = |flags: &[&'static str]| filled_with(&[flags, &program[..]].concat(), "");
        assert_eq!(order(&["--own-dir"]), r#"{"argv":["true"],"own_dir":true}"#);
        assert_eq!(
            order(&["--cwd", "/srv", "--memory-limit", "2GiB"]),
            r#"{"argv":["true"],"cwd":"/srv","memory_limit":2147483648}"#
        );
        let both = ["cliente", "submit", "--own-dir", "--cwd", ".", "--", "true"];
        assert!(Args::try_parse_from(both).is_err());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for args in [
            &["--handler", "command"][..],
            &["--handler", "echo", "--", "true"],
            &["--handler", "echo", "--stdin-from", "f"],
            &["--handler", "echo", "--payload", "x", "--own-dir"],
            &["--handler", "command", "--payload", "{}", "--memory-limit", "1GiB"],
            &["--each-line", "-", "--stdin-from", "-", "--", "cat"],
            &["--each-line", "lines", "--handler", "echo", "--payload", "always the same"],
            &["--payload", "@/there/is/no/such/file"],
        ] {
            assert!(matches!(template(args), Err(Failure::Usage(_))), "{args:?} was accepted");
        }
    }

    #[test]
    fn lines_come_without_their_ends_and_without_empty_ones() {
        let mut reader = BufReader::new(&b"a\r\n\nb\nc"[..]);
        let mut number = 0;
        let (lines, failure) = batch(&mut reader, ("x", End::Newline), &mut number);
        assert!(failure.is_none());
        assert_eq!(lines, ["a", "b", "c"]);
        assert!(batch(&mut reader, ("x", End::Newline), &mut number).0.is_empty());
    }

    #[test]
    fn what_ends_with_zeros_may_hold_line_breaks() {
        let mut reader = BufReader::new(&b"a\r\nb\r\0\0c"[..]);
        let (lines, failure) = batch(&mut reader, ("x", End::Null), &mut 0);
        assert!(failure.is_none());
        assert_eq!(lines, ["a\r\nb\r", "c"]);
    }
}
