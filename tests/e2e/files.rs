//! Files of tasks: taken along, brought back, and there whoever dies meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::exit;
use harness::{Cli, Cluster};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
/// Several times what a message may have.
const LARGE: usize = 50 << 20;

/// Bytes that no disk compresses, and no two of which are alike.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_derive_key("files")
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// Where the client is.
fn here(cli: &Cli, dir: &Path, args: &[&str]) -> anyhow::Result<harness::cli::Run> {
    fs::create_dir_all(dir)?;
    Ok(cli.command(args).current_dir(dir).output()?.into())
}

fn blobs(cluster: &Cluster, port: u16) -> PathBuf {
    cluster.layout.data_dir(port).join("blobs")
}

fn stores(cluster: &Cluster) -> [PathBuf; 2] {
    [cluster.layout.principal_port, cluster.layout.backup_port].map(|port| blobs(cluster, port))
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

fn is_kept(store: &Path, content: &[u8]) -> bool {
    store.join(blake3::hash(content).to_hex().as_str()).exists()
}

#[test]
fn frames_are_rendered_elsewhere_though_the_principal_dies_meanwhile() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "2"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(desk.join("scene"))?;
    let (scene, texture) = (bytes(3 << 20, 1), bytes(300_000, 2));
    fs::write(desk.join("scene/scene.bin"), &scene)?;
    fs::write(desk.join("scene/texture.bin"), &texture)?;
    let render = "sleep 0.4; mkdir frames; { echo $1; cat scene/scene.bin scene/texture.bin; } > frames/$1.img; echo $1";
    let frames: Vec<String> = (1..=12).map(|frame| frame.to_string()).collect();
    let mut args = vec![
        "map",
        "--input",
        "scene",
        "--output-file",
        "frames/{}.img",
        "--",
        "sh",
        "-c",
        render,
        "-",
        ":::",
    ];
    args.extend(frames.iter().map(String::as_str));
    let mut command = cli.command(&args);
    let rendering = command.current_dir(&desk).stdout(std::process::Stdio::piped());
    let rendering = rendering.stderr(std::process::Stdio::piped()).spawn()?;
    until("a first frame", || desk.join("frames").exists());
    cluster.kill_principal()?;
    let done: harness::cli::Run = rendering.wait_with_output()?.into();
    assert_eq!(done.code, Some(exit::OK.into()), "{done:?}");
    for frame in &frames {
        let expected = [format!("{frame}\n").as_bytes(), &scene, &texture].concat();
        let made = fs::read(desk.join(format!("frames/{frame}.img")))?;
        assert!(made == expected, "frame {frame} is another one");
    }
    Ok(())
}

#[test]
fn a_large_file_goes_and_comes_though_the_principal_dies_while_it_is_sent() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    let film = bytes(LARGE, 3);
    fs::write(desk.join("film.raw"), &film)?;
    let encode = ["sh", "-c", "cp film.raw film.enc && echo end >> film.enc"];
    let mut command = cli.command(
        &[
            &["run", "--input", "film.raw", "--output-file", "film.enc=out/film.enc", "--"],
            &encode[..],
        ]
        .concat(),
    );
    let sending = command.current_dir(&desk).stdout(std::process::Stdio::piped());
    let sending = sending.stderr(std::process::Stdio::piped()).spawn()?;
    let incoming = stores(&cluster)[0].join("incoming");
    let comes = || {
        let files = fs::read_dir(&incoming).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).any(|file| file.len() > 0)
    };
    until("the file comes", comes);
    cluster.kill_principal()?;
    assert!(!is_kept(&stores(&cluster)[0], &film), "it had not come as a whole");
    let done: harness::cli::Run = sending.wait_with_output()?.into();
    assert_eq!(done.code, Some(exit::OK.into()), "{done:?}");
    assert!(fs::read(desk.join("out/film.enc"))? == [&film[..], b"end\n"].concat());
    Ok(())
}

