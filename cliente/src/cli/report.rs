//! What the `command` handler says of a program: a JSON object, with what is no text in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::blobs::StagedFile;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
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
    stdout: Vec<u8>,
    stderr: Vec<u8>,
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
            stdout: printed(&report["stdout"])?,
            stderr: printed(&report["stderr"])?,
            is_cut: report["truncated"] == true,
            files: match report.get("files") {
                Some(files) => serde_json::from_value(files.clone()).ok()?,
                None => Vec::new(),
            },
        })
    }

    /// What a shell that had run the program would give.
    pub fn as_of_shell(&self) -> Option<u8> {
        self.exit_code.or(self.shell_code)
    }

    /// What was printed from there on, as far as it is kept.
    pub fn since(&self, stream: OutputStream, from: u64) -> &[u8] {
        let kept = match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr | OutputStream::Unspecified => &self.stderr,
        };
        usize::try_from(from).ok().and_then(|from| kept.get(from..)).unwrap_or_default()
    }

    /// Beyond what was shown while it ran: so many bytes of standard output and of standard error.
    pub fn show_rest(
        &self,
        context: &Context,
        (stdout, stderr): (u64, u64),
    ) -> Result<(), Failure> {
        let rest = self.since(OutputStream::Stderr, stderr);
        if !rest.is_empty() {
            say_bytes(rest);
        }
        output::bytes(self.since(OutputStream::Stdout, stdout))?;
        // What was shown beyond what is kept was shown to the end.
        let is_shown = stdout > self.stdout.len() as u64 || stderr > self.stderr.len() as u64;
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
        let streams = [&self.stdout, &self.stderr].map(|stream| String::from_utf8_lossy(stream));
        let streams = streams.iter().map(|stream| stream.trim_end());
        streams.filter(|stream| !stream.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// What the program printed goes where it printed it, as it was. `tag`: what comes before each line.
    pub fn show(&self, context: &Context, tag: Option<&str>) -> Result<(), Failure> {
        let tagged =
            |printed: &[u8]| tag.map_or_else(|| printed.to_vec(), |tag| lines(tag, printed));
        let stderr = tagged(&self.stderr);
        if !stderr.is_empty() {
            say_bytes(&stderr);
        }
        output::bytes(&tagged(&self.stdout))?;
        if self.is_cut {
            say(&ClientMessage::OutputCut.text(context.lang));
        }
        Ok(())
    }
}

/// The line of a task among others has no room for what its program said of its failure.
pub fn say_failure(context: &Context, view: &TaskView) {
    if context.is_json || view.task.state() != TaskState::Failed {
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

fn printed(stream: &Value) -> Option<Vec<u8>> {
    match stream {
        Value::String(text) => Some(text.clone().into_bytes()),
        other => BASE64.decode(other["base64"].as_str()?).ok(),
    }
}

fn lines(tag: &str, printed: &[u8]) -> Vec<u8> {
    let lines = printed.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|line| [tag.as_bytes(), b"\t", line].concat());
    let mut tagged = lines.collect::<Vec<_>>().concat();
    if tagged.last().is_some_and(|last| *last != b'\n') {
        tagged.push(b'\n');
    }
    tagged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_what_the_program_printed() {
        let result =
            br#"{"exit_code":3,"stdout":{"base64":"//4K"},"stderr":"s","truncated":false}"#;
        let report = Report::read(result).expect("it is one");
        assert_eq!((report.exit_code, report.stdout), (Some(3), b"\xff\xfe\n".to_vec()));
        assert_eq!(report.stderr, b"s");
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
        assert_eq!(lines("a", b"1\n\xff"), b"a\t1\na\t\xff\n");
        assert_eq!(lines("a", b""), b"");
    }
}
