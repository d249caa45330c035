//! A whole screen: who is principal, the pages, what is wrong, the page, and what the keys do.

use common::messages::Message as _;
use common::messages::top::{TopMessage, TopWord, keys};
use common::proto::Role;
use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};

use super::pen::{Ink, Pen};
use super::{cluster, cut, history, table, task};
use crate::cli::top::model::{Mode, Model, Page, Picture};
use crate::cli::top::record::answering;
use crate::cli::top::rows::{self, Keep, Mood, place};

pub fn frame(model: &Model, buffer: &mut Buffer, now_ms: u64) {
    let mut pen = Pen::new(buffer, Ink { is_coloured: model.settings.is_coloured });
    let last = pen.leave(1);
    head(&mut pen, model, now_ms);
    pages(&mut pen, model);
    banner(&mut pen, model, now_ms);
    let body = pen.area();
    page(&mut pen, model, now_ms);
    // What may be no longer so.
    if model.silence_ms(now_ms).is_some() && model.mode != Mode::Help {
        pen.dim(body);
    }
    foot(&mut pen.within(last), model, now_ms);
}

/// Who is principal, and on the right who looks, and when.
pub fn head(pen: &mut Pen<'_>, model: &Model, now_ms: u64) {
    let lang = model.lang();
    let Some((_, picture)) = &model.picture else {
        return pen.text("Mutirão", Ink::bold());
    };
    let cluster = &picture.cluster;
    let principal = answering(cluster).map(|node| place(&node.address)).unwrap_or_default();
    let epoch = format!("{} {}", TopWord::Epoch.text(lang), cluster.epoch);
    let full = format!("Mutirão · principal {principal} · {epoch}");
    let short = format!("{principal} · {epoch}");
    let left = if cut::width(&full) + 1 > pen.width() { short } else { full };
    let user = &picture.user;
    let role = match user.role() {
        Role::Admin => TopWord::Administrator,
        Role::Viewer => TopWord::Viewer,
        Role::Submitter | Role::Unspecified => TopWord::Submitter,
    };
    let clock = crate::cli::output::time(now_ms);
    let clock = clock.split(' ').next_back().unwrap_or_default().to_owned() + " UTC";
    let user = rows::place(&user.user);
    let all = format!("{user} ({}) · {clock}", role.text(lang));
    let room = pen.width().saturating_sub(cut::width(&left));
    let right = [all, format!("{user} · {clock}"), clock, String::new()];
    let right = right.into_iter().find(|right| cut::width(right) + 2 <= room).unwrap_or_default();
    let gap = " ".repeat(room.saturating_sub(cut::width(&right)));
    let line = Line::from(vec![Span::styled(left, Ink::bold()), Span::raw(gap + &right)]);
    pen.line(line);
}

/// The names of all pages, or where they do not fit their numbers.
fn pages(pen: &mut Pen<'_>, model: &Model) {
    let name = |nth: usize, page: Page| format!(" {} {} ", nth + 1, page.word().text(model.lang()));
    let names: Vec<_> =
        Page::ALL.into_iter().enumerate().map(|(nth, page)| name(nth, page)).collect();
    let is_roomy = names.iter().map(|name| cut::width(name)).sum::<usize>() <= pen.width();
    let spans = Page::ALL.into_iter().zip(names).enumerate().map(|(nth, (page, name))| {
        match (page == model.page, is_roomy) {
            // Brackets, where reversing shows nothing.
            (true, _) => Span::styled(format!("[{}]", name.trim()), Ink::reversed()),
            (false, true) => Span::raw(name),
            (false, false) => Span::raw(format!(" {} ", nth + 1)),
        }
    });
    pen.line(Line::from(spans.collect::<Vec<_>>()));
}

/// What is more important than the page.
fn banner(pen: &mut Pen<'_>, model: &Model, now_ms: u64) {
    let lang = model.lang();
    let bad = pen.ink.of(Mood::Bad).patch(Ink::reversed());
    if let Some(ms) = model.silence_ms(now_ms) {
        let message = match &model.picture {
            Some((_, picture)) => {
                let principal = answering(&picture.cluster).map(|node| place(&node.address));
                TopMessage::PrincipalSilent { principal: principal.unwrap_or_default(), ms }
            }
            None => TopMessage::NobodyAnswers { addresses: model.settings.addresses.clone(), ms },
        };
        lines(pen, &message.text(lang), bad);
    } else if let Some(change) = model.news(now_ms) {
        let took_over = TopMessage::TookOver {
            principal: place(&change.to),
            epoch: change.epoch,
            from: place(&change.from),
            ms: change.silent_ms,
        };
        let good = pen.ink.of(Mood::Good).patch(Ink::bold());
        lines(pen, &took_over.text(lang), good);
    }
    if let Some(problem) = &model.problem {
        lines(pen, problem, bad);
    }
    if let (true, Some((at_ms, _))) = (model.is_held, &model.picture) {
        let held = TopMessage::Held { ms: now_ms.saturating_sub(*at_ms) };
        let odd = pen.ink.of(Mood::Odd).patch(Ink::reversed());
        lines(pen, &held.text(lang), odd);
    }
}

