//! What a program says to `-V`, in one line, and to `--version`: which build it is.

use std::sync::OnceLock;

use clap::Command;

/// With the commit, if the build knows it.
pub const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), env!("MUTIRAO_BUILT_SUFFIX"));
/// `unknown` if nobody said so, and in builds to develop with.
pub const COMMIT: &str = env!("MUTIRAO_BUILT_COMMIT");
const PROFILE: &str = env!("MUTIRAO_BUILT_PROFILE");
const TARGET: &str = env!("MUTIRAO_BUILT_TARGET");

/// Both versions of a program that was built with `features`. The words are for machines, too, so they are not translated.
#[must_use]
pub fn told_by(command: Command, features: &'static [&'static str]) -> Command {
    static LONG: OnceLock<String> = OnceLock::new();
    let long: &'static str = LONG.get_or_init(|| long(features));
    command.version(SHORT).long_version(long)
}

fn long(features: &[&str]) -> String {
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    format!("{SHORT}\ncommit: {COMMIT}\nprofile: {PROFILE}\nfeatures: {features}\ntarget: {TARGET}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_in_one_line_and_long_with_what_it_was_built_from() {
        let command = told_by(Command::new("x"), &["a", "b"]);
        let (short, long) = (command.render_version(), command.render_long_version());
        assert_eq!(short.lines().count(), 1, "{short}");
        assert_eq!(short.lines().next(), long.lines().next());
        for line in [format!("commit: {COMMIT}"), "features: a, b".to_owned()] {
            assert!(long.lines().any(|told| told == line), "{long}");
        }
    }
}