#[test]
fn what_is_there_is_not_sent_again_and_a_worker_keeps_what_it_fetched() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    fs::write(desk.join("a"), "content")?;
    let run =
        |script: &str| here(&cli, &desk, &["run", "--input", "a=in/b", "--", "sh", "-c", script]);
    let first = run("cat in/b; echo changed > in/b")?;
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), "content"), "{first:?}");
    for store in stores(&cluster) {
        assert!(is_kept(&store, b"content"), "it is on both");
        // Nothing can be received any more, and nothing is there to be given.
        fs::remove_dir_all(store.join("incoming"))?;
        fs::remove_file(store.join(blake3::hash(b"content").to_hex().as_str()))?;
    }
    let second = run("cat in/b")?;
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), "content"), "{second:?}");
    Ok(())
}

#[test]
fn what_was_sent_is_on_both_though_no_task_refers_to_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    fs::write(desk.join("a"), "content")?;
    let nowhere = ["submit", "--label", "zone=nowhere", "--input", "a", "--", "true"];
    let refused = here(&cli, &desk, &nowhere)?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    for store in stores(&cluster) {
        assert!(is_kept(&store, b"content"), "not in {}", store.display());
    }
    Ok(())
}

#[test]
fn no_name_leads_out_of_its_directory() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    fs::write(desk.join("a"), "content")?;
    for flags in [
        ["--input", "a=../a"],
        ["--input", "a=/tmp/a"],
        ["--input", "none"],
        ["--output-file", "../a"],
        ["--output-file", "/etc/passwd"],
    ] {
        let refused = here(&cli, &desk, &[&["run"], &flags[..], &["--", "true"]].concat())?;
        assert_eq!(refused.code, Some(exit::USAGE.into()), "{flags:?}: {refused:?}");
    }
    let link = ["run", "--output-file", "x", "--", "ln", "-s", "/etc/passwd", "x"];
    let refused = here(&cli, &desk, &link)?;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(!desk.join("x").exists());

    // Nor in an order that somebody writes by hand.
    let sent = here(&cli, &desk, &["run", "--input", "a", "--", "true"])?;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let blob = blake3::hash(b"content").to_hex();
    let input = json!({"name": "../../escaped", "blob": blob.as_str(), "bytes": 7});
    for order in [
        json!({"argv": ["true"], "inputs": [input]}),
        json!({"argv": ["true"], "outputs": ["../../*"]}),
    ] {
        let id = cli.submit(&["--handler", "command", "--payload", &order.to_string()])?;
        let task = cli.finished(&id, 300)?.expect("it ends");
        assert_eq!(task["error"]["code"], "INVALID_PAYLOAD", "{task}");
    }
    Ok(())
}

