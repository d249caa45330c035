//! Text in a given number of columns of a terminal.

use ratatui::style::Style;
use ratatui::text::Span;

use crate::cli::top::rows::Keep;

const MORE: &str = "…";

/// In columns.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

fn graphemes(text: &str) -> Vec<String> {
    let span = Span::raw(text);
    span.styled_graphemes(Style::default()).map(|part| part.symbol.to_owned()).collect()
}

/// All of it, or what there is room for with a mark where the rest was.
pub fn fitted(text: &str, room: usize, keep: Keep) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    let mut parts = graphemes(text);
    if keep == Keep::End {
        parts.reverse();
    }
    let (mut kept, mut used) = (Vec::new(), width(MORE));
    for part in parts {
        used += width(&part);
        if used > room {
            break;
        }
        kept.push(part);
    }
    match keep {
        Keep::Beginning => kept.concat() + MORE,
        Keep::End => {
            kept.reverse();
            MORE.to_owned() + &kept.concat()
        }
    }
}

/// The same with spaces, to exactly so many columns.
pub fn padded(text: &str, room: usize, keep: Keep, is_right: bool) -> String {
    let text = fitted(text, room, keep);
    let spaces = " ".repeat(room.saturating_sub(width(&text)));
    if is_right { spaces + &text } else { text + &spaces }
}

/// In lines of so many columns, broken between words where that is possible; what follows a line that is indented is, too.
pub fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    if width(text) <= room {
        return vec![text.to_owned()];
    }
    let indent = text.len() - text.trim_start_matches(' ').len();
    let indent = " ".repeat(indent.min(room / 2));
    let (mut lines, mut line) = (Vec::new(), indent.clone());
    for word in text.split_whitespace() {
        let is_first = line.trim().is_empty();
        let more = if is_first { word.to_owned() } else { format!(" {word}") };
        if width(&line) + width(&more) <= room {
            line.push_str(&more);
            continue;
        }
        if !is_first {
            lines.push(std::mem::replace(&mut line, indent.clone()));
        }
        for part in graphemes(word) {
            if width(&line) + width(&part) > room {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            }
            line.push_str(&part);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so_and_fits() {
        assert_eq!(fitted("localhost:50061", 15, Keep::End), "localhost:50061");
        assert_eq!(fitted("localhost:50061", 7, Keep::End), "…:50061");
        assert_eq!(fitted("localhost:50061", 7, Keep::Beginning), "localh…");
        assert_eq!(fitted("日本語", 5, Keep::Beginning), "日本…");
        assert_eq!(fitted("日本語", 4, Keep::Beginning), "日…", "no half of a character");
        assert_eq!(padded("日", 4, Keep::End, true), "  日");
        assert_eq!(fitted("e\u{301}e\u{301}e\u{301}", 2, Keep::Beginning), "e\u{301}…");
        assert_eq!(
            (fitted("abc", 1, Keep::End), fitted("abc", 0, Keep::End)),
            ("…".into(), "".into())
        );
    }

    #[test]
    fn sentences_are_broken_between_words() {
        assert_eq!(wrapped("  a quick brown fox", 9), ["  a quick", "  brown", "  fox"]);
        assert_eq!(wrapped("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("日本語", 1).len(), 4, "it ends although nothing fits");
    }
}
