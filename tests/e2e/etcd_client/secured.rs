//! Certificates, users and what they may.

use harness::etcd::{EtcdCertificates, Settings};
use orquestrador_etcd::TlsOptions;

use super::*;

#[tokio::test]
async fn both_sides_show_certificates_of_the_authority() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let certificates = EtcdCertificates::new(&dir.path().join("ours"))?;
    let settings = Settings { tls: Some(certificates.clone()), ..Settings::default() };
    let cluster = EtcdCluster::start_with(3, settings)?;
    let etcd = client(&cluster)?;
    put(&etcd, "a", "1").await?;
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("1"));

    let with = |tls| {
        let mut options = cluster.options(TIMEOUT);
        options.tls = tls;
        Etcd::new(options)
    };
    let other = EtcdCertificates::new(&dir.path().join("other"))?;
    let distrusted = TlsOptions { authority: other.authority(), ..certificates.client() };
    let refused = put(&with(Some(distrusted))?, "a", "2").await;
    assert!(matches!(refused, Err(Error::Tls(_))), "{refused:?}");
    let mut options = cluster.options(TIMEOUT);
    for endpoint in &mut options.endpoints {
        *endpoint = endpoint.replace("127.0.0.1", "localhost");
    }
    let misnamed = Etcd::new(options)?.get(b"a").await;
    assert!(
        matches!(misnamed, Err(Error::Tls(_))),
        "the certificates are for another name: {misnamed:?}"
    );
    let strangers = [
        Some(TlsOptions { identity: other.client().identity, ..certificates.client() }),
        Some(TlsOptions { identity: None, ..certificates.client() }),
        None,
    ];
    for stranger in strangers {
        let what = format!("{stranger:?}");
        let refused = with(stranger)?.get(b"a").await;
        let is_refused = matches!(refused, Err(Error::Tls(_) | Error::Unavailable { .. }));
        assert!(is_refused, "{what}: {refused:?}");
    }
    assert_eq!(value(&etcd, "a").await?.as_deref(), Some("1"));
    Ok(())
}

#[test]
fn files_that_are_no_certificates_are_refused_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let certificates = EtcdCertificates::new(dir.path())?;
    let (good, empty) = (certificates.client(), dir.path().join("empty.pem"));
    std::fs::write(&empty, "")?;
    let identity = |cert: &std::path::Path, key: &std::path::Path| {
        let identity = Some((cert.to_owned(), key.to_owned()));
        TlsOptions { identity, ..good.clone() }
    };
    let (cert, key) = good.identity.clone().expect("it has one");
    let other_key = dir.path().join("server-key.pem");
    for (wrong, at) in [
        (TlsOptions { authority: empty.clone(), ..good.clone() }, &empty),
        (
            TlsOptions { authority: dir.path().join("missing"), ..good.clone() },
            &dir.path().join("missing"),
        ),
        (identity(&empty, &key), &empty),
        (identity(&cert, &empty), &empty),
        (identity(&cert, &other_key), &cert),
    ] {
        let options = orquestrador_etcd::Options {
            endpoints: vec!["127.0.0.1:1".to_owned()],
            tls: Some(wrong),
            credentials: None,
            timeout: TIMEOUT,
        };
        let refused = Etcd::new(options);
        assert!(matches!(&refused, Err(Error::Files { path, .. }) if path == at), "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn users_may_what_their_roles_say_and_tokens_are_renewed() -> anyhow::Result<()> {
    let mut cluster = EtcdCluster::start(1)?;
    let with = |user: &str, password: &str| {
        let mut options = cluster.options(TIMEOUT);
        options.credentials = Some(Credentials { user: user.into(), password: password.into() });
        Etcd::new(options)
    };
    let (app, wrong) = (with("app", "secret")?, with("app", "guess")?);
    put(&app, "app/a", "before there are users").await?;
    put(&app, "other/a", "1").await?;
    for args in [
        &["user", "add", "root:root"][..],
        &["user", "add", "app:secret"],
        &["role", "add", "app"],
        &["role", "grant-permission", "app", "readwrite", "--prefix=true", "app/"],
        &["user", "grant-role", "app", "app"],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        cluster.control(args)?;
    }
    put(&app, "app/a", "1").await?;
    assert_eq!(value(&app, "app/a").await?.as_deref(), Some("1"));
    let denied = |done: Result<()>| matches!(done, Err(Error::Denied { .. }));
    assert!(denied(put(&app, "other/a", "2").await.map(drop)));
    assert!(denied(app.get(b"other/a").await.map(drop)));
    assert!(denied(app.watch(b"other/", b"other0", 0).await.map(drop)));
    assert!(denied(wrong.get(b"app/a").await.map(drop)));
    assert!(denied(client(&cluster)?.get(b"app/a").await.map(drop)), "nobody may nothing");

    // Tokens are in the memory of the member.
    cluster.kill(0)?;
    cluster.start_again(0)?;
    cluster.wait()?;
    // The connection is found to be broken first.
    let watch = async || app.watch(b"app/", b"app0", 0).await.ok();
    let mut watch = until("a watch", watch).await;
    put(&app, "app/a", "3").await?;
    assert_eq!(watch.next().await?.events.len(), 1);
    Ok(())
}
