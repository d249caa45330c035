//! The terminal while it shows pictures: as it was found when this is over, however that comes.

use std::io::{Stdout, stdout};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::super::failure::Failure;

pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// It belongs to somebody else meanwhile.
    is_left: bool,
}

impl Screen {
    pub fn enter() -> Result<Self, Failure> {
        restore_before_a_panic_is_told();
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).map_err(failed())?;
        let mut screen = Self { terminal, is_left: true };
        screen.come_back()?;
        Ok(screen)
    }

    /// Does nothing while it is left.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Buffer)) -> Result<(), Failure> {
        if self.is_left {
            return Ok(());
        }
        self.terminal.draw(|frame| draw(frame.buffer_mut())).map_err(failed())?;
        Ok(())
    }

    /// Also where somebody else has drawn on it, or changed it.
    pub fn come_back(&mut self) -> Result<(), Failure> {
        self.is_left = false;
        enable_raw_mode().map_err(failed())?;
        execute!(stdout(), EnterAlternateScreen).map_err(failed())?;
        // Draws all of it anew. Unlike `clear` it does not ask the terminal where the cursor is, which not all of them answer.
        let size = self.terminal.size().map_err(failed())?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size))).map_err(failed())
    }

    pub fn leave(&mut self) -> Result<(), Failure> {
        self.is_left = true;
        restore().map_err(failed())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.is_left
            && let Err(error) = restore()
        {
            tracing::debug!(%error, "failed to restore the terminal");
        }
    }
}

fn failed() -> impl FnOnce(std::io::Error) -> Failure {
    Failure::io("terminal")
}

fn restore() -> std::io::Result<()> {
    let shown = execute!(stdout(), LeaveAlternateScreen, Show);
    disable_raw_mode()?;
    shown
}

/// What is told on the screen that is left would be gone with it.
fn restore_before_a_panic_is_told() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // There is nothing else that could be done about it.
        drop(restore());
        tell(panic);
    }));
}
