//! Writes line after line into what is left of an area.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::cut;
use crate::cli::top::rows::Mood;

/// Colours stand beside words that say the same.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    pub is_coloured: bool,
}

impl Ink {
    pub fn of(self, mood: Mood) -> Style {
        let plain = Style::default();
        let (colour, modifier) = match mood {
            Mood::Plain => return plain,
            Mood::Good => (Color::Green, Modifier::empty()),
            Mood::Busy => (Color::Cyan, Modifier::empty()),
            Mood::Odd => (Color::Yellow, Modifier::empty()),
            Mood::Bad => (Color::Red, Modifier::BOLD),
            Mood::Quiet => return plain.add_modifier(Modifier::DIM),
        };
        let plain = plain.add_modifier(modifier);
        if self.is_coloured { plain.fg(colour) } else { plain }
    }

    pub fn bold() -> Style {
        Style::default().add_modifier(Modifier::BOLD)
    }

    pub fn reversed() -> Style {
        Style::default().add_modifier(Modifier::REVERSED)
    }
}

pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    pub ink: Ink,
    /// What is left.
    area: Rect,
}

impl<'a> Pen<'a> {
    pub fn new(buffer: &'a mut Buffer, ink: Ink) -> Self {
        let area = buffer.area;
        Self { buffer, ink, area }
    }

    pub fn width(&self) -> usize {
        self.area.width.into()
    }

    /// Lines that are left.
    pub fn room(&self) -> usize {
        self.area.height.into()
    }

    /// Cut at the end of the line; nothing where there is no line left.
    pub fn line<'b>(&mut self, line: impl Into<Line<'b>>) {
        let Some(row) = self.take(1) else { return };
        self.buffer.set_line(row.x, row.y, &line.into(), row.width);
    }

    pub fn text(&mut self, text: &str, style: Style) {
        self.line(Span::styled(text.to_owned(), style));
    }

    /// In as many lines as it needs.
    pub fn wrapped(&mut self, text: &str, style: Style) {
        for line in cut::wrapped(text, self.width()) {
            self.text(&line, style);
        }
    }

    /// From edge to edge.
    pub fn bar(&mut self, text: &str, style: Style) {
        let width = self.width();
        self.text(&cut::padded(text, width, crate::cli::top::rows::Keep::Beginning, false), style);
    }

    /// The head of a part of the page, and what is to be said of all of it.
    pub fn section(&mut self, title: &str, about: &str) {
        let about = if about.is_empty() { String::new() } else { format!(" · {about}") };
        let room = self.width().saturating_sub(cut::width(title) + 4);
        let about = cut::fitted(&about, room, crate::cli::top::rows::Keep::Beginning);
        let rule = "─".repeat(room.saturating_sub(cut::width(&about)));
        let quiet = self.ink.of(Mood::Quiet);
        self.line(Line::from(vec![
            Span::styled("─ ", quiet),
            Span::styled(title.to_owned(), Ink::bold()),
            Span::raw(about),
            Span::styled(format!(" {rule}─"), quiet),
        ]));
    }

    /// The next so many lines, to be drawn in otherwise.
    pub fn take(&mut self, lines: u16) -> Option<Rect> {
        if lines == 0 || self.area.height < lines || self.area.width == 0 {
            return None;
        }
        let taken = Rect { height: lines, ..self.area };
        self.area.y += lines;
        self.area.height -= lines;
        Some(taken)
    }

    /// The last lines stay free.
    pub fn leave(&mut self, lines: u16) -> Rect {
        let lines = lines.min(self.area.height);
        self.area.height -= lines;
        Rect { y: self.area.y + self.area.height, height: lines, ..self.area }
    }

    /// Another pen for a part.
    pub fn within(&mut self, area: Rect) -> Pen<'_> {
        Pen { buffer: self.buffer, ink: self.ink, area }
    }

    /// What stands there counts less.
    pub fn dim(&mut self, area: Rect) {
        // What is bold, too, is only bold on many terminals.
        let dim = Style::default().add_modifier(Modifier::DIM).remove_modifier(Modifier::BOLD);
        self.buffer.set_style(area, dim);
    }

    pub fn area(&self) -> Rect {
        self.area
    }

    pub fn render(&mut self, widget: impl ratatui::widgets::Widget, area: Rect) {
        widget.render(area, self.buffer);
    }
}