#[test]
fn files_of_tasks_and_lines_have_files() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    for name in ["one", "two"] {
        fs::write(desk.join(name), format!("{name}\n"))?;
    }
    fs::write(
        desk.join("flow.toml"),
        r#"
        [tasks.joined]
        shell = "cat one two > all && cat all"
        inputs = ["one", "two"]
        outputs = ["all"]
        "#,
    )?;
    let flow = here(&cli, &desk, &["--output", "json", "submit", "--file", "flow.toml", "--wait"])?;
    assert_eq!(flow.code, Some(0), "{flow:?}");
    let task: Value = serde_json::from_str(&flow.stdout)?;
    assert_eq!(task["result"]["stdout"], "one\ntwo\n");
    let id = task["task_id"].as_str().expect("has an id");
    let told = cli.run(&["result", id])?;
    assert!(told.stderr.contains(&format!("cliente result {id} --files")), "{told:?}");
    let got = here(&cli, &desk, &["result", id, "--files", "--into", "made"])?;
    assert_eq!(
        (got.code, fs::read_to_string(desk.join("made/all"))?),
        (Some(0), "one\ntwo\n".into())
    );

    fs::write(desk.join("lines"), "one\ntwo\n")?;
    let lines = ["--output", "json", "submit", "--each-line", "lines", "--input", "{}", "--wait"];
    let each = here(&cli, &desk, &[&lines[..], &["--", "cat", "{}"]].concat())?;
    assert_eq!(each.code, Some(0), "{each:?}");
    let said: Vec<Value> =
        each.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut said: Vec<_> = said.iter().map(|task| task["result"]["stdout"].to_string()).collect();
    said.sort();
    assert_eq!(said, [r#""one\n""#, r#""two\n""#]);
    Ok(())
}

/// The result of a task that left a file.
fn made(cli: &Cli, script: &str) -> anyhow::Result<String> {
    let id = cli.submit(&["--output-file", "log.txt", "--", "sh", "-c", script])?;
    cli.finished(&id, 300)?.expect("it ends");
    Ok(id)
}

#[test]
fn a_standby_that_was_away_has_the_files_later_and_gives_them_after_taking_over()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let there = |into: &str, id: &str| -> anyhow::Result<String> {
        let into = dir.path().join(into);
        let got = cli.run(&["result", id, "--files", "--into", &into.display().to_string()])?;
        assert_eq!(got.code, Some(exit::OK.into()), "{got:?}");
        Ok(fs::read_to_string(into.join("log.txt"))?)
    };
    cluster.backup.take().expect("it runs").kill()?;
    // Of a program that failed, too.
    let failed = made(&cli, "echo alone > log.txt; exit 3")?;
    assert_eq!(there("first", &failed)?, "alone\n");
    let [own, other] = stores(&cluster);
    assert!(is_kept(&own, b"alone\n") && !is_kept(&other, b"alone\n"));
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    let backup = cluster.backup.as_ref().expect("it runs");
    backup.wait_for("vieram do outro orquestrador", PATIENCE)?;
    assert!(is_kept(&other, b"alone\n"));

    // What the disk has damaged comes from the other one.
    let both = made(&cli, "echo sound > log.txt")?;
    fs::write(own.join(blake3::hash(b"sound\n").to_hex().as_str()), "SOUND\n")?;
    assert_eq!(there("mended", &both)?, "sound\n");
    cluster.kill_principal()?;
    assert_eq!(there("second", &failed)?, "alone\n");
    assert_eq!(there("third", &both)?, "sound\n");
    Ok(())
}

#[test]
fn what_no_task_refers_to_goes() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = harness::Layout::new(dir.path(), 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    let limits =
        ["--blob-grace-ms", "3000", "--max-finished-tasks", "1", "--max-blob-bytes", "1MiB"];
    layout.orchestrator_args = limits.map(str::to_owned).to_vec();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let [own, other] = stores(&cluster);
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    fs::write(desk.join("a"), "waits")?;
    let waits = here(&cli, &desk, &["submit", "--delay", "1h", "--input", "a", "--", "true"])?;
    assert_eq!(waits.code, Some(0), "{waits:?}");
    for text in ["first", "second"] {
        made(&cli, &format!("echo {text} > log.txt"))?;
    }
    // Which is younger than what the task that waits has sent.
    until("it goes", || !is_kept(&own, b"first\n") && !is_kept(&other, b"first\n"));
    assert!(is_kept(&own, b"waits") && is_kept(&other, b"waits"));

    // More than there is room for at a time, one after the other.
    for n in 0..5 {
        let script = format!("head -c 300000 /dev/zero | tr '\\0' {n} > x");
        let made = here(&cli, &desk, &["run", "--output-file", "x", "--", "sh", "-c", &script])?;
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let full =
        cli.run(&["run", "--output-file", "x", "--", "sh", "-c", "head -c 2000000 /dev/zero > x"])?;
    assert!(full.code != Some(0) && !full.stderr.is_empty(), "{full:?}");
    let task: Vec<Value> = cli.json(&["list"])?;
    assert!(task.iter().any(|task| task["error"]["code"] == "OUTPUT_FAILED"), "{task:?}");
    Ok(())
}

#[test]
fn what_the_principal_s_disk_has_damaged_is_sent_again_and_blocks_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    fs::write(desk.join("a"), "content")?;
    cluster.backup.take().expect("it runs").kill()?;
    // No task refers to it, so that nobody looks at it.
    let nowhere = ["submit", "--label", "zone=nowhere", "--input", "a", "--", "true"];
    assert_eq!(here(&cli, &desk, &nowhere)?.code, Some(exit::REFUSED.into()));
    let [own, other] = stores(&cluster);
    let name = blake3::hash(b"content").to_hex();
    fs::write(own.join(name.as_str()), "CONTENT")?;
    cluster.start_backup()?;
    cluster.wait_in_sync()?;
    let ran = here(&cli, &desk, &["run", "--input", "a", "--", "cat", "a"])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "content"), "{ran:?}");
    assert!(own.join("damaged").join(name.as_str()).exists());
    for store in [&own, &other] {
        assert_eq!(fs::read(store.join(name.as_str()))?, b"content", "{}", store.display());
    }
    let principal = cluster.principal.as_ref().expect("it runs");
    principal.wait_for("blobs/damaged", PATIENCE)?;
    Ok(())
}

