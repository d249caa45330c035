//! Why an attempt failed is said so that who reads it can mend it.

use super::*;

/// Listens, says this to whoever comes, and closes. Its port.
fn that_says(what: &'static [u8]) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The beginning of the request is read, so that what is said is no answer to nothing.
            let read = stream.read(&mut [0; 1_024]);
            drop(read.and_then(|_| stream.write_all(what)));
        }
    });
    Ok(port)
}

#[test]
fn what_went_wrong_is_said_in_portuguese_to_the_user_and_on_the_console() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (garbage, mute) = (that_says(b"ola\r\nmundo\r\n\r\n")?, that_says(b"")?);
    let allowed = [garbage, mute].map(|port| format!("127.0.0.1:{port}"));
    let (cli, cluster) = cluster(dir.path(), &allowed, &["--webhook-attempts", "1"])?;
    let console = cluster.principal.as_ref().context("it runs")?;
    for (url, why) in [
        (format!("http://127.0.0.1:{garbage}/"), "a resposta não é HTTP"),
        (format!("http://127.0.0.1:{mute}/"), "fechou a conexão sem responder"),
        (format!("https://127.0.0.1:{garbage}/"), "confira se o receptor fala https"),
    ] {
        let id = cli.submit(&["--webhook", &url, "--handler", "echo", "--payload", "x"])?;
        let given_up = standing(&cli, &id, |webhook| webhook["state"] == "GIVEN_UP")?;
        assert!(given_up["error"].as_str().is_some_and(|error| error.contains(why)), "{given_up}");
        let line = console.wait_for(&format!("[{id}] abandonado"), SOON)?;
        assert!(line.contains(why), "{line}");
    }
    Ok(())
}
