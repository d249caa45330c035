//! What the `command` handler says of a program: a JSON object, with what is no text in base64.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cliente::{Client, Unreceived};
use common::array_id;
use common::blobs::{Content, Hash, StagedFile};
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_arrays::ArrayMessage;
use common::proto::{OutputStream, Task, TaskState};
use serde_json::Value;

use super::Context;
use super::failure::Failure;
use super::output::{self, TaskView};
use super::terminal::{say, say_bytes};

const HANDLER: &str = "command";

/// Above these a shell says which signal has killed a program.
const OF_SIGNALS: u8 = 128;

pub struct Report {
    /// Of a program that ended by itself.
    pub exit_code: Option<u8>,
    /// Of one that was killed, or not started: what a shell makes of that.
    shell_code: Option<u8>,
    stdout: Printed,
    stderr: Printed,
    /// It printed more than is kept.
    is_cut: bool,
    /// What it made, as far as that was wanted.
    pub files: Vec<StagedFile>,
}

impl Report {
    /// `None` if it is something else.
    pub fn read(result: &[u8]) -> Option<Self> {
        let report: Value = serde_json::from_slice(result).ok()?;
        Some(Self {
            exit_code: byte(&report["exit_code"]),
            shell_code: match byte(&report["signal"]) {
                Some(signal) => OF_SIGNALS.checked_add(signal),
                None => byte(&report["shell_code"]),
            },
            stdout: Printed::read(&report["stdout"])?,
            stderr: Printed::read(&report["stderr"])?,
            is_cut: report["truncated"] == true,
            files: match report.get("files") {
                Some(files) => serde_json::from_value(files.clone()).ok()?,
                None => Vec::new(),
            },
        })
    }

    /// Not all that it printed was kept.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// What a shell that had run the program would give.
    pub fn as_of_shell(&self) -> Option<u8> {
        self.exit_code.or(self.shell_code)
    }

    /// With what is long, too, on this machine.
    pub async fn received(mut self, client: &Client) -> Result<Self, Failure> {
        for stream in [&mut self.stdout, &mut self.stderr] {
            if let Printed::Stored(content) = stream {
                *stream = Printed::File(received(client, *content).await?);
            }
        }
        Ok(self)
    }

