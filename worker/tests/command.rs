//! The `command` handler with real programs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::handlers::CommandHandler;
use worker::{Context, Failure, Handler as _, Origin, Scheduled};

fn context() -> Context {
    Context {
        task_id: "01900000-0000-7000-8000-000000000001".into(),
        attempt: 3,
        epoch: 7,
        worker_id: Arc::from("localhost:50061"),
        origin: None,
        live: worker::Live::default(),
        scheduled: None,
        trace: None,
        files: worker::Files::default(),
        cancelled: CancellationToken::new(),
        unwanted: CancellationToken::new(),
    }
}

async fn run(order: Value) -> Result<Value, Failure> {
    let result = CommandHandler::default().run(context(), order.to_string().into_bytes()).await?;
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
async fn a_repetition_knows_what_it_repeats() {
    let print = r#"echo "$MUTIRAO_RETRY_OF $MUTIRAO_ARRAY_ID $MUTIRAO_ARRAY_INDEX""#;
    let order = json!({ "argv": ["sh", "-c", print] }).to_string().into_bytes();
    let array = common::array_id::new();
    let first_task_id = common::array_id::task(&array, 7).expect("it is the id of an array");
    let origin = Some(Box::new(Origin { task_id: "the-second".into(), first_task_id }));
    let context = Context { origin, ..context() };
    let result = CommandHandler::default().run(context, order).await.expect("succeeds");
    let result: Value = serde_json::from_slice(&result).expect("is JSON");
    assert_eq!(result["stdout"], json!(format!("the-second {array} 7\n")));
}

#[tokio::test]
async fn a_task_of_a_schedule_knows_when_it_was_due() {
    let print = r#"echo "$MUTIRAO_SCHEDULE $MUTIRAO_SCHEDULED_AT""#;
    let order = json!({ "argv": ["sh", "-c", print] }).to_string().into_bytes();
    let scheduled = Scheduled { schedule: "nightly".into(), at_ms: 1_796_108_400_000 };
    let context = Context { scheduled: Some(Box::new(scheduled)), ..context() };
    let result = CommandHandler::default().run(context, order).await.expect("succeeds");
    let result: Value = serde_json::from_slice(&result).expect("is JSON");
    assert_eq!(result["stdout"], json!("nightly 2026-12-01T07:00:00Z\n"));
}

#[tokio::test]
async fn input_larger_than_a_pipe_comes_back_whole() {
    let input = "linha\n".repeat(50_000);
    let result = run(json!({ "argv": ["cat"], "stdin": input })).await.expect("succeeds");
    assert_eq!(result["stdout"].as_str(), Some(input.as_str()));
}

#[tokio::test]
async fn input_that_is_no_text_comes_as_it_is_and_what_is_no_base64_is_refused() {
    let order = |base64: &str| json!({ "argv": ["cat"], "stdin": { "base64": base64 } });
    let result = run(order("/wD+Cg==")).await.expect("succeeds");
    assert_eq!(result["stdout"], json!({ "base64": "/wD+Cg==" }));
    let refused = run(order("no base64")).await.expect_err("is refused");
    assert_eq!(refused.code, "INVALID_PAYLOAD", "{refused:?}");
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
async fn output_that_grows_as_json_still_fits_a_result() {
    for byte in ["\\000", "\\377"] {
        let script = format!("head -c 1048576 /dev/zero | tr '\\0' '{byte}' | tee /dev/stderr");
        let order = json!({ "argv": ["sh", "-c", script] }).to_string().into_bytes();
        let result = CommandHandler::default().run(context(), order).await.expect("succeeds");
        assert!(result.len() <= common::endpoint::MAX_PAYLOAD_BYTES, "{} bytes", result.len());
        let report: Value = serde_json::from_slice(&result).expect("is JSON");
        // Six bytes of JSON for each control character; of other bytes four for three.
        assert_eq!(report["truncated"], json!(byte == "\\000"));
    }
}

#[tokio::test]
async fn output_that_is_not_text_is_base64() {
    let order = json!({ "argv": ["printf", "\\377\\000"] });
    assert_eq!(run(order).await.expect("succeeds")["stdout"], json!({ "base64": "/wA=" }));
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
    let nowhere = failure(json!({ "argv": ["true"], "cwd": "/nao/existe" })).await;
    assert_eq!(nowhere.code, "SPAWN_FAILED");
    assert!(nowhere.message.contains("/nao/existe"), "the folder is missing: {nowhere:?}");
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

/// What left the group cannot be killed with it, but it must not hold the attempt either.
#[tokio::test]
async fn a_daemon_that_keeps_the_streams_open_does_not_hold_the_attempt() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("left");
    // The program ends only when the daemon has left its group.
    let script = format!(
        "setsid sh -c 'touch {0}; exec sleep 60' & while [ ! -e {0} ]; do :; done; echo $!",
        file.display()
    );
    let order = json!({ "argv": ["sh", "-c", script] });
    let attempt = tokio::time::timeout(Duration::from_secs(20), run(order));
    let result = attempt.await.expect("ends before the daemon").expect("succeeds");
    let pid = result["stdout"].as_str().expect("is text").trim().to_owned();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the daemon is there");
    assert!(!stat.contains(") Z "), "the daemon is dead: it left nothing open");
    let kill = std::process::Command::new("kill").arg(&pid).status().expect("runs");
    assert!(kill.success());
}

#[tokio::test]
async fn cancelling_ends_the_whole_group() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let context = context();
    let cancelled = context.cancelled.clone();
    let order = json!({ "argv": ["sh", "-c", script] }).to_string().into_bytes();
    let attempt = tokio::spawn(CommandHandler::default().run(context, order));
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

#[tokio::test]
async fn what_has_left_the_group_of_a_stopped_program_ends_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pid");
    let inner = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", file.display());
    let context = context();
    let cancelled = context.cancelled.clone();
    let stray = "env -i PATH=\"$PATH\" setsid sh -c \"$0\" & wait";
    let order = json!({ "argv": ["sh", "-c", stray, inner] }).to_string();
    let attempt = tokio::spawn(CommandHandler::default().run(context, order.into_bytes()));
    let stray = loop {
        match std::fs::read_to_string(&file) {
            Ok(pid) => break pid.trim().to_owned(),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    cancelled.cancel();
    attempt.await.expect("does not panic").expect_err("is cancelled");
    assert!(is_gone(&stray).await);
}

/// Found by a reviewer: its leader, which does not listen, ended at once, and what it had started was killed with it.
#[tokio::test]
async fn what_a_stopped_program_has_started_has_its_time_to_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let (began, done) = (dir.path().join("began"), dir.path().join("done"));
    let inner = format!(
        "trap 'sleep 0.2; echo done > {}; exit' TERM; echo > {}; while :; do sleep 0.05; done",
        done.display(),
        began.display()
    );
    let order = json!({ "argv": ["sh", "-c", "sh -c \"$0\" & wait", inner] }).to_string();
    let context = context();
    let stop = context.cancelled.clone();
    let run = tokio::spawn(CommandHandler::default().run(context, order.into_bytes()));
    while !began.exists() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    let ended = run.await.expect("no panic").expect_err("it was cancelled");
    assert_eq!(ended.code, "CANCELLED");
    assert!(done.exists(), "it was killed while it ended");
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
