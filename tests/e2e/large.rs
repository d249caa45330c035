//! Payloads and results that no message holds, whoever dies while they travel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::exit;
use harness::{Cli, Cluster, Layout};

const PATIENCE: Duration = Duration::from_secs(60);
const LARGE: usize = 30 << 20;
/// More than a message takes, and sent in a moment.
const LONG: usize = 6 << 20;

/// No two pieces are alike; hexadecimal digits in lines where it is to be text.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_derive_key("large")
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn text(length: usize, seed: u64) -> String {
    let lines = bytes(length / 2, seed);
    let lines = lines
        .chunks(40)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n");
    lines.collect()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

fn blobs(cluster: &Cluster, port: u16) -> PathBuf {
    cluster.layout.data_dir(port).join("blobs")
}

fn has_bytes(dir: &Path) -> bool {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).any(|file| file.len() > 0)
}

/// Something is being received by the first principal.
fn comes(cluster: &Cluster) -> impl Fn() -> bool + use<> {
    let incoming = blobs(cluster, cluster.layout.principal_port).join("incoming");
    move || has_bytes(&incoming)
}

fn file(dir: &Path, content: &[u8]) -> anyhow::Result<String> {
    let path = dir.join(blake3::hash(content).to_hex().as_str());
    fs::write(&path, content)?;
    Ok(path.display().to_string())
}

#[test]
fn a_payload_arrives_whole_though_the_principal_dies_while_it_is_sent() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let payload = bytes(LARGE, 1);
    let named = format!("@{}", file(dir.path(), &payload)?);
    let mut command = cli.command(&["submit", "--handler", "echo", "--payload", &named, "--wait"]);
    let sending = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    until("the payload comes", comes(&cluster));
    cluster.kill_principal()?;
    let done = sending.wait_with_output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stdout == payload, "{} bytes came back", done.stdout.len());
    Ok(())
}

#[test]
fn a_result_arrives_whole_though_the_principal_dies_while_it_is_stored_and_fetched()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let input = text(LARGE, 2);
    let source = file(dir.path(), input.as_bytes())?;
    let gate = dir.path().join("gate");
    let script = format!("until test -e {}; do sleep 0.05; done; cat; echo end", gate.display());
    let id = cli.submit(&["--stdin-from", &source, "--", "sh", "-c", &script])?;
    let is_coming = comes(&cluster);
    assert!(!is_coming(), "the payload is there as a whole");
    fs::write(&gate, "")?;
    until("the worker stores the result", is_coming);
    cluster.kill_principal()?;
    let task = cli.finished(&id, 600)?.expect("it ends");
    assert_eq!(task["state"], "SUCCEEDED", "{task}");
    let expected = input + "end\n";
    let stored = &task["result"]["stdout"];
    assert_eq!(stored["bytes"], expected.len());
    assert_eq!(stored["blob"], blake3::hash(expected.as_bytes()).to_hex().as_str());

    // The other one takes over while the client fetches it.
    cluster.start_principal()?;
    let again = cluster.principal.as_ref().expect("it runs");
    again.wait_for("Sincronizado: pronto para assumir", PATIENCE)?;
    let kept = blobs(&cluster, cluster.layout.principal_port)
        .join(blake3::hash(expected.as_bytes()).to_hex().as_str());
    until("it has what it missed", || kept.exists());
    let desk = dir.path().join("desk");
    fs::create_dir_all(&desk)?;
    let mut command = cli.command(&["result", &id]);
    command.env("TMPDIR", &desk).stdout(Stdio::piped()).stderr(Stdio::piped());
    let fetching = command.spawn()?;
    until("the result comes", || has_bytes(&desk));
    cluster.backup.take().expect("it runs").kill()?;
    let done = fetching.wait_with_output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stdout == expected.as_bytes(), "{} bytes came", done.stdout.len());
    assert_eq!(fs::read_dir(&desk)?.count(), 0, "nothing stays");
    Ok(())
}

