//! The first page: the cluster at a glance.

use common::messages::Message as _;
use common::messages::amounts;
use common::messages::top::{TopMessage, TopWord};
use common::messages::words::state_word;
use common::proto::TaskState;
use ratatui::text::{Line, Span};
use ratatui::widgets::Sparkline;

use super::cut;
use super::pen::{Ink, Pen};
use super::table;
use crate::cli::top::model::{Model, Picture};
use crate::cli::top::record::{Sample, count};
use crate::cli::top::rows::{self, Keep, mood};

const STATES: [(TaskState, &str); 6] = [
    (TaskState::Queued, "QUEUED"),
    (TaskState::Running, "RUNNING"),
    (TaskState::Succeeded, "SUCCEEDED"),
    (TaskState::Failed, "FAILED"),
    (TaskState::Cancelled, "CANCELLED"),
    (TaskState::Lost, "LOST"),
];
/// From here on charts stand side by side.
const WIDE: usize = 110;
/// And have so many lines, with the head of each.
const CHART_LINES: u16 = 4;
/// Lines from which on there is room for that.
const TALL: usize = 26;
/// Columns between what stands side by side.
const GAP: usize = 3;
const COUNTS_GAP: usize = 2;

pub fn draw(pen: &mut Pen<'_>, model: &Model, picture: &Picture, now_ms: u64) {
    let is_tall = pen.room() >= TALL;
    counts(pen, model, picture);
    let lang = model.lang();
    let activity = picture.cluster.activity.as_ref();
    let about = format!(
        "{} {} · {} {}",
        TopWord::View.text(lang),
        picture.cluster.view_number,
        activity.map_or(0, |activity| activity.witnesses),
        TopWord::Witnesses.text(lang),
    );
    pen.section(TopWord::Orchestrators.text(lang), &about);
    let nodes = rows::nodes(&picture.cluster, lang);
    table::draw(pen, &nodes, nodes.rows.len() + 1, None);
    let figures = figures(model);
    pen.section(TopWord::Activity.text(lang), "");
    match is_tall && pen.width() >= WIDE {
        true => side_by_side(pen, &figures),
        false => one_below_the_other(pen, &figures),
    }
    workers_and_tasks(pen, model, picture, now_ms);
}

/// How many tasks are in which state, in as many lines as they need.
fn counts(pen: &mut Pen<'_>, model: &Model, picture: &Picture) {
    let (mut line, mut used) = (Vec::new(), 0);
    for (state, word) in STATES {
        let count = count(&picture.cluster, word);
        let (word, count) = (state_word(state, model.lang()), count.to_string());
        let width = cut::width(word) + 1 + count.len();
        let gap = if used == 0 { 0 } else { COUNTS_GAP };
        if used + gap + width > pen.width() && used > 0 {
            pen.line(Line::from(std::mem::take(&mut line)));
            used = 0;
        } else if gap > 0 {
            line.push(Span::raw(" ".repeat(gap)));
            used += gap;
        }
        line.push(Span::styled(format!("{word} "), pen.ink.of(mood(state))));
        line.push(Span::styled(count, Ink::bold()));
        used += width;
    }
    pen.line(Line::from(line));
}

/// One value now, and how it was.
struct Figure {
    name: &'static str,
    value: String,
    values: Vec<Option<u64>>,
    mood: rows::Mood,
}

fn figures(model: &Model) -> [Figure; 3] {
    let lang = model.lang();
    let samples = &model.record.samples;
    let last = samples.back();
    let values = |value: fn(&Sample) -> Option<u64>| samples.iter().map(value).collect();
    let rate = last.and_then(|last| last.rate).map_or_else(|| "—".into(), tenths);
    let latency = |ms: Option<f64>| ms.map_or_else(|| "—".into(), milliseconds);
    let (p50, p99) = (last.and_then(|s| s.p50), last.and_then(|s| s.p99));
    let (running, waiting) = last.map_or((0, 0), |last| (last.running, last.waiting));
    [
        Figure {
            name: TopWord::Throughput.text(lang),
            value: TopMessage::PerSecond { rate }.text(lang),
            values: values(|s| s.rate.map(|rate| (rate * 10.0) as u64)),
            mood: rows::Mood::Good,
        },
        Figure {
            name: TopWord::Commits.text(lang),
            value: TopMessage::Latency { p50: latency(p50), p99: latency(p99) }.text(lang),
            values: values(|s| s.p99.map(|ms| (ms * 1e3) as u64)),
            mood: rows::Mood::Odd,
        },
        Figure {
            name: TopWord::Load.text(lang),
            value: TopMessage::Loaded { running, waiting }.text(lang),
            values: values(|s| Some(s.running + s.waiting)),
            mood: rows::Mood::Busy,
        },
    ]
}

