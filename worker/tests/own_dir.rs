//! Directories of attempts: made, private, and gone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::console::Console;
use common::lang::Lang;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::handlers::CommandHandler;
use worker::{Context, Failure, Handler as _};

const WORKER: &str = "localhost:50061";

fn context() -> Context {
    Context {
        task_id: "01900000-0000-7000-8000-000000000001".into(),
        attempt: 3,
        epoch: 7,
        worker_id: Arc::from(WORKER),
        origin: None,
        scheduled: None,
        live: worker::Live::default(),
        trace: None,
        files: worker::Files::default(),
        cancelled: CancellationToken::new(),
        unwanted: CancellationToken::new(),
    }
}

async fn run_with(handler: &CommandHandler, order: Value) -> Result<Value, Failure> {
    let result = handler.run(context(), order.to_string().into_bytes()).await?;
    Ok(serde_json::from_slice(&result).expect("the result is JSON"))
}

fn script(line: &str) -> Value {
    json!({ "argv": ["sh", "-c", line], "own_dir": true })
}

/// The directory of the worker, which is made with the first attempt.
fn of_worker(root: &Path) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    root.join(format!("mutirao-{user}-localhost_50061"))
}

fn left(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of_worker(root)).expect("was made");
    entries.map(|entry| entry.expect("is readable").path()).collect()
}

#[tokio::test]
async fn it_is_empty_private_named_and_gone() {
    let root = tempfile::tempdir().expect("a directory");
    let handler = CommandHandler::in_root(root.path().to_owned());
    let line = "stat -c %a .; ls -A; pwd; echo $MUTIRAO_WORK_DIR; echo $TMPDIR; mkdir -p a/b; echo > a/b/c";
    let result = run_with(&handler, script(line)).await.expect("succeeds");
    let dir = of_worker(root.path()).join("01900000-0000-7000-8000-000000000001-3");
    let dir = dir.display();
    assert_eq!(result["stdout"], json!(format!("700\n{dir}\n{dir}\n{dir}\n")));
    assert_eq!(left(root.path()), Vec::<PathBuf>::new());
    let mut order = script("echo $TMPDIR");
    order["env"] = json!({ "TMPDIR": "/mine" });
    let result = run_with(&handler, order).await.expect("succeeds");
    assert_eq!(result["stdout"], json!("/mine\n"));
}

#[tokio::test]
async fn it_is_removed_however_the_attempt_ends_and_whatever_is_in_it() {
    let root = tempfile::tempdir().expect("a directory");
    let handler = CommandHandler::in_root(root.path().to_owned());
    let outside = tempfile::tempdir().expect("a directory");
    let precious = outside.path().join("precious");
    fs::write(&precious, "").expect("is written");
    for (line, code) in [
        ("mkdir -p a/b; echo > a/b/c; chmod 0 a/b; chmod 500 a .; exit 1", "NON_ZERO_EXIT"),
        (&*format!("ln -s {} link; kill -9 $$", outside.path().display()), "KILLED_BY_SIGNAL"),
        // What it leaves behind writes until it is killed.
        (
            "(while :; do mkdir -p d; echo > d/$$; rm -r d; done) & sleep 0.1; exit 2",
            "NON_ZERO_EXIT",
        ),
    ] {
        let failure = run_with(&handler, script(line)).await.expect_err("it fails");
        assert_eq!(failure.code, code, "{failure:?}");
        assert_eq!(left(root.path()), Vec::<PathBuf>::new(), "{line}");
    }
    let missing = json!({ "argv": ["/nao/existe"], "own_dir": true });
    assert_eq!(run_with(&handler, missing).await.expect_err("fails").code, "SPAWN_FAILED");
    assert_eq!(left(root.path()), Vec::<PathBuf>::new());
    assert!(precious.exists());
}

