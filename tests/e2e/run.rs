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

#[test]
fn a_program_that_is_killed_or_missing_ends_as_in_a_shell() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = Cluster::with_programs(dir.path(), 1, &["--slots", "1"])?;
    let plain = dir.path().join("plain.txt");
    std::fs::write(&plain, "no program\n")?;
    let plain = plain.display().to_string();
    let ends = |flags: &[&str], program: &[&str]| -> anyhow::Result<_> {
        let ran = cli.run(&[&["run"], flags, &["--"], program].concat())?;
        Ok((ran.code, ran.stderr))
    };
    let (code, said) = ends(&[], &["sh", "-c", "kill -KILL $$"])?;
    assert_eq!(code, Some(137), "{said}");
    assert!(said.contains("KILLED_BY_SIGNAL: o programa foi morto pelo sinal 9"), "{said}");
    for flags in [&[][..], &["--memory-limit", "1GiB"]] {
        let (code, said) = ends(flags, &["nao-existe-mesmo"])?;
        assert_eq!(code, Some(127), "{said}");
        assert!(said.contains("SPAWN_FAILED: nao-existe-mesmo"), "{said}");
        assert_eq!(ends(flags, &[&plain])?.0, Some(126));
    }
    let (code, said) = ends(&["--cwd", "/nao-existe-mesmo"], &["true"])?;
    assert_eq!(code, Some(126), "{said}");
    assert!(said.contains("não tem a pasta /nao-existe-mesmo"), "{said}");
    cluster.kill_principal()?;
    assert_eq!(ends(&[], &["sh", "-c", "kill -TERM $$"])?.0, Some(143));
    // That it took too long is worth a word, and the code of `timeout`, whatever the program made of it.
    let (code, said) = ends(
        &["--attempt-timeout", "1s"],
        &["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done"],
    )?;
    assert_eq!(code, Some(124), "{said}");
    assert!(said.contains("TIMEOUT: levou mais que 1 s e"), "{said}");
    Ok(())
}
