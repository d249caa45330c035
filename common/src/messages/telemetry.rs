//! What the log says about itself.

use crate::lang::Lang;

/// The reader of the output was too slow for so many lines.
pub fn lines_dropped(count: usize, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!("... {count} linhas descartadas: ninguém lia esta saída."),
        Lang::En => format!("... {count} lines dropped: nobody was reading this output."),
    }
}