#[test]
fn a_worker_that_dies_while_it_stores_a_result_is_replaced() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "1"])?;
    let print = format!("yes | head -c {LARGE}");
    let id = cli.submit(&["--", "sh", "-c", &print])?;
    until("it is stored", comes(&cluster));
    let worker = cli.json(&["status", &id])?.remove(0)["worker_id"].to_string();
    let nth = cluster.layout.worker_ports.iter().position(|p| worker.contains(&p.to_string()));
    cluster.workers[nth.expect("it has one")].take().expect("it runs").kill()?;
    let task = cli.finished(&id, 600)?.expect("it ends");
    assert_eq!(
        (&task["state"], &task["result"]["stdout"]["bytes"]),
        (&"SUCCEEDED".into(), &LARGE.into())
    );
    let got = cli.command(&["result", &id]).output()?;
    assert!(got.stdout == b"y\n".repeat(LARGE / 2), "{} bytes", got.stdout.len());
    Ok(())
}

#[test]
fn programs_of_a_map_print_as_much_as_they_like() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "2"])?;
    let print = format!("yes $0 | head -c {LONG}; echo $0 >&2");
    let map = ["map", "-k", "--", "sh", "-c", &print, "{}", ":::", "a", "b"];
    let done = cli.command(&map).output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let expected = ["a\n", "b\n"].map(|line| line.repeat(LONG / 2)).concat();
    assert!(done.stdout == expected.as_bytes(), "{} bytes", done.stdout.len());
    let tagged =
        cli.command(&["map", "--tag", "--", "sh", "-c", &print, "{}", ":::", "a"]).output()?;
    assert!(tagged.stdout == "a\ta\n".repeat(LONG / 2).as_bytes(), "each line has its tag");
    let json = cli.json(&["map", "--", "sh", "-c", &print, "{}", ":::", "a"])?.remove(0);
    assert_eq!(json["result"]["stdout"]["bytes"], LONG, "{json}");
    assert_eq!(
        (&json["result"]["stderr"], &json["result"]["truncated"]),
        (&"a\n".into(), &false.into())
    );

    // What is no text, of one that fails, and through `run`.
    let raw = file(dir.path(), &bytes(LONG, 3))?;
    let failed = cli.command(&["run", "--", "sh", "-c", &format!("cat {raw}; exit 3")]).output()?;
    assert_eq!(failed.status.code(), Some(3), "{}", String::from_utf8_lossy(&failed.stderr));
    assert!(failed.stdout == bytes(LONG, 3), "{} bytes", failed.stdout.len());
    Ok(())
}

#[test]
fn what_run_shows_in_a_pipe_has_no_gap() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let printed = text(LARGE, 8);
    let source = file(dir.path(), printed.as_bytes())?;
    // Followed from its beginning, and more at once than is kept for those who follow.
    let script = format!("echo begin; sleep 1; cat {source}; sleep 1; echo end");
    let done = cli.command(&["run", "--", "sh", "-c", &script]).output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let expected = format!("begin\n{printed}end\n");
    assert!(done.stdout == expected.as_bytes(), "{} bytes", done.stdout.len());
    Ok(())
}

#[test]
fn the_same_payload_is_the_same_task_and_no_other_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let payload = bytes(LONG, 4);
    let named = format!("@{}", file(dir.path(), &payload)?);
    let other = format!("@{}", file(dir.path(), &bytes(LONG, 5))?);
    let id = cli.submit(&["--handler", "echo", "--payload", &named])?;
    let again = ["submit", "--handler", "echo", "--id", &id, "--payload"];
    let same = cli.json(&[&again[..], &[&named]].concat())?.remove(0);
    assert_eq!(same["existed"], true, "{same}");
    let refused = cli.run(&[&again[..], &[&other]].concat())?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    let task = cli.finished(&id, 300)?.expect("it ends");
    let blob = blake3::hash(&payload).to_hex();
    assert_eq!(
        (&task["result"]["blob"], &task["result"]["bytes"]),
        (&blob.as_str().into(), &LONG.into())
    );
    let shown = cli.run(&["status", &id])?;
    assert!(shown.stdout.contains(&format!("({LONG} bytes)")), "{shown:?}");
    let got = cli.command(&["result", &id]).output()?;
    assert!(got.stdout == payload);
    Ok(())
}

