//! Files that one task leaves and another takes, on workers that share no folder.

use std::fs;
use std::path::Path;

use common::exit;
use harness::{Cli, Cluster};
use serde_json::Value;

const TOKEN: &str = "um-token-de-verdade-1";
const OTHER_TOKEN: &str = "outro-token-de-verdade-2";

/// Where the client is.
fn here(cli: &Cli, dir: &Path, args: &[&str]) -> anyhow::Result<harness::cli::Run> {
    Ok(cli.command(args).current_dir(dir).output()?.into())
}

const BUILD: &str = r#"
[tasks.a]
command = ["gcc", "-c", "a.c"]
inputs = ["a.c", "twice.h"]
outputs = ["a.o"]

[tasks.b]
command = ["gcc", "-c", "b.c"]
inputs = ["b.c", "twice.h"]
outputs = ["*.o"]

[tasks.tables]
array = "1-3"
shell = "until [ -e @GO@ ]; do sleep 0.02; done; echo $((MUTIRAO_ARRAY_INDEX * 7)) > t"
outputs = ["t"]

[tasks.link]
shell = "ls a.o objects/b.o && gcc -o program a.o objects/b.o"
inputs_from = ["a:a.o", "b:*.o=objects"]
outputs = ["program"]

[tasks.run]
shell = "./program && cat tables/*/t && ls tables"
inputs_from = ["link:program", "tables=tables"]
"#;

#[test]
fn a_program_is_built_and_run_on_machines_that_share_nothing_and_the_principal_dies()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "2"])?;
    let desk = dir.path().join("desk");
    fs::create_dir(&desk)?;
    let go = dir.path().join("go");
    fs::write(desk.join("twice.h"), "int twice(int);\n")?;
    fs::write(desk.join("b.c"), "#include \"twice.h\"\nint twice(int n) { return n * 2; }\n")?;
    let main =
        "#include <stdio.h>\n#include \"twice.h\"\nint main() { printf(\"%d\\n\", twice(21)); }\n";
    fs::write(desk.join("a.c"), main)?;
    fs::write(desk.join("build.toml"), BUILD.replace("@GO@", &go.display().to_string()))?;
    let build = ["--output", "json", "submit", "--file", "build.toml", "--group", "build"];
    let accepted = here(&cli, &desk, &build)?;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let tasks: Vec<Value> =
        accepted.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let id_of = |name: &str| {
        let task = tasks.iter().find(|task| task["name"] == name).expect("it was accepted");
        task["task_id"].as_str().expect("it is a task").to_owned()
    };
    cli.json(&["wait", &id_of("link")])?;
    cluster.kill_principal()?;
    fs::write(&go, "")?;
    let ran = cli.json(&["result", &id_of("run"), "--wait"])?.remove(0);
    assert_eq!(ran["result"]["stdout"], "42\n7\n14\n21\n1\n2\n3\n", "{ran}");

    // From the command line, and into a run that feels local.
    let from = format!("{}:program=tool", id_of("link"));
    let run = cli.run(&["run", "--input-from", &from, "--", "sh", "-c", "ls; ./tool"])?;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "tool\n42\n"), "{run:?}");
    Ok(())
}

#[test]
fn what_is_not_there_is_named() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let left =
        cli.submit(&["--output-file", "a.o", "--output-file", "b.o", "--", "touch", "a.o", "b.o"])?;
    let refusal = |from: &str| {
        let run = cli.run(&["run", "--input-from", from, "--", "ls"])?;
        assert_ne!(run.code, Some(0), "{run:?}");
        anyhow::Ok(run.stderr)
    };
    let told = refusal(&format!("{left}:c.o"))?;
    assert!(told.contains("left no file called `c.o`; it left a.o, b.o"), "{told}");
    let folder = format!("{left}:*=x");
    let folder = cli.run(&["run", "--input-from", &folder, "--", "ls", "x"])?;
    assert_eq!((folder.code, folder.stdout.as_str()), (Some(0), "a.o\nb.o\n"), "{folder:?}");
    let both = ["run", "--input-from", &left, "--input-from", &left, "--", "ls"];
    let both = cli.run(&both)?;
    assert!(both.stderr.contains("two files are to be called"), "{both:?}");
    for bad in ["none:a", "a.o", &format!("{left}:../a")] {
        let run = cli.run(&["run", "--input-from", bad, "--", "ls"])?;
        assert_eq!(run.code, Some(exit::USAGE.into()), "{run:?}");
    }
    let unknown = cli.run(&["run", "--input-from", &cliente::new_task_id(), "--", "ls"])?;
    assert_eq!(unknown.code, Some(exit::NOT_FOUND.into()), "{unknown:?}");
    Ok(())
}

#[test]
fn what_another_user_left_is_not_taken_whatever_a_payload_says() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (demo, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    demo.run_with_input(&["users", "add", "root", "--admin"], TOKEN)?;
    let root = demo.with_credentials("root", TOKEN);
    root.run_with_input(&["users", "add", "zoe"], OTHER_TOKEN)?;
    let left = root.submit(&["--output-file", "a", "--", "touch", "a"])?;
    root.json(&["wait", &left])?;
    let zoe = demo.with_credentials("zoe", OTHER_TOKEN);
    let payload = format!(r#"{{"argv":["ls"],"inputs_from":[{{"task":"{left}"}}]}}"#);
    let spy = ["submit", "--handler", "command", "--payload", &payload, "--wait"];
    let refused = zoe.run(&spy)?;
    assert_eq!(refused.code, Some(exit::TASK_FAILED.into()), "{refused:?}");
    assert!(refused.stderr.contains("is not known any more"), "{refused:?}");
    let own = root.run(&spy)?;
    assert_eq!(own.code, Some(0), "{own:?}");
    Ok(())
}
