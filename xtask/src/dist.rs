//! What is installed: the four programs in the profile `dist`, what they say to `man` and to shells, and `deploy/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::{PROGRAMS, cargo_with, root, started, target_dir, tool};

const CARGO_DEB: &str = "3.8.0";
/// Each with the directory in which its pages or scripts belong.
const LANGUAGES: [(&str, &str); 2] = [("pt", "man/pt_BR/man1"), ("en", "man/man1")];
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];
/// What comes along as it is.
const FILES: [&str; 10] = [
    "README.md",
    "README.pt-BR.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "deploy",
    "docs/installing.md",
    "docs/operations.md",
    "docs/security.md",
];

/// `mutirao-VERSION-TARGET.tar.gz` in the target directory, whose contents lie in one directory of the same name.
pub fn archive() -> anyhow::Result<()> {
    let dir = target_dir()?;
    build()?;
    let name = format!("mutirao-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let tree = dir.join("dist").join(&name);
    empty(&tree)?;
    for program in PROGRAMS {
        copy(&dir.join("dist").join(program), &tree.join("bin").join(program))?;
    }
    let share = dir.join("dist/share");
    started(Command::new("cp").arg("-r").arg(&share).arg(&tree))?;
    for file in FILES {
        let to = tree.join(file);
        fs::create_dir_all(to.parent().context("is in the tree")?)?;
        started(Command::new("cp").arg("-r").arg(root().join(file)).arg(&to))?;
    }
    let archive = dir.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "--sort=name", "-czf"]).arg(&archive);
    started(tar.arg("-C").arg(dir.join("dist")).arg(&name))?;
    println!("{}", archive.display());
    Ok(())
}

/// With `cargo deb`, whose list of files is in `orquestrador/Cargo.toml`.
pub fn debian() -> anyhow::Result<()> {
    let binary = tool("cargo-deb", CARGO_DEB)?;
    build()?;
    // Its files are named from the target directory's place in the repository, wherever that really is.
    let dir = target_dir()?;
    let mut command = Command::new(binary);
    command.args(["deb", "--no-build", "--profile", "dist", "--package", "orquestrador"]);
    command.env("CARGO_TARGET_DIR", &dir).current_dir(root());
    started(command.arg("--output").arg(dir.join("debian").join("")))
}

/// The programs alone, so that no feature comes in from the simulation; then what they write of themselves.
fn build() -> anyhow::Result<()> {
    let mut command = vec!["build", "--profile", "dist", "--locked", "--bins"];
    command.extend(PROGRAMS.iter().flat_map(|program| ["--package", program]));
    cargo_with(&command, &[("MUTIRAO_BUILD_COMMIT", &commit()?)])?;
    let programs = target_dir()?.join("dist");
    let share = programs.join("share");
    empty(&share)?;
    for program in PROGRAMS {
        let binary = programs.join(program);
        for (lang, dir) in LANGUAGES {
            started(Command::new(&binary).args(["--lang", lang, "man"]).arg(share.join(dir)))?;
        }
        for shell in SHELLS {
            let mut script = Command::new(&binary);
            script.args(["--lang", "en", "completions", shell]).stderr(Stdio::inherit());
            completions(&mut script, &share, program, shell)?;
        }
    }
    compress(&share.join("man"))
}

fn completions(
    command: &mut Command,
    share: &Path,
    program: &str,
    shell: &str,
) -> anyhow::Result<()> {
    let script = command.output().with_context(|| format!("failed to start {program}"))?;
    if !script.status.success() || script.stdout.is_empty() {
        bail!("{program} has no completions for {shell}");
    }
    let file = match shell {
        "bash" => format!("bash-completion/completions/{program}"),
        "zsh" => format!("zsh/vendor-completions/_{program}"),
        _ => format!("fish/vendor_completions.d/{program}.fish"),
    };
    let path = share.join(file);
    fs::create_dir_all(path.parent().context("is below the directory")?)?;
    Ok(fs::write(path, script.stdout)?)
}

/// As Debian wants manual pages; the same bytes each time.
fn compress(dir: &Path) -> anyhow::Result<()> {
    let mut open = vec![dir.to_owned()];
    let mut pages: Vec<PathBuf> = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let list = if path.is_dir() { &mut open } else { &mut pages };
            list.push(path);
        }
    }
    started(Command::new("gzip").args(["-9", "-n", "-f"]).args(pages))
}

/// Also whether the tree is as it was committed. Nothing where there is no repository.
fn commit() -> anyhow::Result<String> {
    let git = |args: &[&str]| Command::new("git").args(args).current_dir(root()).output();
    let Ok(head) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return Ok(String::new());
    };
    if !head.status.success() {
        return Ok(String::new());
    }
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changed.stdout.is_empty() { "" } else { "-dirty" };
    Ok(format!("{}{dirty}", String::from_utf8(head.stdout)?.trim()))
}

fn empty(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    Ok(fs::create_dir_all(dir)?)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().context("is in a directory")?)?;
    fs::copy(from, to).with_context(|| format!("failed to copy {}", from.display()))?;
    Ok(())
}
