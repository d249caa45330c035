//! Orchestrators whose etcd wants certificates, and a user that may nothing but what is below the prefix.

use anyhow::Context as _;
use harness::etcd::{EtcdCertificates, EtcdCluster, Settings};
use harness::ports;
use serde_json::Value;

use super::{SOON, Stage, TRIES};

const PASSWORD: &str = "uma senha de verdade";

/// As `docs/etcd.md` says under Security.
fn add_user(etcd: &EtcdCluster) -> anyhow::Result<()> {
    for args in [
        &["user", "add", "root:only-for-setting-up"][..],
        &["user", "add", &format!("mutirao:{PASSWORD}")],
        &["role", "add", "mutirao"],
        &["role", "grant-permission", "mutirao", "readwrite", "--prefix=true", "/teste/"],
        &["user", "grant-role", "mutirao", "mutirao"],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        etcd.control(args)?;
    }
    Ok(())
}

#[test]
fn with_certificates_and_a_user_for_the_prefix_alone_a_task_survives_the_principal()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let certificates = EtcdCertificates::new(&dir.path().join("certificates"))?;
    let settings = Settings { tls: Some(certificates.clone()), ..Settings::default() };
    let etcd = EtcdCluster::start_with(3, settings)?;
    add_user(&etcd)?;
    let password = dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n"))?;
    let (cert, key) = certificates.client().identity.context("it has one")?;
    let text = |path: &std::path::Path| path.display().to_string();
    let (ca, cert, key) = (text(&certificates.authority()), text(&cert), text(&key));
    let access = ["--etcd-ca", &ca, "--etcd-cert", &cert, "--etcd-key", &key];
    let user = ["--etcd-user", "mutirao", "--etcd-password-file", &text(&password)];
    let mut stage = Stage::on(etcd, &[&access[..], &user[..]].concat())?;

    let before = stage.work()?;
    let payload = r#"{"description": "sobrevive", "seconds": 3}"#;
    let id = stage.cli.submit(&["--handler", "simulated", "--payload", payload])?;
    let running = |task: &[Value]| task.iter().all(|t| t["state"].as_str() == Some("RUNNING"));
    stage.cli.until(&["status", &id], TRIES, running)?.context("it does not run")?;
    let principal = stage.principal();
    stage.kill(principal)?;
    stage.cli.finished(&id, TRIES)?.context("it does not finish")?;
    stage.has_all(&[before, id])?;
    assert_ne!(stage.principal(), principal);

    // The user may nothing elsewhere.
    let elsewhere = stage.cluster.layout.engine.as_ref().map(|engine| format!("{engine}-2"));
    stage.cluster.layout.engine = elsewhere;
    let stranger = stage.cluster.start_another(ports::free(1)?[0])?;
    stranger.wait_for("permission denied", SOON)?;
    Ok(())
}
