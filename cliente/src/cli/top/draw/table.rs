//! A table in the columns that there is room for.

use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::cut;
use super::pen::{Ink, Pen};
use crate::cli::top::rows::{Keep, Mood, Row, Table};

/// Between columns.
const GAP: usize = 2;
/// Columns in which most cells can be read.
const ENOUGH: usize = 16;

/// The columns that are shown, with their widths, in their order.
fn widths(table: &Table, rows: &[Row], room: usize) -> Vec<(usize, usize)> {
    let natural: Vec<usize> = (0..table.columns.len())
        .map(|nth| {
            let cells =
                rows.iter().filter_map(|row| row.cells.get(nth)).map(|cell| cut::width(cell));
            cells.max().unwrap_or_default()
        })
        .collect();
    // What says nothing in any row is not shown.
    let mut shown: Vec<usize> = (0..table.columns.len()).filter(|nth| natural[*nth] > 0).collect();
    shown.sort_by_key(|nth| table.columns[*nth].rank);
    let head = |nth: usize| cut::width(table.columns[nth].head);
    let least = |nth: usize| match table.columns[nth].is_number {
        true => natural[nth].max(head(nth)),
        false => natural[nth].min(table.columns[nth].least).max(head(nth)),
    };
    let needed = |shown: &[usize]| {
        shown.iter().map(|nth| least(*nth)).sum::<usize>() + GAP * shown.len().saturating_sub(1)
    };
    // A column that does not fit gives way to a narrower one behind it.
    let mut kept: Vec<usize> = Vec::new();
    for nth in shown {
        kept.push(nth);
        if needed(&kept) > room && kept.len() > 1 {
            kept.pop();
        }
    }
    let mut left = room.saturating_sub(needed(&kept));
    let mut widths: Vec<_> = kept.iter().map(|nth| (*nth, least(*nth).min(room))).collect();
    // Everybody gets enough before anybody gets all.
    for most in [ENOUGH, usize::MAX] {
        for (nth, width) in &mut widths {
            let wanted = natural[*nth].max(head(*nth)).min(most);
            let more = wanted.saturating_sub(*width).min(left);
            left -= more;
            *width += more;
        }
    }
    widths.sort_unstable();
    widths
}

/// The head and so many rows, around the chosen one.
pub fn draw(pen: &mut Pen<'_>, table: &Table, lines: usize, chosen: Option<usize>) {
    let lines = lines.min(pen.room());
    let Some(rows) = lines.checked_sub(1).filter(|rows| *rows > 0) else { return };
    let last = table.rows.len().saturating_sub(rows);
    let first = chosen.unwrap_or_default().saturating_sub(rows / 2).min(last);
    let shown = &table.rows[first..table.rows.len().min(first + rows)];
    let widths = widths(table, &table.rows, pen.width());
    let heads = widths.iter().map(|(nth, width)| {
        let column = &table.columns[*nth];
        cut::padded(column.head, *width, Keep::Beginning, column.is_number)
    });
    let heads: Vec<_> = heads.collect();
    pen.text(&heads.join(&" ".repeat(GAP)), Ink::bold());
    for (nth, row) in shown.iter().enumerate() {
        let is_chosen = chosen == Some(first + nth);
        pen.line(line(pen.ink, table, row, &widths, is_chosen, pen.width()));
    }
}

fn line(
    ink: Ink,
    table: &Table,
    row: &Row,
    widths: &[(usize, usize)],
    is_chosen: bool,
    room: usize,
) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    for (at, (nth, width)) in widths.iter().enumerate() {
        if at > 0 {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        let column = &table.columns[*nth];
        let cell = row.cells.get(*nth).map(String::as_str).unwrap_or_default();
        let mood = if *nth == table.state { row.mood } else { Mood::Plain };
        let text = cut::padded(cell, *width, column.keep, column.is_number);
        spans.push(Span::styled(text, ink.of(mood)));
        used += width + if at > 0 { GAP } else { 0 };
    }
    spans.push(Span::raw(" ".repeat(room.saturating_sub(used))));
    let line = Line::from(spans);
    if is_chosen { line.style(Ink::reversed().add_modifier(Modifier::BOLD)) } else { line }
}