#[test]
fn who_is_interrupted_while_files_come_leaves_none_in_part() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let make = format!("head -c {LARGE} /dev/zero > film");
    let id = cli.submit(&["--output-file", "film", "--", "sh", "-c", &make])?;
    cli.finished(&id, 300)?.expect("it ends");
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    let files = || -> Vec<String> {
        let files = fs::read_dir(&desk).into_iter().flatten().flatten();
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut receiving = cli.command(&["result", &id, "--files"]).current_dir(&desk).spawn()?;
    until("the file comes", || !files().is_empty());
    let pid = receiving.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status()?.success());
    receiving.wait()?;
    assert!(!files().iter().any(|name| name.ends_with(".part")), "{:?}", files());
    Ok(())
}

#[test]
fn what_many_tasks_make_does_not_lie_in_one_place() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let desk = dir.path().join("desk");
    let program = ["--", "sh", "-c", "echo {} > out", ":::"];
    let map = |place: &str, inputs: &[&str]| {
        here(&cli, &desk, &[&["map", "--output-file", place], &program[..], inputs].concat())
    };
    let refused = map("out", &["a", "b"])?;
    assert_eq!(refused.code, Some(exit::USAGE.into()), "{refused:?}");
    assert!(!desk.join("out").exists());
    assert_eq!(map("out={}.out", &["a", "b"])?.code, Some(exit::OK.into()));
    assert_eq!(map("out", &["c"])?.code, Some(exit::OK.into()), "there is only one");
    let read = |name: &str| fs::read_to_string(desk.join(name));
    assert_eq!(
        (read("a.out")?, read("b.out")?, read("out")?),
        ("a\n".into(), "b\n".into(), "c\n".into())
    );
    Ok(())
}

#[test]
fn links_in_a_folder_are_taken_along_as_the_files_that_they_lead_to() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(desk.join("src/deep"))?;
    fs::write(desk.join("one"), "one\n")?;
    std::os::unix::fs::symlink("../../one", desk.join("src/deep/link"))?;
    let cat = ["run", "--input", "src", "--", "cat", "src/deep/link"];
    assert_eq!(here(&cli, &desk, &cat)?.stdout, "one\n");
    std::os::unix::fs::symlink("/", desk.join("src/root"))?;
    let refused = here(&cli, &desk, &cat)?;
    assert_eq!(refused.code, Some(exit::USAGE.into()), "{refused:?}");
    assert!(refused.stderr.contains("src/root"), "{refused:?}");
    Ok(())
}
