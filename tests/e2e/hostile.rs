//! Strangers who reach a port and want to be in the way: others are served meanwhile, and what they hold is bounded.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::blobs::CLUSTER_KEY;
use common::error_code::ErrorCode;
use common::proto::HasBlobsRequest;
use common::proto::blob_service_client::BlobServiceClient;
use harness::process::Process;
use harness::{Cli, Cluster, Layout};
use tonic::Request;

const PATIENCE: Duration = Duration::from_secs(60);
/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn pair(dir: &std::path::Path, args: &[&str]) -> anyhow::Result<(Cluster, Cli)> {
    let mut layout = Layout::new(dir, 1)?;
    layout.orchestrator_args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let cli = Cli::new(&layout);
    let mut cluster = Cluster::new(layout);
    cluster.start()?;
    Ok((cluster, cli))
}

fn call(port: u16, bytes: &[u8]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    Ok(stream)
}

/// Reads until the other side closes.
fn closed(mut stream: TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn serves(cli: &Cli) -> anyhow::Result<()> {
    let id = cli.submit(&["--handler", "echo", "--payload", "x"])?;
    let task = cli.finished(&id, 200)?.expect("it finishes");
    assert_eq!(task["state"].as_str(), Some("SUCCEEDED"), "{task}");
    Ok(())
}

#[test]
fn who_says_nothing_or_nonsense_is_closed_and_others_are_served() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut cluster, cli) = pair(dir.path(), &[])?;
    let port = cluster.layout.principal_port;
    let noise: Vec<u8> = (0..u32::MAX).step_by(65_537).map(|n| (n >> 11) as u8).collect();
    let half_a_frame = [PREFACE, &[0, 0xff, 0xff, 0, 1, 0, 0, 0, 1]].concat();
    let said: [&[u8]; 8] = [
        b"",
        b"P",
        &PREFACE[..20],
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"\x16\x03\x01\x02\x00\x01\x00",
        &noise,
        &[PREFACE, &noise].concat(),
        &half_a_frame,
    ];
    let strangers: Vec<_> = said
        .iter()
        .flat_map(|bytes| std::iter::repeat_n(*bytes, 40))
        .map(|bytes| call(port, bytes))
        // Who is closed at once may notice it while he speaks.
        .filter_map(Result::ok)
        .collect();
    serves(&cli)?;
    for stranger in strangers {
        assert!(closed(stranger), "one is still let in");
    }
    serves(&cli)?;
    for process in [&mut cluster.principal, &mut cluster.backup, &mut cluster.workers[0]] {
        assert!(process.as_mut().is_some_and(Process::is_running));
    }
    Ok(())
}

#[test]
fn no_more_connections_are_open_than_may_be() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cluster, cli) = pair(dir.path(), &["--max-connections", "40"])?;
    let port = cluster.layout.principal_port;
    let strangers: Vec<_> = (0..200).map(|_| call(port, b"")).collect::<Result<_, _>>()?;
    for stranger in strangers {
        assert!(closed(stranger));
    }
    // Those who were there keep their places, and there is room again.
    serves(&cli)?;
    let mut metrics = call(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    metrics.read_to_string(&mut text)?;
    let refused =
        text.lines().find_map(|line| line.strip_prefix("mutirao_connections_refused_total "));
    let refused: u64 = refused.expect("it is counted").parse()?;
    assert!((160..=200).contains(&refused), "{refused}");
    Ok(())
}

/// What orchestrators ask each other of is long, and they are no users.
#[tokio::test]
async fn a_member_sends_as_much_as_a_user() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cluster, cli) = pair(dir.path(), &[])?;
    let id = cli.json(&["cluster", "explain"])?[0]["cluster_id"].clone();
    let address = format!("http://localhost:{}", cluster.layout.backup_port);
    let mut client = BlobServiceClient::connect(address).await?;
    let mut asked = async |marks: &[(&'static str, &str)]| {
        let ids = (0..10_000_u32).map(|n| blake3::hash(&n.to_le_bytes()).as_bytes().to_vec());
        let mut request = Request::new(HasBlobsRequest { ids: ids.collect() });
        for (key, value) in marks {
            request.metadata_mut().insert(*key, value.parse()?);
        }
        let answer = client.has_blobs(request).await;
        anyhow::Ok(
            answer
                .map(|there| there.into_inner().ids.len())
                .map_err(|refused| common::grpc_status::meaning(&refused).code),
        )
    };
    let ours = id.as_str().expect("is text");
    let peer = ("mutirao-peer", "1");
    assert_eq!(asked(&[(CLUSTER_KEY, ours), peer]).await?, Ok(0));
    let other = "00000000-0000-4000-8000-000000000000";
    assert_eq!(asked(&[(CLUSTER_KEY, other), peer]).await?, Err(ErrorCode::ForeignCluster));
    assert_eq!(asked(&[peer]).await?, Err(ErrorCode::NotPrimary), "a stranger at the standby");
    Ok(())
}

/// Of bodies that are promised and do not come, or that are sent by whoever has no token.
#[test]
fn bodies_are_not_waited_for_and_those_of_strangers_not_held() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cluster, cli) = pair(dir.path(), &[])?;
    let head = |token: &str, length: usize| {
        format!(
            "POST /panel/api/tasks HTTP/1.1\r\nHost: localhost:1\r\nmutirao-user: user1\r\nmutirao-token: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let (own, other) = (cluster.layout.principal_port, cluster.layout.backup_port);
    let half = |port, token, sent: usize| {
        call(port, &[head(token, 2_000_000).as_bytes(), &vec![b' '; sent]].concat())
    };
    // A wrong token is enough to be refused before the rest comes; at the standby, that it is one.
    let refused: Vec<_> = (0..100).map(|n| half([own, other][n % 2], "wrong", 1_000_000)).collect();
    let silent = [(own, "wrong"), (own, "token_valido_123"), (other, "token_valido_123")]
        .map(|(port, token)| half(port, token, 10));
    serves(&cli)?;
    for stream in refused.into_iter().filter_map(Result::ok) {
        assert!(closed(stream), "more is waited for");
    }
    for stream in silent {
        assert!(closed(stream?), "the rest is waited for");
    }
    serves(&cli)?;
    Ok(())
}