    /// What was printed from there on, as far as it is kept, in parts.
    pub fn since(
        &self,
        stream: OutputStream,
        from: u64,
        take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let kept = match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr | OutputStream::Unspecified => &self.stderr,
        };
        kept.since(from, take)
    }

    /// Beyond what was shown while it ran: so many bytes of standard output and of standard error.
    pub fn show_rest(
        &self,
        context: &Context,
        (stdout, stderr): (u64, u64),
    ) -> Result<(), Failure> {
        self.stderr.since(stderr, tell)?;
        self.stdout.since(stdout, output::bytes)?;
        // What was shown beyond what is kept was shown to the end.
        let is_shown = stdout > self.stdout.length() || stderr > self.stderr.length();
        if self.is_cut && !is_shown {
            say(&ClientMessage::OutputCut.text(context.lang));
        }
        Ok(())
    }

    /// `None` of another handler.
    pub fn of(task: &Task, result: &[u8]) -> Option<Self> {
        if task.handler == HANDLER { Self::read(result) } else { None }
    }

    /// All that it printed, as text.
    pub fn text(&self) -> String {
        let streams = [&self.stdout, &self.stderr].map(Printed::text);
        let streams = streams.iter().map(|stream| stream.trim_end());
        streams.filter(|stream| !stream.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// What the program printed goes where it printed it, as it was. `tag`: what comes before each line.
    pub fn show(&self, context: &Context, tag: Option<&str>) -> Result<(), Failure> {
        match tag {
            Some(tag) => {
                self.stderr.lines(|line| tell(&tagged(tag, line)))?;
                self.stdout.lines(|line| output::bytes(&tagged(tag, line)))?;
            }
            None => {
                self.stderr.since(0, tell)?;
                self.stdout.since(0, output::bytes)?;
            }
        }
        if self.is_cut {
            say(&ClientMessage::OutputCut.text(context.lang));
        }
        Ok(())
    }
}

/// What stands for a task that did not succeed.
pub fn say_repetition(context: &Context, task: &Task) {
    if !task.retried_as.is_empty() {
        let [task, by] = [&task.task_id, &task.retried_as].map(|id| array_id::shown(id));
        say(&ClientMessage::Arrays(ArrayMessage::Repeated { task, by }).text(context.lang));
    }
}

/// The line of a task among others has no room for what its program said of its failure.
pub fn say_failure(context: &Context, view: &TaskView) {
    if context.is_json {
        return;
    }
    say_repetition(context, &view.task);
    if view.task.state() != TaskState::Failed {
        return;
    }
    let report = view.result.as_deref().and_then(|result| Report::of(&view.task, result));
    let Some(report) = report else { return };
    let text = report.text();
    if !text.is_empty() {
        say(&text);
    }
    if report.is_cut {
        say(&ClientMessage::OutputCut.text(context.lang));
    }
}

fn byte(number: &Value) -> Option<u8> {
    number.as_u64().and_then(|number| u8::try_from(number).ok())
}

/// What a stream had.
enum Printed {
    Bytes(Vec<u8>),
    /// Too long for a report.
    Stored(Content),
    /// The same on this machine.
    File(File),
}

/// Of a file, at once.
const PART: usize = 256 << 10;

impl Printed {
    fn read(stream: &Value) -> Option<Self> {
        if let Value::String(text) = stream {
            return Some(Self::Bytes(text.clone().into_bytes()));
        }
        if let Some(hash) = stream["blob"].as_str() {
            let (hash, bytes) = (Hash::from_hex(hash)?, stream["bytes"].as_u64()?);
            return Some(Self::Stored(Content { hash, bytes }));
        }
        BASE64.decode(stream["base64"].as_str()?).ok().map(Self::Bytes)
    }

    /// In parts, none of them empty.
    fn since(
        &self,
        from: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let rest = match self {
            Self::Bytes(bytes) => {
                let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..));
                return rest.filter(|rest| !rest.is_empty()).map_or(Ok(()), take);
            }
            Self::Stored(content) => return Err(not_received(content)),
            Self::File(file) => at(file, from),
        };
        let io = || Failure::io(std::env::temp_dir().display().to_string());
        let mut rest = BufReader::with_capacity(PART, rest.map_err(io())?);
        loop {
            let part = rest.fill_buf().map_err(io())?;
            if part.is_empty() {
                return Ok(());
            }
            take(part)?;
            let count = part.len();
            rest.consume(count);
        }
    }

    fn lines(&self, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut begun = Vec::new();
        self.since(0, |part| {
            for piece in part.split_inclusive(|byte| *byte == b'\n') {
                begun.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    take(&begun)?;
                    begun.clear();
                }
            }
            Ok(())
        })?;
        if begun.is_empty() { Ok(()) } else { take(&begun) }
    }

    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Stored(content) => content.bytes,
            Self::File(file) => file.metadata().map_or(0, |metadata| metadata.len()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Stored(_) | Self::File(_) => format!("({} bytes)", self.length()),
        }
    }
}

fn at(file: &File, from: u64) -> std::io::Result<File> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(from))?;
    Ok(file)
}

/// Whoever shows it has forgotten to ask for it.
fn not_received(content: &Content) -> Failure {
    Failure::io(content.hash.to_string())(std::io::Error::other("it was not received"))
}

/// To standard error.
fn tell(part: &[u8]) -> Result<(), Failure> {
    say_bytes(part);
    Ok(())
}

/// A blob on this machine: verified, without a name.
async fn received(client: &Client, content: Content) -> Result<File, Failure> {
    client.read_blob(content).await.map_err(|error| match error {
        Unreceived::Refused(refusal) => refusal.into(),
        Unreceived::Io(error) => Failure::io(std::env::temp_dir().display().to_string())(error),
    })
}

