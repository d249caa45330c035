//! The `command` handler with real programs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::handlers::CommandHandler;
use worker::{Context, Failure, Handler as _};

fn context() -> Context {
    Context {
        task_id: "01900000-0000-7000-8000-000000000001".into(),
        attempt: 3,
        epoch: 7,
        worker_id: Arc::from("localhost:50061"),
        cancelled: CancellationToken::new(),
    }
}

async fn run(order: Value) -> Result<Value, Failure> {
    let result = CommandHandler.run(context(), order.to_string().into_bytes()).await?;
    Ok(serde_json::from_slice(&result).expect("the result is JSON"))
}

async fn failure(order: Value) -> Failure {
    run(order).await.expect_err("it fails")
}

#[tokio::test]
async fn output_and_exit_code_are_the_result() {
    let result =
        run(json!({ "argv": ["sh", "-c", "echo out; echo err >&2"] })).await.expect("succeeds");
    assert_eq!(
        result,
        json!({ "exit_code": 0, "stdout": "out\n", "stderr": "err\n", "truncated": false })
    );
}

#[tokio::test]
async fn input_larger_than_a_pipe_comes_back_whole() {
    let input = "linha\n".repeat(50_000);
    let result = run(json!({ "argv": ["cat"], "stdin": input })).await.expect("succeeds");
    assert_eq!(result["stdout"].as_str(), Some(input.as_str()));
}

#[tokio::test]
async fn a_program_that_ignores_its_input_is_no_failure() {
    let input = "x".repeat(1 << 20);
    run(json!({ "argv": ["true"], "stdin": input })).await.expect("succeeds");
}

#[tokio::test]
async fn output_above_the_limit_is_cut_and_said_to_be() {
    let order = json!({ "argv": ["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' 'x'"], "output_limit": 1000 });
    let result = run(order).await.expect("succeeds");
    assert_eq!(result["stdout"].as_str().map(str::len), Some(1000));
    assert_eq!(result["truncated"], json!(true));
}

#[tokio::test]
async fn another_exit_code_is_a_failure_that_keeps_the_output() {
    let failure = failure(json!({ "argv": ["sh", "-c", "echo before; exit 3"] })).await;
    assert_eq!(failure.code, "NON_ZERO_EXIT");
    let output: Value = serde_json::from_slice(&failure.output).expect("is JSON");
    assert_eq!((&output["exit_code"], &output["stdout"]), (&json!(3), &json!("before\n")));
}

#[tokio::test]
async fn a_signal_is_told_apart_from_an_exit() {
    assert_eq!(
        failure(json!({ "argv": ["sh", "-c", "kill -9 $$"] })).await.code,
        "KILLED_BY_SIGNAL"
    );
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let missing = failure(json!({ "argv": ["/nao/existe"] })).await;
    assert_eq!(missing.code, "SPAWN_FAILED");
    assert!(missing.message.contains("/nao/existe"), "{missing:?}");
    assert_eq!(failure(json!({ "argv": [] })).await.code, "INVALID_PAYLOAD");
    assert_eq!(failure(json!({ "comando": "ls" })).await.code, "INVALID_PAYLOAD");
}

#[tokio::test]
async fn the_attempt_is_in_the_environment() {
    let order = json!({ "argv": ["sh", "-c", "echo $MUTIRAO_ATTEMPT $MUTIRAO_EPOCH $X"], "env": { "X": "y" } });
    assert_eq!(run(order).await.expect("succeeds")["stdout"], json!("3 7 y\n"));
}

/// A child that keeps the streams open must not hold the attempt.
#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let order = json!({ "argv": ["sh", "-c", "sleep 1000 & echo $!"] });
    let result = run(order).await.expect("succeeds");
    assert!(is_gone(result["stdout"].as_str().expect("is text").trim()).await);
}

#[tokio::test]
async fn cancelling_ends_the_whole_group() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let context = context();
    let cancelled = context.cancelled.clone();
    let order = json!({ "argv": ["sh", "-c", script] }).to_string().into_bytes();
    let attempt = tokio::spawn(CommandHandler.run(context, order));
    let grandchild = loop {
        match std::fs::read_to_string(&file) {
            Ok(pid) => break pid.trim().to_owned(),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    cancelled.cancel();
    let failure = attempt.await.expect("does not panic").expect_err("is cancelled");
    assert_eq!(failure.code, "CANCELLED");
    assert!(is_gone(&grandchild).await);
}

/// A process that was killed may still be waited for by its parent: then it is a zombie.
async fn is_gone(pid: &str) -> bool {
    for _ in 0..500 {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Err(_) => return true,
            Ok(stat) if stat.contains(") Z ") => return true,
            Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    false
}
