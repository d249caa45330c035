//! What others wrote and this depends on: `deny.toml` says what is allowed.

use std::process::Command;

use anyhow::bail;

use crate::{root, started, tool};

const VERSION: &str = "0.20.2";

/// Without the database of advisories, which comes from the network, the rest is checked, and it is said what was not.
pub fn run() -> anyhow::Result<()> {
    let binary = tool("cargo-deny", VERSION)?;
    let command = |args: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(args).current_dir(root());
        command
    };
    started(&mut command(&["--offline", "check", "licenses", "bans", "sources"]))?;
    if command(&["fetch", "db"]).status()?.success() {
        return started(&mut command(&["check", "advisories"]));
    }
    if std::env::var_os("MUTIRAO_ADVISORIES").is_some_and(|value| value == "required") {
        bail!("the database of advisories cannot be fetched, and is required");
    }
    eprintln!("NOT CHECKED: advisories; their database cannot be fetched from here");
    Ok(())
}
