//! Who was principal: what this screen saw, and what the orchestrators recorded.

use common::messages::Message as _;
use common::messages::top::{TopMessage, TopWord};
use common::messages::words::plain_cell;
use common::proto::Role;

use super::cut;
use super::pen::{Ink, Pen};
use crate::cli::commands;
use crate::cli::output::time;
use crate::cli::top::model::{Model, Picture};
use crate::cli::top::record::Change;
use crate::cli::top::rows::place;

pub fn draw(pen: &mut Pen<'_>, model: &Model, picture: &Picture) {
    let lang = model.lang();
    let mut lines = vec![(TopWord::SeenHere.text(lang).to_owned(), true)];
    lines.extend(model.record.changes.iter().rev().map(|change| (changed(change, model), false)));
    if model.record.changes.is_empty() {
        lines.push((format!("  {}", TopWord::NoneSeen.text(lang)), false));
    }
    lines.push((String::new(), false));
    match &picture.history {
        Some(history) => {
            let told = commands::views(history);
            lines.extend(told.into_iter().map(|line| (line.text(lang), false)));
        }
        None => {
            let is_coming = picture.user.role() == Role::Admin;
            let why = if is_coming { TopWord::Reading } else { TopWord::ForAdministrators };
            lines.push((why.text(lang).to_owned(), false));
        }
    }
    let wrapped: Vec<_> = lines
        .iter()
        .flat_map(|(line, is_head)| {
            let lines = cut::wrapped(&plain_cell(line), pen.width());
            lines.into_iter().map(move |line| (line, *is_head))
        })
        .collect();
    let first = model.place().scroll.min(wrapped.len().saturating_sub(pen.room()));
    for (line, is_head) in wrapped.iter().skip(first).take(pen.room()) {
        pen.text(line, if *is_head { Ink::bold() } else { Default::default() });
    }
}

fn changed(change: &Change, model: &Model) -> String {
    let message = TopMessage::TookOver {
        principal: place(&change.to),
        epoch: change.epoch,
        from: place(&change.from),
        ms: change.silent_ms,
    };
    format!("  {}  {}", time(change.at_ms), message.text(model.lang()))
}
