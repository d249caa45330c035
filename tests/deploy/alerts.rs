//! Rules and dashboard against what a running pair tells, and the runbook.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use harness::{Cluster, Layout};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use yaml_rust2::Yaml;

use super::promql::{Selector, groupings, selectors};
use super::{list, string, text, yaml};

const RULES: &str = "deploy/prometheus/mutirao.rules.yml";
const DASHBOARD: &str = "deploy/grafana/mutirao.json";
/// What Prometheus adds.
const ADDED: [&str; 2] = ["instance", "job"];

fn rules() -> Vec<Yaml> {
    let groups = list(&yaml(RULES)[0]["groups"]);
    groups.iter().flat_map(|group| list(&group["rules"])).collect()
}

/// Everything that the dashboard asks for, variables and annotations included.
fn dashboard() -> Vec<String> {
    let json: Value = serde_json::from_str(&text(DASHBOARD)).expect("is JSON");
    let mut found = Vec::new();
    let mut open = vec![&json];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(asked) if name == "expr" || name == "query" => {
                            found.push(asked.clone());
                        }
                        other => open.push(other),
                    }
                }
            }
            Value::Array(values) => open.extend(values),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

fn metrics(port: u16) -> anyhow::Result<String> {
    page(TcpStream::connect(("127.0.0.1", port))?)
}

fn page(mut stream: impl Read + Write) -> anyhow::Result<String> {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Of a node with certificates, which tells when they end.
fn metrics_by_tls(dir: &Path) -> anyhow::Result<String> {
    let mut cluster = Cluster::new(Layout::new(dir, 0)?.secured()?);
    cluster.start_principal()?;
    let made = cluster.layout.certificates.as_ref().expect("it has some");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(made.authority())?)?)?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(config.into(), ServerName::try_from("localhost")?)?;
    let stream = TcpStream::connect(("127.0.0.1", cluster.layout.principal_port))?;
    page(StreamOwned::new(client, stream))
}

/// The series of both nodes.
fn series(pages: &[String]) -> Vec<Selector> {
    let lines = pages.iter().flat_map(|page| page.lines());
    lines.filter(|line| line.starts_with("mutirao_")).flat_map(selectors).collect()
}

fn asks_for(asked: &Selector, told: &Selector) -> bool {
    asked.metric == told.metric
        && asked.labels.iter().filter(|(name, _)| !ADDED.contains(&name.as_str())).all(
            |(name, value)| {
                told.labels
                    .iter()
                    .any(|(of_told, told)| name == of_told && (value.is_none() || value == told))
            },
        )
}

#[test]
fn every_metric_that_rules_and_dashboard_name_is_told_by_a_running_pair() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = Cluster::with_programs(dir.path(), 1, &[])?;
    cli.ok(&["submit", "--handler", "echo", "--payload", "x", "--wait"])?;
    let ports = [cluster.layout.principal_port, cluster.layout.backup_port];
    let mut pages = ports.map(metrics).into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let by_tls = dir.path().join("by-tls");
    std::fs::create_dir(&by_tls)?;
    pages.push(metrics_by_tls(&by_tls)?);
    let told = series(&pages);
    let of_rules = rules();
    let of_rules = of_rules.iter().map(|rule| string(&rule["expr"]));
    let asked: Vec<String> = of_rules.chain(dashboard()).collect();
    assert!(asked.len() > 30, "{asked:?}");
    let names: BTreeSet<_> =
        told.iter().flat_map(|told| &told.labels).map(|(name, _)| name).collect();
    for expression in &asked {
        for selector in selectors(expression) {
            let is_told = told.iter().any(|told| asks_for(&selector, told));
            assert!(is_told, "{selector:?} of {expression} is not told");
        }
        for label in groupings(expression) {
            let is_there = ADDED.contains(&label.as_str()) || names.contains(&label);
            assert!(is_there, "no series has the label {label} of {expression}");
        }
    }
    Ok(())
}

#[test]
fn every_alert_is_explained_in_the_runbook_and_nothing_else() {
    let runbook = text("docs/operations.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("### Mutirao"));
    let explained: BTreeSet<String> = headings.map(|rest| format!("Mutirao{rest}")).collect();
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = string(&rule["alert"]);
        // As headings become anchors.
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(string(&rule["annotations"]["runbook"]), anchor, "{name}");
        assert!(["critical", "warning"].contains(&&*string(&rule["labels"]["severity"])), "{name}");
        for annotation in ["summary", "description"] {
            assert!(!string(&rule["annotations"][annotation]).is_empty(), "{name}");
        }
        names.insert(name);
    }
    assert_eq!(names, explained);
}

#[test]
fn the_dashboard_has_its_source_as_a_variable_and_panels_of_their_own() {
    let json: Value = serde_json::from_str(&text(DASHBOARD)).expect("is JSON");
    assert!(json["schemaVersion"].as_u64() >= Some(39), "{}", json["schemaVersion"]);
    let variables = json["templating"]["list"].as_array().expect("is a list");
    assert!(variables.iter().any(|variable| variable["type"] == "datasource"));
    let panels = json["panels"].as_array().expect("is a list");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    for panel in panels {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        let (x, width) = (&panel["gridPos"]["x"], &panel["gridPos"]["w"]);
        assert!(x.as_u64().zip(width.as_u64()).is_some_and(|(x, width)| x + width <= 24));
    }
}
