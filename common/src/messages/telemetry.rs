//! What the log says about itself.

use super::words::counted;
use crate::lang::Lang;

/// The reader of the output was too slow for so many lines.
pub fn lines_dropped(count: usize, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!(
            "... {}: ninguém lia esta saída.",
            counted(count, "linha descartada", "linhas descartadas")
        ),
        Lang::En => format!(
            "... {} dropped: nobody was reading this output.",
            counted(count, "line", "lines")
        ),
    }
}
