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

#[test]
fn what_was_repeated_leaves_its_files_for_what_it_repeats() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "2"])?;
    let (mended, go) = (dir.path().join("mended"), dir.path().join("go"));
    let script = "if [ $MUTIRAO_ARRAY_INDEX = 2 ] && [ ! -e $0 ]; then echo bad > o; exit 1; fi
        if [ -e $0 ]; then until [ -e $1 ]; do sleep 0.02; done; fi; echo good$MUTIRAO_ARRAY_INDEX > o";
    let [mended_, go_] = [&mended, &go].map(|path| path.display().to_string());
    let map = ["--output-file", "o", "--", "sh", "-c", script, &mended_, &go_];
    let map = cli.json(&[&["submit", "--array", "1-3"][..], &map].concat())?.remove(0);
    let map = map["array_id"].as_str().expect("it has one").to_owned();
    assert_eq!(cli.run(&["wait", &map])?.code, Some(exit::TASK_FAILED.into()));
    fs::write(&mended, "")?;
    cli.json(&["retry", &map])?;
    let waiting = cli.json(&["submit", "--input-from", &map, "--", "sh", "-c", "cat */o"])?;
    let waiting = waiting[0]["task_id"].as_str().expect("it has one").to_owned();
    assert_eq!(cli.json(&["status", &waiting])?[0]["waits_for"], 1, "for the repetition");
    cluster.kill_principal()?;
    fs::write(&go, "")?;
    let taken = cli.json(&["result", &waiting, "--wait"])?.remove(0);
    assert_eq!(taken["result"]["stdout"], "good1\ngood2\ngood3\n", "{taken}");
    let any_end = ["run", "--input-from", &map, "--after-any-end", "--", "sh", "-c", "cat */o"];
    let taken = cli.run(&any_end)?;
    assert_eq!(taken.stdout, "good1\ngood2\ngood3\n", "{taken:?}");
    let into = dir.path().join("here").display().to_string();
    cli.json(&["result", &map, "--files", "--into", &into])?;
    assert_eq!(fs::read_to_string(dir.path().join("here/2/o"))?, "good2\n");
    let second = format!("{map}_2");
    let into = dir.path().join("there").display().to_string();
    cli.json(&["result", &second, "--files", "--into", &into])?;
    assert_eq!(fs::read_to_string(dir.path().join("there/o"))?, "good2\n");
    let told = cli.run(&["--lang", "en", "wait", &second])?;
    assert!(told.stderr.contains(&format!("{second} was repeated as ")), "{told:?}");
    let nothing = cli.run(&["submit", "--wait", "--", "false"])?;
    assert_eq!(nothing.code, Some(exit::TASK_FAILED.into()));
    let failed = cli.json(&["list", "--state", "failed", "--limit", "1"])?.remove(0);
    let failed = failed["task_id"].as_str().expect("it has one");
    let none = cli.run(&["result", failed, "--files"])?;
    assert_eq!(none.code, Some(exit::TASK_FAILED.into()), "it left none: {none:?}");
    Ok(())
}

#[test]
fn tasks_whose_names_look_like_places_are_found() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let flow = r#"
        [tasks."x:y.c"]
        shell = "echo 1 > o"
        outputs = ["o"]
        [tasks."x=y"]
        shell = "echo 2 > o"
        outputs = ["o"]
        [tasks.sum]
        shell = "cat a b"
        inputs_from = ["x:y.c:o=a", "x=y:o=b"]
    "#;
    let path = dir.path().join("flow.toml");
    fs::write(&path, flow)?;
    let done = cli.run(&["submit", "--wait", "--file", &path.display().to_string()])?;
    assert_eq!(done.code, Some(0), "{done:?}");
    let map = ["--output-file", "d", "--", "sh", "-c", "mkdir d; echo 1 >d/a; echo 2 >d/b"];
    let left = cli.submit(&map)?;
    let from = format!("{left}:d/{{}}");
    let each = ["map", "-k", "--input-from", &from, "--", "cat", "d/{}", ":::", "a", "b"];
    let each = cli.run(&each)?;
    assert_eq!((each.code, each.stdout.as_str()), (Some(0), "1\n2\n"), "{each:?}");
    let clash = [format!("{left}:d/a=d"), format!("{left}:d/b=d/b")];
    let clash = ["run", "--input-from", &clash[0], "--input-from", &clash[1], "--", "ls"];
    let clash = cli.run(&clash)?;
    assert!(clash.stderr.contains("a folder of others"), "{clash:?}");
    let word = cli.run(&["--lang", "en", "run", "ls"])?;
    assert!(word.stderr.contains("come after --"), "{word:?}");
    Ok(())
}
