//! Tells what a program says from what those say that become it: a shell, by whose words it is known that there is no such
//! program.

use uuid::Uuid;

/// What their words begin with, and no program's.
#[derive(Debug)]
pub struct Mark(String);

impl Default for Mark {
    fn default() -> Self {
        Self(format!("\u{2}{}", Uuid::new_v4()))
    }
}

impl Mark {
    /// Their name: a shell begins what it says with that.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Why the program was not started, if it was not: by all that was written to standard error.
    pub fn not_started(&self, stderr: &[u8]) -> Option<String> {
        let is_shell = stderr.starts_with(self.0.as_bytes());
        is_shell.then(|| String::from_utf8_lossy(stderr).replace(&self.0, "sh").trim().to_owned())
    }

    /// What of standard error is the program's, as it comes.
    pub fn words(&self) -> Words<'_> {
        Words { mark: self.0.as_bytes(), unclear: Some(Vec::new()) }
    }
}

/// Tells the program's words from those of the shell before it.
pub struct Words<'a> {
    mark: &'a [u8],
    /// All that came, as long as it may be the shell's.
    unclear: Option<Vec<u8>>,
}

impl Words<'_> {
    /// Says what of it, and of what came before, is the program's.
    pub fn hear(&mut self, bytes: &[u8], say: impl Fn(&[u8])) {
        let Some(all) = &mut self.unclear else { return say(bytes) };
        all.extend_from_slice(bytes);
        let compared = all.len().min(self.mark.len());
        if all[..compared] != self.mark[..compared] {
            say(all);
            self.unclear = None;
        }
    }

    /// Nothing more comes.
    pub fn end(self, say: impl Fn(&[u8])) {
        let all = self.unclear.filter(|all| !all.starts_with(self.mark));
        say(&all.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_the_program_are_told() {
        let mark = Mark::default();
        let told = |parts: &[&str]| {
            let all = std::cell::RefCell::new(Vec::new());
            let say = |bytes: &[u8]| all.borrow_mut().extend_from_slice(bytes);
            let mut words = mark.words();
            for part in parts {
                words.hear(part.as_bytes(), say);
            }
            words.end(say);
            String::from_utf8(all.take()).expect("is text")
        };
        assert_eq!(told(&["a", "b"]), "ab");
        assert_eq!(told(&["\u{2}", "b", "c"]), "\u{2}bc");
        assert_eq!(told(&["\u{2}"]), "\u{2}");
        let (begin, end) = mark.0.split_at(9);
        assert_eq!(told(&[begin, end, ": 1: exec: x: not found\n"]), "");
    }
}
