//! Receivers behind TLS are known by their certificates, by an authority of one's own too.

use std::os::unix::fs::PermissionsExt as _;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

use super::*;

fn authority(name: &str) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Whose certificate is of this host.
fn receiver_of(issuer: &CertifiedIssuer<'static, KeyPair>, host: &str) -> anyhow::Result<Receiver> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![host.to_owned()])?.signed_by(&key, issuer)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = rustls::ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    let config = Arc::new(config);
    Receiver::behind(204, move |stream| {
        let tls = rustls::ServerConnection::new(Arc::clone(&config))?;
        Ok(Box::new(rustls::StreamOwned::new(tls, stream)))
    })
}

/// Programs of the same names, which begin with these roots in their environment.
fn with_roots(layout: &mut Layout, roots: &Path) -> anyhow::Result<()> {
    let dir = layout.dir.join("binaries");
    std::fs::create_dir(&dir)?;
    for name in ["cliente", "worker"] {
        std::os::unix::fs::symlink(layout.binary(name), dir.join(name))?;
    }
    for name in ["orquestrador", "orquestrador-backup"] {
        let (roots, program) = (roots.display(), layout.binary(name));
        let script =
            format!("#!/bin/sh\nSSL_CERT_FILE='{roots}' exec '{}' \"$@\"\n", program.display());
        std::fs::write(dir.join(name), script)?;
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o755))?;
    }
    layout.binaries = dir;
    Ok(())
}

#[test]
fn a_receiver_is_known_by_ones_own_authority_and_by_no_other() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (ours, other) = (authority("ours")?, authority("another")?);
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, ours.pem())?;
    let known = receiver_of(&ours, "localhost")?;
    let unknown = receiver_of(&other, "localhost")?;
    let elsewhere = receiver_of(&ours, "hooks.example")?;
    let all = [&known, &unknown, &elsewhere];
    let allowed = all.map(|receiver| format!("https://localhost:{}", receiver.port));
    let mut layout = layout(dir.path(), &allowed, &["--webhook-attempts", "1"])?;
    with_roots(&mut layout, &roots)?;
    let (cli, mut cluster) = (Cli::new(&layout), Cluster::new(layout));
    cluster.start()?;
    let submit = |receiver: &Receiver| {
        let url = format!("https://localhost:{}/hook", receiver.port);
        cli.submit(&["--webhook", &url, "--handler", "echo", "--payload", "x"])
    };
    let id = submit(&known)?;
    standing(&cli, &id, |webhook| webhook["state"] == "DELIVERED")?;
    let got = known.wait_for(|all| !all.is_empty())?;
    assert!(got[0].is_signed() && got[0].path == "/hook", "{got:?}");
    for (receiver, why) in
        [(&unknown, "emitido por uma autoridade desconhecida"), (&elsewhere, "é de outro host")]
    {
        let id = submit(receiver)?;
        let given_up = standing(&cli, &id, |webhook| webhook["state"] == "GIVEN_UP")?;
        assert!(given_up["error"].as_str().is_some_and(|error| error.contains(why)), "{given_up}");
        assert!(receiver.wait_for(|_| true)?.is_empty(), "nothing was said to it");
    }
    Ok(())
}
