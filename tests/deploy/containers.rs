//! Images and manifests: no engine runs them here, so that what they name is compared with what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use harness::Layout;
use yaml_rust2::Yaml;

use super::{list, root, string, text, yaml};

const COMPOSE: &str = "deploy/docker/compose.yml";
const COMPOSE_ETCD: &str = "deploy/docker/compose-etcd.yml";
const DOCKERFILE: &str = "deploy/docker/Dockerfile";
const MANIFESTS: [&str; 3] = [
    "deploy/kubernetes/base.yml",
    "deploy/kubernetes/orchestrators.yml",
    "deploy/kubernetes/workers.yml",
];

/// What a program says of its flags and variables.
pub fn help(program: &str) -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    let binary = Layout::new(dir.path(), 0)?.binary(program);
    let told = Command::new(binary).arg("--help").output()?;
    anyhow::ensure!(told.status.success(), "{program}: {told:?}");
    Ok(String::from_utf8(told.stdout)?)
}

fn check_line(line: &[String]) -> anyhow::Result<()> {
    let help = help(&line[0])?;
    let known: BTreeSet<_> = help.split_whitespace().map(|w| w.trim_end_matches(',')).collect();
    let flags: Vec<_> = line.iter().filter(|word| word.starts_with("--")).collect();
    assert!(!flags.is_empty(), "{line:?}");
    for flag in flags {
        assert!(known.contains(flag.as_str()), "{} has no {flag}", line[0]);
    }
    Ok(())
}

fn documents() -> Vec<Yaml> {
    MANIFESTS.iter().flat_map(|file| yaml(file)).collect()
}

fn of_kind(kind: &str) -> Vec<Yaml> {
    documents().into_iter().filter(|document| document["kind"].as_str() == Some(kind)).collect()
}

fn labels(of: &Yaml) -> BTreeMap<String, String> {
    let pairs = of.as_hash().expect("is a map").iter();
    pairs.map(|(name, value)| (string(name), string(value))).collect()
}

fn words(of: &Yaml) -> Vec<String> {
    list(of).iter().map(string).collect()
}

/// The first words of all commands, sorted; what these and the services name is there.
fn started(compose: &Yaml) -> anyhow::Result<Vec<String>> {
    let services = compose["services"].as_hash().expect("is a map");
    let mut started = Vec::new();
    for (name, service) in services {
        let line = words(&service["command"]);
        // Not a program of ours.
        if line[0] != "etcd" {
            check_line(&line)?;
        }
        started.push(line[0].clone());
        for volume in words(&service["volumes"]) {
            let (volume, _) = volume.split_once(':').expect("is mounted somewhere");
            assert!(!compose["volumes"][volume].is_badvalue(), "{name:?} mounts {volume}");
        }
        for other in words(&service["depends_on"]) {
            assert!(!compose["services"][other.as_str()].is_badvalue(), "{name:?}: {other}");
        }
    }
    started.sort();
    Ok(started)
}

/// What it is built from is there.
fn check_build(service: &Yaml) {
    let build = &service["build"];
    let context = root().join("deploy/docker").join(string(&build["context"]));
    assert!(context.join(string(&build["dockerfile"])).exists(), "{build:?}");
}

#[test]
fn compose_starts_a_pair_and_witnesses_with_flags_that_there_are() -> anyhow::Result<()> {
    let compose = yaml(COMPOSE).remove(0);
    let pair = ["orquestrador", "orquestrador-backup", "worker", "worker", "worker"];
    assert_eq!(started(&compose)?, pair);
    check_build(&compose["services"]["principal"]);
    Ok(())
}

/// What follows a flag.
fn value<'a>(line: &'a [String], flag: &str) -> &'a str {
    let mut rest = line.iter().skip_while(|word| *word != flag);
    rest.nth(1).unwrap_or_else(|| panic!("no {flag} in {line:?}"))
}

#[test]
fn compose_with_etcd_gives_every_orchestrator_all_members() -> anyhow::Result<()> {
    let compose = yaml(COMPOSE_ETCD).remove(0);
    let (three, workers) = (|name| vec![name; 3], ["worker", "worker"]);
    assert_eq!(started(&compose)?, [three("etcd"), three("orquestrador"), workers.into()].concat());
    check_build(&compose["x-etcd"]);
    check_build(&compose["services"]["orchestrator-1"]);
    let services = compose["services"].as_hash().expect("is a map");
    let lines = |program: &str| -> Vec<(String, Vec<String>)> {
        let all = services.iter().map(|(name, of)| (string(name), words(&of["command"])));
        all.filter(|(_, line)| line[0] == program).collect()
    };
    let members: Vec<String> = lines("etcd").into_iter().map(|(name, _)| name).collect();
    let listed =
        |form: &dyn Fn(&String) -> String| members.iter().map(form).collect::<Vec<_>>().join(",");
    let peers = listed(&|name| format!("{name}=http://{name}:2380"));
    for (name, line) in lines("etcd") {
        assert_eq!((value(&line, "--name"), value(&line, "--initial-cluster")), (&*name, &*peers));
        assert_eq!(value(&line, "--advertise-client-urls"), format!("http://{name}:2379"));
    }
    let engine = format!("etcd://{}", listed(&|name| format!("{name}:2379")));
    let orchestrators = lines("orquestrador");
    for (name, line) in &orchestrators {
        assert_eq!(value(line, "--engine"), engine);
        assert_eq!(value(line, "--advertise"), format!("{name}:50051"));
    }
    let addresses: Vec<_> =
        orchestrators.iter().map(|(_, line)| value(line, "--advertise")).collect();
    for (_, line) in lines("worker") {
        assert_eq!(value(&line, "--orchestrators"), addresses.join(","));
    }
    Ok(())
}