fn tenths(number: f64) -> String {
    if number < 100.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { amounts::rounded(ms as u64) }
}

/// The newest values, at the right edge.
fn sparkline<'a>(figure: &Figure, width: u16, ink: Ink) -> Sparkline<'a> {
    let width = usize::from(width);
    let first = figure.values.len().saturating_sub(width);
    let empty = std::iter::repeat_n(None, width.saturating_sub(figure.values.len()));
    let values: Vec<_> = empty.chain(figure.values[first..].iter().copied()).collect();
    let most = values.iter().flatten().copied().max().unwrap_or_default().max(1);
    Sparkline::default().data(values).max(most).style(ink.of(figure.mood))
}

fn side_by_side(pen: &mut Pen<'_>, figures: &[Figure; 3]) {
    let Some(area) = pen.take(CHART_LINES) else { return };
    let gaps = GAP as u16 * (figures.len() as u16 - 1);
    let width = area.width.saturating_sub(gaps) / figures.len() as u16;
    for (nth, figure) in (0u16..).zip(figures) {
        let x = area.x + nth * (width + GAP as u16);
        let part = ratatui::layout::Rect { x, width, ..area };
        let mut chart = pen.within(part);
        let head =
            [Span::styled(figure.name, Ink::bold()), Span::raw(format!("  {}", figure.value))];
        chart.line(Line::from(head.to_vec()));
        let (bars, ink) = (chart.area(), chart.ink);
        chart.render(sparkline(figure, bars.width, ink), bars);
    }
}

fn one_below_the_other(pen: &mut Pen<'_>, figures: &[Figure; 3]) {
    let names = figures.iter().map(|figure| cut::width(figure.name)).max().unwrap_or_default();
    let values = figures.iter().map(|figure| cut::width(&figure.value)).max().unwrap_or_default();
    let before = names + values + 4;
    for figure in figures {
        let Some(row) = pen.take(1) else { return };
        let name = cut::padded(figure.name, names, Keep::Beginning, false);
        let text = cut::fitted(&format!("{name}  {}", figure.value), pen.width(), Keep::Beginning);
        pen.within(row).line(text);
        let bars = pen.width().saturating_sub(before);
        if bars >= 8 {
            let x = row.x + before as u16;
            let part = ratatui::layout::Rect { x, width: bars as u16, ..row };
            let ink = pen.ink;
            pen.render(sparkline(figure, part.width, ink), part);
        }
    }
}

/// Both, as far as there is room; workers first, since there are few of them.
fn workers_and_tasks(pen: &mut Pen<'_>, model: &Model, picture: &Picture, now_ms: u64) {
    let lang = model.lang();
    let workers = rows::workers(picture, 0, lang);
    let tasks = rows::tasks(picture, 0, now_ms, lang);
    // Each has a line of its own above the table, and the table one.
    const HEADS: usize = 2;
    let for_tasks = (tasks.rows.len().clamp(1, 3) + HEADS) * usize::from(pen.room() >= 10);
    let half = pen.room() / 2;
    let wanted = workers.rows.len().max(1) + HEADS;
    let for_workers = wanted.min(pen.room().saturating_sub(for_tasks)).min(half.max(HEADS + 3));
    let all = &picture.cluster.workers;
    let connected = all.iter().filter(|worker| worker.connected);
    let (busy, slots) = connected
        .clone()
        .fold((0, 0), |(busy, slots), worker| (busy + worker.busy, slots + worker.slots));
    let about = TopMessage::Connected { workers: connected.count(), busy, slots };
    pen.section(TopWord::Workers.text(lang), &about.text(lang));
    match all.is_empty() {
        true => pen.text(TopWord::NoWorkers.text(lang), pen.ink.of(rows::Mood::Quiet)),
        false => part(pen, &workers, for_workers.saturating_sub(1), lang),
    }
    if pen.room() > HEADS {
        pen.section(TopWord::Tasks.text(lang), "");
        match tasks.rows.is_empty() {
            true => pen.text(TopWord::NoTasks.text(lang), pen.ink.of(rows::Mood::Quiet)),
            false => part(pen, &tasks, pen.room(), lang),
        }
    }
}

/// The beginning of a table, and how much more there is.
fn part(pen: &mut Pen<'_>, table: &rows::Table, lines: usize, lang: common::lang::Lang) {
    let lines = lines.min(pen.room());
    if table.rows.len() < lines || lines < 3 {
        return table::draw(pen, table, lines, None);
    }
    table::draw(pen, table, lines - 1, None);
    let more = TopMessage::More { lines: table.rows.len() - (lines - 2) };
    pen.text(&more.text(lang), pen.ink.of(rows::Mood::Quiet));
}
