//! `cargo xtask python`: the client for Python, tested as it is installed.

use std::process::Command;

use super::{cargo, started, target_dir};

const PACKAGE: &str = "sdk/python";

/// Installs the package, and what tests it, into an environment of its own, and runs its tests.
///
/// # Errors
/// There is no Python with `venv`, a package cannot be had, or a test fails.
pub fn test(args: &[String]) -> anyhow::Result<()> {
    cargo(&["build", "--workspace", "--bins", "--exclude", "xtask"])?;
    let target = target_dir()?;
    let environment = target.join("python");
    let program = environment.join("bin/python");
    if !program.is_file() {
        started(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    let package = format!("{PACKAGE}[test]");
    started(Command::new(&program).args(["-m", "pip", "install", "--quiet", &package]))?;
    started(
        Command::new(&program)
            .args(["-m", "pytest", "--quiet"])
            .args(args)
            .env("MUTIRAO_BIN", target.join("debug"))
            .current_dir(PACKAGE),
    )
}
