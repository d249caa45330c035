//! A task that was opened: what is known of it, and below that the end of what it says.

use common::array_id;
use common::messages::top::TopWord;

use super::cut;
use super::pen::Pen;
use crate::cli::top::model::Model;
use crate::cli::top::opened::Opened;
use crate::cli::top::rows::Mood;

pub fn draw(pen: &mut Pen<'_>, model: &Model, opened: &Opened) {
    let lang = model.lang();
    let quiet = pen.ink.of(Mood::Quiet);
    pen.section(&array_id::shown(&opened.task_id), "");
    if let Some(problem) = &opened.problem {
        let bad = pen.ink.of(Mood::Bad);
        pen.wrapped(problem, bad);
    }
    let wrap = |lines: Vec<String>, room| -> Vec<String> {
        lines.iter().flat_map(|line| cut::wrapped(line, room)).collect()
    };
    let details = wrap(opened.details(lang), pen.width());
    // Of what it says the width is its own: it is cut, not broken.
    let said = opened.log.lines();
    let room = pen.room().saturating_sub(1);
    let for_log = said.len().max(1).min((room / 2).max(room.saturating_sub(details.len())));
    let above = room - for_log.min(room);
    let first = opened.scroll.min(details.len().saturating_sub(above));
    for line in details.iter().skip(first).take(above) {
        pen.text(line, Default::default());
    }
    pen.section(TopWord::Output.text(lang), "");
    if said.is_empty() {
        return pen.text(TopWord::SaidNothing.text(lang), quiet);
    }
    let skip = said.len().saturating_sub(pen.room());
    for line in &said[skip..] {
        let width = pen.width();
        pen.line(cut::fitted(line, width, crate::cli::top::rows::Keep::Beginning));
    }
}
