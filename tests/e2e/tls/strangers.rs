//! Who may not join.

use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::exit;
use common::grpc_status;
use common::proto::synchronization_service_client::SynchronizationServiceClient;
use common::proto::witness_service_client::WitnessServiceClient;
use common::proto::worker_service_client::WorkerServiceClient;
use common::tls::{Flags, Role, Tls};
use harness::certificates::{args, self_signed};
use harness::{Certificates, Cluster, Process, ports};
use tonic::Status;

use super::{SOON, certificates, secured};

/// Starts a worker that must not become one, and gives what it said.
fn worker(
    cluster: &Cluster,
    address: &str,
    more: &[String],
) -> anyhow::Result<(Process, Option<i32>)> {
    let port = ports::free(1)?[0].to_string();
    let mut all = vec!["--port".to_owned(), port, "--orchestrators".into(), address.to_owned()];
    all.extend(more.iter().cloned());
    let layout = &cluster.layout;
    let mut process =
        Process::start("stranger", &layout.binary("worker"), &all, &layout.dir, None)?;
    let code = process.wait(SOON)?.code();
    Ok((process, code))
}

fn code(code: u8) -> Option<i32> {
    Some(i32::from(code))
}

#[test]
fn a_worker_without_the_right_certificate_is_told_and_ends() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (_cli, cluster) = secured(dir.path(), 0)?;
    let made = certificates(&cluster);
    let port = cluster.layout.principal_port;
    let (plain, bare) = (format!("http://localhost:{port}"), format!("localhost:{port}"));
    let (said, ended) = worker(&cluster, &plain, &[])?;
    assert_eq!(ended, code(exit::REFUSED));
    said.wait_for("não aceita este worker. Este orquestrador só fala TLS", SOON)?;
    let (said, ended) = worker(&cluster, &bare, &made.args("client"))?;
    assert_eq!(ended, code(exit::USAGE));
    said.wait_for("o papel do certificado é client, e aqui precisa ser worker", SOON)?;
    let (said, ended) = worker(&cluster, &bare, &args(&made.expired(Role::Worker)?))?;
    assert_eq!(ended, code(exit::USAGE));
    said.wait_for("venceu em ", SOON)?;
    let cliente = cluster.layout.binary("cliente");
    let other = Certificates::new(&cliente, &dir.path().join("other"))?;
    let (said, ended) = worker(&cluster, &bare, &other.args("worker"))?;
    assert_eq!(ended, code(exit::REFUSED));
    said.wait_for("not signed by the authority that is trusted here", SOON)?;
    let mixed = Flags { tls_ca: Some(made.authority()), ..other.flags("worker") };
    let (said, ended) = worker(&cluster, &bare, &args(&mixed))?;
    assert_eq!(ended, code(exit::USAGE));
    said.wait_for("não foi assinado pela autoridade de --tls-ca", SOON)?;
    // It is told where the operator looks, too.
    let principal = cluster.principal.as_ref().expect("runs");
    principal
        .wait_for("AVISO: chamada de 127.0.0.1 recusada. Este orquestrador só fala TLS", SOON)?;
    Ok(())
}

#[test]
fn a_standby_without_the_right_certificate_is_told_and_gets_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = harness::Layout::new(dir.path(), 0)?.secured()?;
    let mut cluster = Cluster::new(layout.clone());
    cluster.start_principal()?;
    let other = Certificates::new(&layout.binary("cliente"), &dir.path().join("other"))?;
    let standby = |scheme: &str, more: &[String]| {
        let mut all = vec!["--port".to_owned(), layout.backup_port.to_string()];
        let peer = format!("{scheme}localhost:{}", layout.principal_port);
        all.extend(["--peer".to_owned(), peer, "--data-dir".into(), "stranger".into()]);
        all.extend(more.iter().cloned());
        let binary = layout.binary("orquestrador-backup");
        Process::start("stranger", &binary, &all, &layout.dir, None)
    };
    let mut plain = standby("http://", &[])?;
    plain.wait_for("Sem ligação com o outro orquestrador", SOON)?;
    plain.wait_for("Este orquestrador só fala TLS", SOON)?;
    plain.kill()?;
    let mut foreign = standby("", &other.args("orchestrator"))?;
    foreign.wait_for("not signed by the authority that is trusted here", SOON)?;
    // The principal looks for its backup there too, and does not take this one for it.
    let told = cluster.principal.as_ref().expect("runs");
    told.wait_for("Sem ligação com o outro orquestrador", SOON)?;
    foreign.kill()?;
    let mut worker = standby("", &certificates(&cluster).args("worker"))?;
    assert_eq!(worker.wait(SOON)?.code(), code(exit::USAGE));
    worker.wait_for("o papel do certificado é worker, e aqui precisa ser orchestrator", SOON)?;
    let lines = told.lines();
    assert!(!lines.iter().any(|line| line.contains("Backup sincronizado")), "{lines:?}");
    Ok(())
}

/// Past all that our own programs look at: whoever calls by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_itself_refuses_whoever_is_not_a_member() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (_cli, cluster) = secured(dir.path(), 0)?;
    let made = certificates(&cluster);
    let port = cluster.layout.principal_port;
    let endpoint: Endpoint = format!("https://localhost:{port}").parse()?;
    let refusals = async |flags: &Flags| {
        let channel = endpoint.channel_by(&Tls::read(flags)?);
        let meant = |refused: Option<Status>| {
            refused.map(|status| (grpc_status::meaning(&status).code, status.message().to_owned()))
        };
        let session =
            WorkerServiceClient::new(channel.clone()).session(tokio_stream::pending()).await.err();
        let control =
            WitnessServiceClient::new(channel.clone()).control(tokio_stream::pending()).await.err();
        let link =
            SynchronizationServiceClient::new(channel).link(tokio_stream::pending()).await.err();
        anyhow::Ok([meant(session), meant(control), meant(link)])
    };
    let codes = |refusals: &[Option<(ErrorCode, String)>; 3]| {
        refusals.each_ref().map(|refused| refused.as_ref().map(|(code, _)| *code))
    };
    let anonymous = refusals(&Flags { tls_ca: Some(made.authority()), ..Flags::default() }).await?;
    assert_eq!(codes(&anonymous), [Some(ErrorCode::CertificateRequired); 3]);
    let said = &anonymous[0].as_ref().expect("is refused").1;
    assert!(said.contains("cliente certs issue NAME --role worker"), "{said}");
    let client = refusals(&made.flags("client")).await?;
    assert_eq!(codes(&client), [Some(ErrorCode::WrongRole); 3], "{client:?}");
    let orchestrator = refusals(&made.flags("orchestrator")).await?;
    let wrong = Some(ErrorCode::WrongRole);
    assert_eq!(codes(&orchestrator), [wrong, wrong, None], "{orchestrator:?}");
    let own = self_signed(dir.path(), Role::Worker, made.authority())?;
    let own = refusals(&own).await?;
    assert_eq!(codes(&own), [Some(ErrorCode::CertificateRefused); 3], "{own:?}");
    let expired = refusals(&made.expired(Role::Worker)?).await?;
    assert_eq!(codes(&expired), [Some(ErrorCode::CertificateRefused); 3]);
    let said = &expired[0].as_ref().expect("is refused").1;
    assert!(said.contains("it expired at"), "{said}");
    Ok(())
}
