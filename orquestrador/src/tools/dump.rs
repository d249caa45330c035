//! `journal dump`: the entries, one per line, as far as they can be read.

use std::io::{BufWriter, Write};
use std::path::Path;

use common::messages::node_journal::JournalMessage;
use orquestrador_core::ids::Index;

use super::{Error, Format, Tool, describe, line};
use crate::journal::inspect::{Found, inspect, inspect_set_aside};

/// The entries of the directory within `span`, both ends included.
pub(super) fn directory(tool: &Tool, span: (Index, Index), output: Format) -> Result<u8, Error> {
    if span.0 > span.1 {
        tool.say(&JournalMessage::EmptySpan { from: span.0.0, to: span.1.0 });
        return Ok(common::exit::USAGE);
    }
    let mut printer = Printer::new(output, span);
    let inspection = inspect(&tool.dir, &mut |found| printer.see(&found))?;
    if inspection.pieces.is_empty() {
        tool.say(&JournalMessage::NoJournal { dir: tool.dir() });
        return Ok(common::exit::RESOURCE);
    }
    let (first, last, shown) = (printer.first, printer.last, printer.shown);
    printer.finish()?;
    // What comes before the entries kept was asked for too.
    if let Some(snapshot) = inspection.snapshot
        && first.map_or(span.0 <= snapshot.index, |first| span.0 < first)
    {
        let up_to = first.map_or(snapshot.index.0, |first| first.0 - 1);
        tool.say(&JournalMessage::OnlyInSnapshot { up_to });
    }
    if shown == 0 {
        let held = first.zip(last).map(|(first, last)| (first.0, last.0));
        tool.say(&JournalMessage::NothingInSpan { held });
    }
    Ok(tool.report(&inspection))
}

/// The entries of one file that was set aside.
pub(super) fn file(tool: &Tool, path: &Path, output: Format) -> Result<u8, Error> {
    let mut printer = Printer::new(output, (Index(0), Index(u64::MAX)));
    let inspection = inspect_set_aside(path, &mut |found| printer.see(&found))?;
    printer.finish()?;
    Ok(tool.report(&inspection))
}

struct Printer {
    out: BufWriter<std::io::StdoutLock<'static>>,
    output: Format,
    span: (Index, Index),
    /// Of the entries kept, shown or not.
    first: Option<Index>,
    last: Option<Index>,
    shown: u64,
    failure: Option<Error>,
}

impl Printer {
    fn new(output: Format, span: (Index, Index)) -> Self {
        let out = BufWriter::new(std::io::stdout().lock());
        Self { out, output, span, first: None, last: None, shown: 0, failure: None }
    }

    fn see(&mut self, found: &Found<'_>) {
        let index = found.entry.id.index;
        self.first = self.first.or(Some(index));
        self.last = Some(index);
        if self.failure.is_some() || index < self.span.0 || index > self.span.1 {
            return;
        }
        self.shown += 1;
        let text = match self.output {
            Format::Table => describe::text(found),
            Format::Json => describe::object(found).to_string(),
        };
        self.failure = line(&mut self.out, &text).err();
    }

    fn finish(mut self) -> Result<(), Error> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.out.flush().map_err(Error::Output),
        }
    }
}
