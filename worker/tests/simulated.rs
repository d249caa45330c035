//! The handlers that run no program: what they take and what they refuse.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::handlers::{Echo, Mandelbrot, Simulated};
use worker::{Context, Failure, Handler};

fn context() -> Context {
    Context {
        task_id: "01900000-0000-7000-8000-000000000001".into(),
        attempt: 1,
        epoch: 1,
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

/// Work that does not end is a failure, not a test that never ends.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("ends in time")
}

async fn run(handler: impl Handler, payload: impl ToString) -> Result<Vec<u8>, Failure> {
    in_time(handler.run(context(), payload.to_string().into_bytes())).await
}

#[tokio::test]
async fn pretended_work_says_what_it_did_and_where() {
    let payload = json!({ "description": "relatório", "seconds": 0 });
    let result = run(Simulated, payload).await.expect("succeeds");
    let report: Value = serde_json::from_slice(&result).expect("is JSON");
    assert_eq!(report["description"], json!("relatório"));
    assert_eq!(report["worker"], json!("localhost:50061"));
    assert!(report["seconds"].is_number(), "what it took: {report}");
}

#[tokio::test]
async fn plain_text_is_a_description() {
    let attempt = tokio::spawn(run(Simulated, "só um texto"));
    // It takes seconds: it was not refused at once, which is all there is to see without waiting for it.
    tokio::task::yield_now().await;
    assert!(!attempt.is_finished());
    attempt.abort();
}

#[tokio::test]
async fn pretended_work_fails_as_asked() {
    for fail in [json!(true), json!(1.0)] {
        let payload = json!({ "seconds": 0, "fail": fail });
        assert_eq!(run(Simulated, payload).await.expect_err("fails").code, "HANDLER_ERROR");
    }
    for fail in [json!(false), json!(0.0)] {
        run(Simulated, json!({ "seconds": 0, "fail": fail })).await.expect("succeeds");
    }
}

#[tokio::test]
async fn cancelled_work_ends_before_its_time() {
    let context = context();
    context.cancelled.cancel();
    let payload = json!({ "seconds": 86_400 }).to_string().into_bytes();
    let failure = in_time(Simulated.run(context, payload)).await.expect_err("is cancelled");
    assert_eq!(failure.code, "CANCELLED");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    for payload in ["{", r#"{"segundos": 1}"#, r#"{"seconds": -1}"#, r#"{"seconds": 1e9}"#] {
        let failure = run(Simulated, payload).await.expect_err(payload);
        assert_eq!(failure.code, "INVALID_PAYLOAD", "{payload}");
    }
    let no_text = Simulated.run(context(), vec![0xff]).await.expect_err("is no text");
    assert_eq!(no_text.code, "INVALID_PAYLOAD");
    let tile = json!({
        "width": 8, "height": 8, "x": 0, "y": 0, "tile_width": 1 << 10, "tile_height": (1 << 10) + 1,
        "center_re": 0.0, "center_im": 0.0, "scale": 3.0, "max_iterations": 10
    });
    for payload in [String::new(), "texto".into(), tile.to_string()] {
        let failure = run(Mandelbrot, &payload).await.expect_err("is no tile");
        assert_eq!(failure.code, "INVALID_PAYLOAD", "{payload}");
    }
}

#[tokio::test]
async fn an_echo_is_the_payload() {
    assert_eq!(run(Echo, "olá").await, Ok("olá".as_bytes().to_vec()));
    assert_eq!(Echo.run_inline(Vec::new()), Ok(Vec::new()));
}