#[test]
fn the_image_is_made_of_files_that_there_are_and_runs_as_nobody_in_particular() {
    let dockerfile = text(DOCKERFILE);
    let own = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    for files in own.filter(|files| !files.starts_with("--from")) {
        let files: Vec<_> = files.split(' ').collect();
        for file in &files[..files.len() - 1] {
            assert!(root().join(file).exists(), "{file}");
        }
    }
    for program in ["orquestrador", "orquestrador-backup", "worker", "cliente"] {
        assert!(dockerfile.contains(&format!("/src/target/dist/{program} ")), "{program}");
    }
    assert!(dockerfile.lines().any(|line| line == "USER 10001:10001"));
    assert!(dockerfile.contains("HEALTHCHECK") && dockerfile.contains("/healthz"));
    // Cargo reads the manifests of all members.
    let kept = text("deploy/docker/Dockerfile.dockerignore");
    let kept: BTreeSet<_> = kept.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest: toml::Table = text("Cargo.toml").parse().expect("is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("is a list");
    for member in members.iter().filter_map(toml::Value::as_str) {
        let top = member.split('/').next().unwrap_or_default();
        assert!(kept.contains(top), "{member} is not in the image's context");
    }
    let files = kept.iter().filter(|name| !name.contains('*'));
    files.for_each(|name| assert!(root().join(name).exists(), "{name}"));
}

#[test]
fn manifests_start_what_there_is_and_fit_together() -> anyhow::Result<()> {
    let services: BTreeSet<_> =
        of_kind("Service").iter().map(|s| string(&s["metadata"]["name"])).collect();
    let sets = of_kind("StatefulSet");
    assert_eq!(sets.len(), 3);
    for set in &sets {
        let (spec, pod) = (&set["spec"], &set["spec"]["template"]["spec"]);
        assert!(
            services.contains(&string(&spec["serviceName"])),
            "{}",
            set["spec"]["serviceName"].as_str().unwrap_or_default()
        );
        let of_pod = labels(&spec["template"]["metadata"]["labels"]);
        for (name, value) in labels(&spec["selector"]["matchLabels"]) {
            assert_eq!(of_pod.get(&name), Some(&value));
        }
        assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true));
        let container = &pod["containers"][0];
        check_line(&[words(&container["command"]), words(&container["args"])].concat())?;
        let mut volumes: BTreeSet<_> =
            list(&pod["volumes"]).iter().map(|v| string(&v["name"])).collect();
        let claims = list(&spec["volumeClaimTemplates"]);
        volumes.extend(claims.iter().map(|claim| string(&claim["metadata"]["name"])));
        let mounts = list(&container["volumeMounts"]);
        let mounted: BTreeSet<_> = mounts.iter().map(|mount| string(&mount["name"])).collect();
        assert_eq!(mounted, volumes);
    }
    Ok(())
}

#[test]
fn probes_and_budgets_are_about_the_pods_that_there_are() {
    let sets = of_kind("StatefulSet");
    let pods: Vec<_> =
        sets.iter().map(|set| labels(&set["spec"]["template"]["metadata"]["labels"])).collect();
    let selects = |selector: &Yaml| {
        let wanted = labels(selector);
        pods.iter().filter(|pod| wanted.iter().all(|(k, v)| pod.get(k) == Some(v))).count()
    };
    let budgets = of_kind("PodDisruptionBudget");
    let selected: Vec<_> =
        budgets.iter().map(|b| selects(&b["spec"]["selector"]["matchLabels"])).collect();
    assert_eq!(selected, [2, 1], "of orchestrators, of workers");
    for service in of_kind("Service") {
        assert_eq!(selects(&service["spec"]["selector"]), 1);
    }
    let orchestrators =
        sets.iter().take(2).map(|set| &set["spec"]["template"]["spec"]["containers"][0]);
    for container in orchestrators {
        let path = |probe: &str| string(&container[probe]["httpGet"]["path"]);
        assert_eq!(path("livenessProbe"), "/healthz");
        assert_eq!(path("startupProbe"), "/healthz");
        assert_eq!(path("readinessProbe"), "/readyz");
        assert_eq!(container["livenessProbe"]["httpGet"]["port"], container["ports"][0]["name"]);
    }
}