#[tokio::test]
async fn it_is_removed_when_the_attempt_is_stopped_or_dropped() {
    let root = tempfile::tempdir().expect("a directory");
    let handler = CommandHandler::in_root(root.path().to_owned());
    for is_dropped in [false, true] {
        let context = context();
        let cancelled = context.cancelled.clone();
        let order = script("mkdir d; echo > began; sleep 1000").to_string().into_bytes();
        let attempt = tokio::spawn(handler.run(context, order));
        while !left_if_any(root.path()).iter().any(|dir| dir.join("began").exists()) {
            tokio::task::yield_now().await;
        }
        if is_dropped {
            attempt.abort();
            assert!(attempt.await.expect_err("it was aborted").is_cancelled());
        } else {
            cancelled.cancel();
            let failure = attempt.await.expect("does not panic").expect_err("is cancelled");
            assert_eq!(failure.code, "CANCELLED");
        }
        assert_eq!(left(root.path()), Vec::<PathBuf>::new());
    }
}

fn left_if_any(root: &Path) -> Vec<PathBuf> {
    if of_worker(root).exists() { left(root) } else { Vec::new() }
}

#[tokio::test]
async fn without_a_place_for_it_the_attempt_says_what_to_do_and_the_next_one_may_succeed() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("not-yet");
    let handler = CommandHandler::in_root(root.clone());
    handler.begin(WORKER, Console::new(Lang::En));
    let failure = run_with(&handler, script("true")).await.expect_err("there is no place");
    assert_eq!(failure.code, "WORK_DIR_UNAVAILABLE");
    assert!(failure.message.contains("--work-root"), "{failure:?}");
    fs::create_dir(&root).expect("is made");
    run_with(&handler, script("true")).await.expect("succeeds");
    // Something that cleans temporary directories.
    fs::remove_dir(of_worker(&root)).expect("is empty");
    run_with(&handler, script("true")).await.expect("succeeds");
}

#[tokio::test]
async fn what_another_put_in_its_place_is_not_used() {
    let root = tempfile::tempdir().expect("a directory");
    let other = tempfile::tempdir().expect("a directory");
    symlink(other.path(), of_worker(root.path())).expect("is made");
    let handler = CommandHandler::in_root(root.path().to_owned());
    let failure = run_with(&handler, script("true")).await.expect_err("it leads elsewhere");
    assert_eq!(failure.code, "WORK_DIR_UNAVAILABLE");
}

#[tokio::test]
async fn a_place_beside_one_of_its_own_is_refused() {
    let mut order = script("true");
    order["cwd"] = json!("/");
    let failure = run_with(&CommandHandler::default(), order).await.expect_err("is refused");
    assert_eq!(failure.code, "INVALID_PAYLOAD");
}

#[tokio::test]
async fn what_a_killed_worker_left_is_removed_and_what_a_living_one_uses_is_not() {
    let root = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    let precious = outside.path().join("precious");
    fs::write(&precious, "").expect("is written");
    let attempt = of_worker(root.path()).join("01900000-0000-7000-8000-000000000009-1");
    fs::create_dir_all(attempt.join("d")).expect("is made");
    symlink(outside.path(), attempt.join("link")).expect("is made");
    symlink(outside.path(), of_worker(root.path()).join("link")).expect("is made");
    let handler = CommandHandler::in_root(root.path().to_owned());
    handler.begin(WORKER, Console::new(Lang::En));
    for _ in 0..500 {
        if left(root.path()).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left(root.path()), Vec::<PathBuf>::new());
    assert!(precious.exists());

    fs::create_dir(&attempt).expect("is made");
    let second = CommandHandler::in_root(root.path().to_owned());
    second.begin(WORKER, Console::new(Lang::En));
    let failure = run_with(&second, script("true")).await.expect_err("is in use");
    assert_eq!(failure.code, "WORK_DIR_UNAVAILABLE");
    assert!(attempt.exists(), "it is the first one's");
    let name = attempt.file_name().expect("has a name").to_owned();
    assert_eq!(left(root.path()), [of_worker(root.path()).join(name)]);
}
