//! Jobs that nobody made for this platform, as `docs/recipes.md` has them, while a worker and the principal are killed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use harness::cli::Run;
use harness::{Cli, Cluster};
use serde_json::Value;

/// So many files of `/usr/share` are compressed.
const FILES: usize = 300;
/// No single file takes longer than all others together.
const MAX_FILE_BYTES: u64 = 1 << 18;
/// How Lua's own makefile compiles it.
const COMPILE: [&str; 6] =
    ["gcc", "-std=gnu99", "-O2", "-Wall", "-DLUA_COMPAT_5_3", "-DLUA_USE_LINUX"];
const LINK: &str = "gcc -o program *.o -lm -ldl -Wl,-E";
/// A program with Lua in it; the interpreter's own is not among the sources.
const MAIN: &str = r#"
#include "lua.h"
#include "lauxlib.h"
#include "lualib.h"

int main(int argc, char **argv) {
  lua_State *state = luaL_newstate();
  luaL_openlibs(state);
  return argc < 2 || luaL_dostring(state, argv[1]) != LUA_OK;
}
"#;

/// Files that somebody else wrote, spread over the whole tree.
fn real_files() -> anyhow::Result<Vec<String>> {
    let mut folders = vec![PathBuf::from("/usr/share")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type()?;
            let length = entry.metadata()?.len();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && (1..MAX_FILE_BYTES).contains(&length) {
                // A name of one line can be an input.
                let name = entry.path().into_os_string().into_string().ok();
                files.extend(name.filter(|name| !name.contains(['\n', '\r'])));
            }
        }
    }
    files.sort();
    if files.len() < FILES {
        bail!("only {} files in /usr/share", files.len());
    }
    let step = files.len() / FILES;
    Ok(files.into_iter().step_by(step).take(FILES).collect())
}

/// Where Cargo keeps the sources of Lua 5.4, one of our dependencies.
fn lua_sources() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let registries = cargo.context("there is no home")?.join("registry/src");
    let within = |dir: &Path, start: &str| -> Vec<PathBuf> {
        let names = fs::read_dir(dir).into_iter().flatten().flatten();
        let is_one = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
        };
        names.map(|entry| entry.path()).filter(is_one).collect()
    };
    let registries = within(&registries, "");
    let crates = registries.iter().flat_map(|registry| within(registry, "lua-src-551"));
    let sources = crates.flat_map(|dir| within(&dir, "lua-5.4")).next();
    sources.context("no lua-src-551 in Cargo's registry: run `cargo fetch`")
}

/// A copy of them with a program of its own, and the names of its files without `.c`.
fn lua_project(dir: &Path) -> anyhow::Result<Vec<String>> {
    fs::create_dir(dir)?;
    let mut units = Vec::new();
    for entry in fs::read_dir(lua_sources()?)? {
        let (path, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name().into_string().unwrap_or_default())
        };
        fs::copy(&path, dir.join(&name))?;
        units.extend(name.strip_suffix(".c").map(str::to_owned));
    }
    fs::write(dir.join("main.c"), MAIN)?;
    units.push("main".to_owned());
    units.sort();
    assert!(units.len() > 30, "several dozen files: {units:?}");
    Ok(units)
}

/// Runs it to its end. After so many lines of its output a worker is killed, after so many the principal.
fn through_deaths(
    mut client: Command,
    cluster: &mut Cluster,
    (worker, principal): (usize, usize),
) -> anyhow::Result<Run> {
    let said = cluster.layout.dir.join("stderr");
    let mut child = client.stdout(Stdio::piped()).stderr(File::create(&said)?).spawn()?;
    let mut stdout = String::new();
    for (nth, line) in BufReader::new(child.stdout.take().context("is piped")?).lines().enumerate()
    {
        writeln!(stdout, "{}", line?)?;
        if nth + 1 == worker {
            cluster.workers[0].take().context("it was started")?.kill()?;
        }
        if nth + 1 == principal {
            cluster.kill_principal()?;
        }
    }
    let code = child.wait()?.code();
    Ok(Run { code, stdout, stderr: fs::read_to_string(said)? })
}

/// All that was submitted, however it was.
fn all_tasks(cli: &Cli) -> anyhow::Result<Vec<Value>> {
    let tasks = cli.json(&["list", "--all"])?;
    let attempts = tasks.iter().filter_map(|task| task["attempt"].as_u64()).max();
    assert!(attempts > Some(1), "the worker died with work in its hands");
    let epoch = cli.json(&["cluster"])?.remove(0)["epoch"].as_u64();
    assert!(epoch > Some(1), "somebody took over");
    Ok(tasks)
}