/// In as many lines as it needs, each from edge to edge.
fn lines(pen: &mut Pen<'_>, text: &str, style: ratatui::style::Style) {
    for line in cut::wrapped(text, pen.width()) {
        pen.bar(&line, style);
    }
}

fn page(pen: &mut Pen<'_>, model: &Model, now_ms: u64) {
    if model.mode == Mode::Help {
        return help(pen, model);
    }
    let Some((_, picture)) = &model.picture else { return };
    match (&model.opened, model.page) {
        (Some(opened), _) => task::draw(pen, model, opened),
        (None, Page::Cluster) => cluster::draw(pen, model, picture, now_ms),
        (None, Page::History) => history::draw(pen, model, picture),
        (None, Page::Workers | Page::Queues | Page::Tasks) => rows_of(pen, model, picture, now_ms),
    }
}

fn rows_of(pen: &mut Pen<'_>, model: &Model, picture: &Picture, now_ms: u64) {
    let lang = model.lang();
    let Some(table) = model.table(now_ms) else { return };
    let none = if picture.tasks.is_some() { TopWord::NoTasks } else { TopWord::Reading };
    let (all, none) = match model.page {
        Page::Workers => (picture.cluster.workers.len(), TopWord::NoWorkers),
        Page::Queues => (picture.queues.len(), TopWord::NoQueues),
        Page::Cluster | Page::Tasks | Page::History => (picture.tasks().len(), none),
    };
    let sorted_by = table.columns.get(table.sorted_by).map_or("", |column| column.head);
    let mut about = match model.filter.is_empty() {
        true => all.to_string(),
        false => TopMessage::Shown { shown: table.rows.len(), all }.text(lang),
    };
    about += &format!(" · {} {sorted_by}", TopWord::SortedBy.text(lang));
    if !model.filter.is_empty() {
        about += &format!(" · {} «{}»", TopWord::Filter.text(lang), rows::place(&model.filter));
    }
    pen.section(model.page.word().text(lang), &about);
    if table.rows.is_empty() {
        let why = if all == 0 { none } else { TopWord::NothingFits };
        return pen.text(why.text(lang), pen.ink.of(Mood::Quiet));
    }
    table::draw(pen, &table, pen.room(), model.chosen(&table));
}

fn help(pen: &mut Pen<'_>, model: &Model) {
    pen.section(TopWord::Help.text(model.lang()), "");
    let keys = keys(model.lang());
    let width = keys.iter().map(|(key, _, _)| cut::width(key)).max().unwrap_or_default();
    for (key, _, meaning) in keys {
        let room = pen.width().saturating_sub(width + 2);
        for (nth, line) in cut::wrapped(meaning, room).iter().enumerate() {
            let key = cut::padded(if nth == 0 { key } else { "" }, width, Keep::Beginning, false);
            pen.line(Line::from(vec![
                Span::styled(key, Ink::bold()),
                Span::raw(format!("  {line}")),
            ]));
        }
    }
}

/// What is asked, typed or told; else what the keys do.
fn foot(pen: &mut Pen<'_>, model: &Model, now_ms: u64) {
    if let Some(question) = model.question() {
        // The end of it says which keys answer.
        let width = pen.width();
        return pen.text(&cut::padded(&question, width, Keep::End, false), Ink::reversed());
    }
    if model.mode == Mode::Filter {
        let width = pen.width().saturating_sub(2);
        let typed = cut::fitted(&rows::place(&model.filter), width, Keep::End);
        return pen.bar(&format!("/{typed}_"), Ink::reversed());
    }
    if let Some(note) = model.note(now_ms) {
        return pen.bar(note, Ink::bold());
    }
    let (mut spans, mut used) = (Vec::new(), 0);
    for (key, does, _) in keys(model.lang()).iter().filter(|(_, does, _)| !does.is_empty()) {
        let width = cut::width(key) + 1 + cut::width(does) + 2;
        if used + width > pen.width() + 2 {
            break;
        }
        spans.push(Span::styled((*key).to_owned(), Ink::bold()));
        spans.push(Span::raw(format!(" {does}  ")));
        used += width;
    }
    pen.line(Line::from(spans));
}
