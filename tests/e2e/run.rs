//! A task that is submitted and waited for in one request, while the principal is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use cliente::TaskSpec;
use common::proto::TaskState;
use harness::{Cluster, Layout, chaos};

const SOON: Duration = Duration::from_secs(20);

async fn until_exists(path: &Path) {
    let deadline = Instant::now() + SOON;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} was never written", path.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_comes_although_the_principal_dies_meanwhile() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut layout = Layout::new(dir.path(), 1)?;
    layout.worker_args = ["--handlers", "default,command"].map(str::to_owned).to_vec();
    let client = chaos::rounds::client(&layout)?;
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    let (started, go) = (dir.path().join("started"), dir.path().join("go"));
    let (s, g) = (started.display(), go.display());
    let script = format!("echo x >> {s}; until [ -e {g} ]; do sleep 0.05; done; cat {s}");
    let order = serde_json::json!({ "argv": ["sh", "-c", script] }).to_string();
    let run = tokio::spawn(async move {
        client.run(TaskSpec::new("command", order.into_bytes()), false).await
    });
    until_exists(&started).await;
    cluster.kill_principal()?;
    std::fs::write(&go, "")?;
    let (task, result) = run.await??;
    assert_eq!(task.state(), TaskState::Succeeded, "{task:?}");
    let report: serde_json::Value = serde_json::from_slice(&result)?;
    assert_eq!(report["stdout"], "x\n", "it ran once");
    Ok(())
}