/// The program that was built, at work.
fn works(program: &Path) -> anyhow::Result<()> {
    let script =
        "local t = {} for n = 1, 5 do t[n] = n * n end print(_VERSION, table.concat(t, ' '))";
    let ran = Command::new(program).arg(script).output()?;
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "Lua 5.4\t1 4 9 16 25\n", "{ran:?}");
    Ok(())
}

#[test]
fn hundreds_of_files_are_compressed() -> anyhow::Result<()> {
    let xz = Command::new("xz").arg("--version").output();
    xz.context("this test needs xz: apt-get install xz-utils")?;
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 3, &["--slots", "2"])?;
    let files = real_files()?;
    let list = dir.path().join("list");
    fs::write(&list, files.join("\n"))?;
    let here = dir.path().join("here");
    fs::create_dir(&here)?;

    let script =
        r#"mkdir -p "$2" && xz -c "$1" > "$2/$3.tmp" && mv "$2/$3.tmp" "$2/$3.xz" && echo "$1""#;
    let mut map = cli.command(&["map", "--keep-order", "--cwd", ".", "--inputs"]);
    map.arg(&list).args(["--", "sh", "-c", script, "_", "{}", "packed/{//}", "{/}"]);
    map.current_dir(&here);
    let done = through_deaths(map, &mut cluster, (FILES / 8, FILES / 3))?;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        done.stdout.lines().collect::<Vec<_>>(),
        files,
        "each tells once, in the order of the inputs"
    );
    assert_eq!(all_tasks(&cli)?.len(), FILES, "none was submitted twice");
    for file in &files {
        let packed = format!("{}/packed/{file}.xz", here.display());
        let unpacked = Command::new("xz").args(["-dc", &packed]).output()?;
        assert!(unpacked.status.success(), "{packed}: {unpacked:?}");
        assert!(unpacked.stdout == fs::read(file)?, "{packed} is not {file}");
    }
    Ok(())
}

#[test]
fn a_c_project_is_built_from_a_file() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 3, &["--slots", "2"])?;
    let source = dir.path().join("source");
    let units = lua_project(&source)?;
    let mut flow = "[defaults]\ncwd = \".\"\nqueue = \"build\"\n".to_owned();
    for unit in &units {
        let file = format!("{unit}.c");
        let argv = [&COMPILE[..], &["-c", &file]].concat();
        writeln!(flow, "[tasks.{unit}]\ncommand = {argv:?}")?;
    }
    writeln!(flow, "[tasks.link]\nshell = {LINK:?}\nafter = {units:?}")?;
    fs::write(source.join("build.toml"), flow)?;

    let mut submit = cli.command(&["--output", "json", "submit", "--wait", "--file", "build.toml"]);
    submit.current_dir(&source);
    let done = through_deaths(submit, &mut cluster, (4, 10))?;
    assert_eq!(done.code, Some(0), "{done:?}");
    let ended: Vec<Value> =
        done.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut names: Vec<_> = ended.iter().filter_map(|task| task["name"].as_str()).collect();
    assert_eq!(names.pop(), Some("link"), "it comes last");
    names.sort_unstable();
    assert_eq!(names, units, "each has ended once");
    assert_eq!(all_tasks(&cli)?.len(), units.len() + 1);
    works(&source.join("program"))
}

#[test]
fn a_c_project_is_built_by_a_shell_script() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 3, &["--slots", "2"])?;
    let source = dir.path().join("source");
    let units = lua_project(&source)?;
    let script = format!(
        r#"objects=
        for file in *.c; do
            id=$("$@" submit --cwd . -- {} -c "$file")
            objects="$objects,$id"
            echo "$id"
        done
        "$@" submit --cwd . --wait --after "${{objects#,}}" -- sh -c '{LINK} && echo linked'"#,
        COMPILE.join(" ")
    );
    let client = cli.command(&[]);
    let mut sh = Command::new("sh");
    sh.args(["-ec", &script, "sh"]).arg(client.get_program()).args(client.get_args());
    sh.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
    sh.current_dir(&source);
    // By then more is submitted than workers can have done.
    let done = through_deaths(sh, &mut cluster, (8, 16))?;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout.lines().last(), Some("linked"));
    assert_eq!(done.stdout.lines().count(), units.len() + 1);
    assert_eq!(all_tasks(&cli)?.len(), units.len() + 1, "none was submitted twice");
    works(&source.join("program"))
}