#[test]
fn what_is_beyond_the_limits_is_refused_or_cut_and_said_to_be() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    let args = ["--handlers", "default,command", "--max-result-bytes", "5MiB"];
    layout.worker_args = args.map(str::to_owned).to_vec();
    layout.orchestrator_args = ["--max-payload-bytes", "7MiB"].map(str::to_owned).to_vec();
    let (cli, mut cluster) = (Cli::new(&layout), Cluster::new(layout));
    cluster.start()?;
    let submit = |length: usize, seed| -> anyhow::Result<harness::cli::Run> {
        let named = format!("@{}", file(dir.path(), &bytes(length, seed))?);
        cli.run(&["submit", "--handler", "echo", "--payload", &named, "--wait"])
    };
    let refused = submit(8 << 20, 6)?;
    assert_eq!(refused.code, Some(exit::REFUSED.into()), "{refused:?}");
    assert!(refused.stderr.contains("7340032 (--max-payload-bytes)"), "{refused:?}");
    let store = blobs(&cluster, cluster.layout.principal_port);
    let kept = store.join(blake3::hash(&bytes(8 << 20, 6)).to_hex().as_str());
    assert!(!kept.exists(), "it was not sent at all");
    let failed = submit(LONG, 7)?;
    assert_eq!(failed.code, Some(exit::TASK_FAILED.into()), "{failed:?}");
    assert!(failed.stderr.contains("RESULT_TOO_LARGE"), "{failed:?}");
    assert!(failed.stderr.contains("5242880 (--max-result-bytes)"), "{failed:?}");
    let script = format!("yes | head -c {LONG}");
    let id = cli.submit(&["--", "sh", "-c", &script])?;
    let task = cli.finished(&id, 300)?.expect("it ends");
    assert_eq!(
        (&task["result"]["stdout"]["bytes"], &task["result"]["truncated"]),
        (&(5 << 20).into(), &true.into())
    );
    Ok(())
}

#[test]
fn what_a_program_printed_until_its_time_was_up_is_given_whole() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    let said = text(3 << 20, 11);
    let script = format!("cat {}; echo made > x; sleep 1000", file(dir.path(), said.as_bytes())?);
    let limits = ["--attempt-timeout", "5s", "--output-file", "x"];
    let id = cli.submit(&[&limits[..], &["--", "sh", "-c", &script]].concat())?;
    let ended = cli.finished(&id, 300)?.expect("it ends");
    assert_eq!(ended["error"]["code"], "TIMEOUT", "{ended}");
    let got = cli.run(&["result", &id])?;
    assert!(got.stdout == said, "{} bytes of {}: {}", got.stdout.len(), said.len(), got.stderr);
    let into = dir.path().join("into");
    cli.run(&["result", &id, "--files", "--into", &into.display().to_string()])?;
    assert_eq!(fs::read_to_string(into.join("x"))?, "made\n");
    Ok(())
}

/// Together several times what a message may have, in one watch.
#[test]
fn thousands_of_results_that_are_there_already_are_waited_for_at_once() -> anyhow::Result<()> {
    const TASKS: usize = 5_000;
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = Cluster::with_programs(dir.path(), 2, &["--slots", "64"])?;
    let lines = dir.path().join("lines");
    let filling = "x".repeat(4_096);
    fs::write(&lines, (0..TASKS).map(|nth| format!("{nth} {filling}\n")).collect::<String>())?;
    let path = lines.display().to_string();
    let submit = ["submit", "--handler", "echo", "--payload", "{}", "--each-line", &path];
    let tasks = cli.json(&submit)?;
    let ids: Vec<&str> = tasks.iter().filter_map(|task| task["task_id"].as_str()).collect();
    assert_eq!(ids.len(), TASKS);
    let wait: Vec<&str> = ["wait"].into_iter().chain(ids).collect();
    // The second time all of them are told of at once.
    for _ in 0..2 {
        let waited = cli.json(&wait)?;
        let whole = waited.iter().filter(|task| {
            task["result"].as_str().is_some_and(|result| result.ends_with(&filling))
        });
        assert_eq!(whole.count(), TASKS);
    }
    Ok(())
}