/// A blob to standard output, once all of it is here and is what it should be.
pub async fn show_blob(client: &Client, content: Content) -> Result<(), Failure> {
    Printed::File(received(client, content).await?).since(0, output::bytes)
}

/// With its tag and an end.
fn tagged(tag: &str, line: &[u8]) -> Vec<u8> {
    let mut tagged = [tag.as_bytes(), b"\t", line].concat();
    if !line.ends_with(b"\n") {
        tagged.push(b'\n');
    }
    tagged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(printed: &Printed) -> Vec<u8> {
        let mut all = Vec::new();
        let take = |part: &[u8]| {
            all.extend_from_slice(part);
            Ok(())
        };
        printed.since(0, take).expect("is there");
        all
    }

    #[test]
    fn what_is_long_is_read_from_where_it_is_received() {
        let mut file = tempfile::tempfile().expect("a file");
        let lines = b"1234567\n".repeat(PART / 5);
        std::io::Write::write_all(&mut file, &lines[..lines.len() - 1]).expect("is written");
        let printed = Printed::File(file);
        assert_eq!(printed.length(), lines.len() as u64 - 1);
        assert!(all(&printed) == lines[..lines.len() - 1]);
        let mut rest = Vec::new();
        let from = lines.len() as u64 - 5;
        let take = |part: &[u8]| {
            rest.extend_from_slice(part);
            Ok(())
        };
        printed.since(from, take).expect("is there");
        assert_eq!(rest, b"4567");
        let mut count = 0;
        let take = |line: &[u8]| {
            count += 1;
            assert_eq!(tagged("a", line), b"a\t1234567\n");
            Ok(())
        };
        printed.lines(take).expect("is there");
        assert_eq!(count, PART / 5);
        let stored = format!(
            r#"{{"exit_code":0,"stdout":{{"blob":"{}","bytes":9}},"stderr":""}}"#,
            "0a".repeat(32)
        );
        let report = Report::read(stored.as_bytes()).expect("it is one");
        assert_eq!((report.stdout.length(), report.text().as_str()), (9, "(9 bytes)"));
        assert!(report.stdout.since(0, |_| Ok(())).is_err(), "it is not here");
    }

    #[test]
    fn what_is_no_text_is_what_the_program_printed() {
        let result =
            br#"{"exit_code":3,"stdout":{"base64":"//4K"},"stderr":"s","truncated":false}"#;
        let report = Report::read(result).expect("it is one");
        assert_eq!((report.exit_code, all(&report.stdout)), (Some(3), b"\xff\xfe\n".to_vec()));
        assert_eq!(all(&report.stderr), b"s");
        let ended = |how: &str| {
            let result = format!(r#"{{{how},"stdout":"","stderr":""}}"#);
            Report::read(result.as_bytes()).expect("it is one").as_of_shell()
        };
        assert_eq!(ended(r#""exit_code":3"#), Some(3));
        assert_eq!(ended(r#""exit_code":null,"signal":9"#), Some(137));
        assert_eq!(ended(r#""exit_code":null,"shell_code":127"#), Some(127));
        assert_eq!(ended(r#""exit_code":null"#), None);
        for other in [&b"text"[..], b"{}", br#"{"stdout":"x"}"#] {
            assert!(Report::read(other).is_none());
        }
    }

    #[test]
    fn each_line_has_its_tag_and_an_end() {
        let lines = |printed: &[u8]| {
            let mut all = Vec::new();
            let take = |line: &[u8]| {
                all.extend(tagged("a", line));
                Ok(())
            };
            Printed::Bytes(printed.to_vec()).lines(take).expect("is there");
            all
        };
        assert_eq!(lines(b"1\n\xff"), b"a\t1\na\t\xff\n");
        assert_eq!(lines(b""), b"");
    }
}
