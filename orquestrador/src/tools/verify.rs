//! `journal verify`: what a data directory holds, file by file, and whether all of it is what was written.

use std::io::Write as _;
use std::path::Path;

use common::messages::Message as _;
use common::messages::node_journal::{Condition, JournalMessage, headings};
use serde_json::{Value, json};

use super::{Error, Format, Tool, describe, line};
use crate::journal::inspect::{Damage, Inspection, Kind, Piece, State, inspect};

pub(super) fn run(tool: &Tool, output: Format) -> Result<u8, Error> {
    if crate::journal::interrupted(&tool.dir)?.is_some() {
        tool.say(&JournalMessage::RepairInterrupted { command: tool.repair_command() });
        return Ok(common::exit::BROKEN);
    }
    let inspection = inspect(&tool.dir, &mut |_| {})?;
    if inspection.pieces.is_empty() {
        tool.say(&JournalMessage::NoJournal { dir: tool.dir() });
        return Ok(common::exit::RESOURCE);
    }
    let mut out = std::io::stdout().lock();
    match output {
        Format::Table => table(tool, &inspection, &mut out)?,
        Format::Json => line(&mut out, &object(&tool.dir, &inspection).to_string())?,
    }
    out.flush().map_err(Error::Output)?;
    let code = tool.report(&inspection);
    tool.advise(&inspection);
    Ok(code)
}

fn table(tool: &Tool, inspection: &Inspection, out: &mut impl std::io::Write) -> Result<(), Error> {
    let heading = headings(tool.lang).map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading)
        .chain(inspection.pieces.iter().map(|piece| row(tool, piece)))
        .collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            // Numbers stand at the right.
            if matches!(column, 0 | 6) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let text: Vec<_> = cells.collect();
        line(out, text.join("  ").trim_end())?;
    }
    if let (true, Some(node)) = (inspection.is_whole(), inspection.node) {
        let last = inspection.last.or(inspection.snapshot).map_or(0, |id| id.index.0);
        let whole = JournalMessage::Whole { node: node.to_string(), last };
        line(out, &whole.text(tool.lang))?;
    }
    Ok(())
}

fn row(tool: &Tool, piece: &Piece) -> [String; 7] {
    let holds_entries = match piece.kind {
        Kind::Segment | Kind::SetAside | Kind::Snapshot => true,
        Kind::Format | Kind::Role | Kind::Bounds => false,
    };
    let (first, last) = piece.span.unzip();
    let number = |number: Option<u64>| number.map_or_else(|| "-".into(), |n| n.to_string());
    let epochs = match piece.epochs {
        Some((low, high)) if low == high => low.to_string(),
        Some((low, high)) => format!("{low}–{high}"),
        None => "-".into(),
    };
    [
        name(&tool.dir, &piece.path),
        number(holds_entries.then_some(piece.entries)),
        number(first.map(|index| index.0)),
        number(last.map(|index| index.0)),
        epochs,
        piece.bytes.to_string(),
        condition(piece.state).text(tool.lang).to_owned(),
    ]
}

fn condition(state: State) -> Condition {
    match state {
        State::Whole => Condition::Whole,
        State::Torn => Condition::Torn,
        State::Obsolete => Condition::Obsolete,
        State::Damaged => Condition::Damaged,
    }
}

/// As seen from the data directory.
fn name(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).display().to_string()
}

fn object(dir: &Path, inspection: &Inspection) -> Value {
    let files: Vec<_> = inspection.pieces.iter().map(|piece| file(dir, piece)).collect();
    let damage: Vec<_> = inspection.damage.iter().map(|damage| flaw(dir, damage)).collect();
    json!({
        "data_dir": dir.display().to_string(),
        "whole": inspection.is_whole(),
        "starts": !inspection.stops_node(),
        "node_id": inspection.node.map(|node| node.to_string()),
        "cluster_id": inspection.cluster().map(|cluster| cluster.to_string()),
        "last_entry": inspection.last.map(|id| describe::entry_id(&id)),
        "snapshot": inspection.snapshot.map(|id| describe::entry_id(&id)),
        "newest_view": inspection.newest_view.as_ref().map(describe::view),
        "files": files,
        "damage": damage,
    })
}

fn file(dir: &Path, piece: &Piece) -> Value {
    let kind = match piece.kind {
        Kind::Format => "FORMAT",
        Kind::Role => "ROLE",
        Kind::Bounds => "BOUNDS",
        Kind::Snapshot => "SNAPSHOT",
        Kind::Segment => "SEGMENT",
        Kind::SetAside => "SET_ASIDE",
    };
    json!({
        "file": name(dir, &piece.path),
        "kind": kind,
        "entries": piece.entries,
        "first": piece.span.map(|(first, _)| first.0),
        "last": piece.span.map(|(_, last)| last.0),
        "lowest_epoch": piece.epochs.map(|(low, _)| low.0),
        "highest_epoch": piece.epochs.map(|(_, high)| high.0),
        "bytes": piece.bytes,
        "state": condition(piece.state).word(),
    })
}

fn flaw(dir: &Path, damage: &Damage) -> Value {
    json!({
        "file": name(dir, &damage.path),
        "offset": damage.offset,
        "index": damage.index.map(|index| index.0),
        "flaw": damage.flaw.word(),
        "stops_node": damage.stops_node,
    })
}
