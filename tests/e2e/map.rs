//! `cliente map`: a program for each input. What it is for is in `real_jobs.rs`.

use std::fs;
use std::io::{BufRead as _, BufReader};

use common::exit;
use harness::Cluster;
use harness::cli::Run;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn inputs_come_from_arguments_files_and_pipes_and_outputs_can_be_told_apart() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let product =
        cli.run(&["map", "-k", "--", "echo", "{2}", "{1}", ":::", "a", "b", ":::", "1", "2"])?;
    assert_eq!(
        (product.code, product.stdout.as_str()),
        (Some(0), "1 a\n2 a\n1 b\n2 b\n"),
        "{product:?}"
    );
    let file = dir.path().join("inputs");
    fs::write(&file, "x/y.tar.gz\n\nz w\n")?;
    let file = file.display().to_string();
    let of_file = cli.run(&["map", "-k", "--tag", "--inputs", &file, "--", "echo", "{/.}"])?;
    assert_eq!(of_file.stdout, "x/y.tar.gz\ty.tar\nz w\tz w\n", "{of_file:?}");
    let piped =
        cli.run_with_input(&["map", "-k", "-j", "1", "--", "printf", "%s|"], "1\n2\n3\n")?;
    assert_eq!(piped.stdout, "1|2|3|", "{piped:?}");
    let none = cli.run_with_input(&["map", "--", "echo"], "")?;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    let json = cli.json(&["map", "--", "echo", ":::", "3"])?.remove(0);
    assert_eq!((&json["input"], &json["state"]), (&"3".into(), &"SUCCEEDED".into()), "{json}");
    Ok(())
}

#[test]
fn failures_are_told_with_their_input_and_may_end_the_rest() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let some =
        cli.run(&["map", "-k", "--", "sh", "-c", "echo $0; exit $0", ":::", "0", "3", "0"])?;
    assert_eq!(some.code, Some(i32::from(exit::TASK_FAILED)), "{some:?}");
    assert_eq!(some.stdout, "0\n3\n0\n");
    assert!(some.stderr.contains("3: NON_ZERO_EXIT"), "{some:?}");
    let ran = dir.path().join("ran");
    let script = format!("echo x >> {}; exit $0", ran.display());
    let flags = ["map", "--halt-on-error", "-j", "1", "--"];
    let halted =
        cli.run(&[&flags[..], &["sh", "-c", &script, ":::", "0", "1", "0", "0"]].concat())?;
    assert_eq!(halted.code, Some(i32::from(exit::TASK_FAILED)), "{halted:?}");
    assert!(fs::read_to_string(&ran)?.lines().count() <= 3);
    let many: Vec<_> = std::iter::repeat_n("x", 2_000).collect();
    let product = [&[":::"], &many[..]].concat().repeat(4);
    for (args, word) in [
        ([&["map", "--", "true"], &product[..]].concat(), "4294967295"),
        (vec!["map", "--", "true", "::::", "f"], "::::"),
        (vec!["map", "--inputs", "f", "--", "true", ":::", "x"], ":::"),
        (vec!["map", "--stdin-from", "-", "--", "cat"], ""),
    ] {
        let refused = cli.run(&args)?;
        assert_eq!(refused.code, Some(i32::from(exit::USAGE)), "{refused:?}");
        assert!(refused.stderr.contains(word), "{refused:?}");
    }
    let missing = cli.run(&["map", "--inputs", "/nao/existe", "--", "echo"])?;
    assert_eq!(missing.code, Some(i32::from(exit::USAGE)), "{missing:?}");
    Ok(())
}

#[test]
fn what_is_no_text_comes_out_as_the_program_printed_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let script = r"printf '\377\000\n'; printf '\376' >&2";
    let printed = (b"\xff\0\n".to_vec(), b"\xfe".to_vec());
    let ran = cli.command(&["run", "--", "sh", "-c", script]).output()?;
    assert_eq!((ran.stdout, ran.stderr), printed);
    let map = ["map", "-k", "--tag", "--", "sh", "-c", script, "{}", ":::", "a", "b"];
    let mapped = cli.command(&map).output()?;
    assert_eq!(mapped.stdout, b"a\t\xff\0\nb\t\xff\0\n");
    Ok(())
}

#[test]
fn an_input_that_is_no_text_ends_the_inputs_and_not_the_work() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let file = dir.path().join("inputs");
    fs::write(&file, b"one\ntwo\nb\xe9d\nfour\n")?;
    let file = file.display().to_string();
    let mapped =
        cli.run(&["map", "-k", "--inputs", &file, "--", "sh", "-c", "sleep 0.2; echo $0"])?;
    assert_eq!((mapped.code, &*mapped.stdout), (Some(i32::from(exit::USAGE)), "one\ntwo\n"));
    assert!(mapped.stderr.contains("A linha 3"), "{mapped:?}");
    let states = cli.json(&["list"])?;
    assert!(states.iter().all(|task| task["state"] == "SUCCEEDED"), "{states:?}");

    // What is in the place of an input divides nothing.
    let script = r#"echo "$0" > "$0.out""#;
    let place = format!("{{}}.out={}/{{}}.here", dir.path().display());
    let args =
        ["map", "--output-file", &place, "--", "sh", "-c", script, "{}", ":::", "a=b", "c d"];
    let mapped = cli.run(&args)?;
    assert_eq!(mapped.code, Some(0), "{mapped:?}");
    for name in ["a=b", "c d"] {
        let got = fs::read_to_string(dir.path().join(format!("{name}.here")))?;
        assert_eq!(got, format!("{name}\n"));
    }
    Ok(())
}

#[test]
fn who_interrupts_it_hears_what_became_of_all() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "4"])?;
    let script = "echo $0; test $0 = 1 || exec sleep 600";
    let map = ["--lang", "en", "map", "--", "sh", "-c", script, "{}", ":::", "1", "2", "3"];
    let mut client = cli.start(&map)?;
    let mut stdout = BufReader::new(client.stdout.take().expect("is piped"));
    let mut first = String::new();
    stdout.read_line(&mut first)?;
    assert_eq!(first, "1\n");
    let two = |tasks: &[serde_json::Value]| tasks.len() == 2;
    cli.until(&["list", "--state", "running"], 600, two)?.expect("the others run");
    kill_process(Pid::from_child(&client), Signal::INT)?;
    let ended = Run::from(client.wait_with_output()?);
    assert_eq!(ended.code, Some(exit::INTERRUPTED.into()), "{ended:?}");
    assert!(ended.stderr.contains("1 succeeded, 0 failed, 2 cancelled"), "{ended:?}");
    Ok(())
}
