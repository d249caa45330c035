//! Draws the model: a function of it and of the time, without a terminal.

mod cluster;
mod cut;
mod frame;
mod history;
mod pen;
mod table;
mod task;
#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::model::Model;
use pen::{Ink, Pen};

pub use frame::frame;

/// Lines of a picture that no terminal bounds.
const LINES: u16 = 60;

/// The first page as text, without what is only for keys.
pub fn text(model: &Model, width: u16, now_ms: u64) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, LINES));
    let mut pen = Pen::new(&mut buffer, Ink { is_coloured: false });
    frame::head(&mut pen, model, now_ms);
    if let Some((_, picture)) = &model.picture {
        cluster::draw(&mut pen, model, picture, now_ms);
    }
    let text: String = lines(&buffer).into_iter().map(|line| line + "\n").collect();
    format!("{}\n", text.trim_end())
}

/// What stands in it, without the spaces at the ends of lines.
fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width.max(1));
    let line = |row: &[ratatui::buffer::Cell]| {
        let (mut line, mut skip) = (String::new(), 0);
        for cell in row {
            // What is two columns wide stands in the first of them.
            if skip == 0 {
                line.push_str(cell.symbol());
            }
            skip = cut::width(cell.symbol()).max(skip).saturating_sub(1);
        }
        line.trim_end().to_owned()
    };
    buffer.content.chunks(width).map(line).collect()
}
