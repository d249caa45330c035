//! What the four programs say of themselves to `man` and to shells.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use common::exit;
use harness::Layout;

const PAGES: [(&str, &str); 4] = [
    ("cliente", "cliente-queues-set.1"),
    ("orquestrador", "orquestrador-journal-verify.1"),
    ("orquestrador-backup", "orquestrador-backup-journal-verify.1"),
    ("worker", "worker.1"),
];

#[test]
fn each_program_has_manual_pages_and_completions() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    for (program, page) in PAGES {
        for (lang, heading) in [("pt", "OPÇÕES"), ("en", "OPTIONS")] {
            let has_heading = |page: &str| {
                page.lines().any(|line| line.starts_with(".SH") && line.contains(heading))
            };
            let pages = dir.path().join(lang).join("man1");
            let mut command = Command::new(layout.binary(program));
            let written = command.args(["--lang", lang, "man"]).arg(&pages).output()?;
            assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
            let main = fs::read_to_string(pages.join(format!("{program}.1")))?;
            assert!(has_heading(&main) && main.contains("MUTIRAO_"), "{main}");
            assert!(has_heading(&fs::read_to_string(pages.join(page))?));
        }
        let script = Command::new(layout.binary(program)).args(["completions", "bash"]).output()?;
        let script = String::from_utf8(script.stdout)?;
        assert!(script.contains("complete ") && script.contains("--lang"), "{script}");
        let refused =
            Command::new(layout.binary(program)).args(["man", "/dev/null/pages"]).output()?;
        assert_eq!(refused.status.code(), Some(i32::from(exit::RESOURCE)), "{refused:?}");
        assert!(String::from_utf8(refused.stderr)?.contains("/dev/null/pages"));
    }
    Ok(())
}

#[test]
fn each_program_tells_in_one_line_which_version_it_is_and_at_length_which_build()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    for (program, _) in PAGES {
        let ask = |flag: &str| -> anyhow::Result<String> {
            let told = Command::new(layout.binary(program)).arg(flag).output()?;
            assert!(told.status.success() && told.stderr.is_empty(), "{told:?}");
            Ok(String::from_utf8(told.stdout)?)
        };
        let (short, long) = (ask("-V")?, ask("--version")?);
        let begin = format!("{program} {}", env!("CARGO_PKG_VERSION"));
        assert!(short.starts_with(&begin) && short.lines().count() == 1, "{short}");
        let told = |name: &str| {
            let found = long.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_else(|| panic!("{program} tells no {name} {long}")).to_owned()
        };
        let (commit, profile) = (told("commit: "), told("profile: "));
        assert!(layout.binaries.ends_with(&profile), "{profile}");
        // What is known is in the one line, too.
        assert_eq!(short.contains(&format!(" ({commit})\n")), commit != "unknown", "{short}{long}");
        assert_eq!(told(&begin), short[begin.len()..].trim_end());
        assert!(!told("features: ").is_empty() && told("target: ").contains("-linux"), "{long}");
    }
    Ok(())
}

#[test]
fn a_wrong_command_line_ends_each_program_whoever_reads() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    // A command line that is wrong ends a program as one, whatever it is made of and whoever reads.
    for (program, _) in PAGES {
        let mut command = Command::new(layout.binary(program));
        let no_text = command.arg(OsStr::from_bytes(b"\xff")).output()?;
        assert_eq!(no_text.status.code(), Some(i32::from(exit::USAGE)), "{no_text:?}");
        let full = fs::File::options().write(true).open("/dev/full")?;
        let mut command = Command::new(layout.binary(program));
        let unread = command.arg("--bogus").stderr(full).output()?;
        assert_eq!(unread.status.code(), Some(i32::from(exit::USAGE)), "{program}: {unread:?}");
    }
    // What the worker cannot do without.
    let worker = Command::new(layout.binary("worker")).env_remove("MUTIRAO_PORT").output()?;
    assert_eq!(worker.status.code(), Some(i32::from(exit::USAGE)), "{worker:?}");
    Ok(())
}
