//! Where `watch` shows what changes: a table that is drawn anew in its place, with what is finished as lines above it,
//! or a line for each change where nobody looks.

use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cliente::is_final;
use common::lang::Lang;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;

use super::Context;
use super::failure::Failure;
use super::output::live::{Rows, Size};
use super::output::{self, TaskView};

/// How often the table is drawn.
pub const REDRAW: Duration = Duration::from_millis(200);
/// Where the terminal does not tell.
const USUAL: Size = Size { columns: 80, rows: 24 };

pub enum Screen {
    Lines,
    Table(Box<Table>),
}

pub struct Table {
    area: ProgressBar,
    rows: Rows,
    /// What is finished since it was last drawn.
    lines: String,
    lang: Lang,
}

impl Screen {
    pub fn open(context: &Context) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if context.is_json || is_dumb || !std::io::stdout().is_terminal() {
            return Self::Lines;
        }
        let style = ProgressStyle::with_template("{msg}");
        let area = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (rows, lang) = (Rows::default(), context.lang);
        Self::Table(Box::new(Table { area, rows, lines: String::new(), lang }))
    }

    pub fn is_table(&self) -> bool {
        matches!(self, Self::Table(_))
    }

    pub fn change(&mut self, context: &Context, view: &TaskView) -> Result<(), Failure> {
        match self {
            Self::Lines => output::print(&context.output.change(view)),
            Self::Table(table) if is_final(view.task.state()) => {
                table.rows.remove(&view.task.task_id);
                table.lines.push_str(&context.output.change(view));
                Ok(())
            }
            Self::Table(table) => {
                table.rows.put(&view.task);
                Ok(())
            }
        }
    }

    /// What was found out meanwhile.
    pub fn draw(&mut self) -> Result<(), Failure> {
        let Self::Table(table) = self else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        table.area.set_message(table.rows.lines(size(), now, table.lang).join("\n"));
        match std::mem::take(&mut table.lines) {
            lines if lines.is_empty() => {
                table.area.tick();
                Ok(())
            }
            lines => table.area.suspend(|| output::print(&lines)),
        }
    }

    /// Nothing follows, or something is to be said.
    pub fn close(&mut self) -> Result<(), Failure> {
        self.draw()?;
        if let Self::Table(table) = self {
            table.area.finish_and_clear();
        }
        Ok(())
    }

    /// Says something else between two changes.
    pub fn aside(&mut self, say: impl FnOnce()) {
        match self {
            Self::Lines => say(),
            Self::Table(table) => table.area.suspend(say),
        }
    }
}

impl Drop for Table {
    /// Whoever waited has waited long enough: what is finished was told of until then.
    fn drop(&mut self) {
        self.area.finish_and_clear();
        if let Err(failure) = output::print(&self.lines) {
            tracing::debug!(?failure, "failed to show what was finished last");
        }
    }
}

fn size() -> Size {
    match tcgetwinsize(std::io::stdout()) {
        Ok(found) if found.ws_col > 0 && found.ws_row > 0 => {
            Size { columns: found.ws_col.into(), rows: found.ws_row.into() }
        }
        Ok(_) | Err(_) => USUAL,
    }
}
