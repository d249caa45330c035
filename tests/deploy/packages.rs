//! The lists of what is installed, the units and their variables.

use std::collections::BTreeSet;

use super::containers::help;
use super::{root, text};

const PROGRAMS: [&str; 3] = ["orquestrador", "orquestrador-backup", "worker"];

fn assets() -> Vec<(String, String)> {
    let manifest: toml::Table = text("orquestrador/Cargo.toml").parse().expect("is TOML");
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().expect("is a list");
    let word = |value: &toml::Value| value.as_str().expect("is text").to_owned();
    assets.iter().map(|asset| (word(&asset[0]), word(&asset[1]))).collect()
}

#[test]
fn the_package_lists_files_that_there_are() {
    let (built, own): (Vec<_>, Vec<_>) =
        assets().into_iter().partition(|(from, _)| from.starts_with("target/"));
    for program in ["orquestrador", "orquestrador-backup", "worker", "cliente"] {
        assert!(built.contains(&(format!("target/release/{program}"), "usr/bin/".to_owned())));
    }
    for (from, _) in &own {
        let path = root().join("orquestrador").join(from);
        let (dir, name) = (path.parent().expect("is in one"), path.file_name().expect("has one"));
        let name = name.to_string_lossy();
        let end = name.strip_prefix('*').unwrap_or(&name);
        let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{from}: {error}"));
        let mut names = entries.map(|entry| entry.expect("is readable").file_name());
        assert!(names.any(|found| found.to_string_lossy().ends_with(end)), "{from} is not there");
    }
    let manifest: toml::Table = text("orquestrador/Cargo.toml").parse().expect("is TOML");
    let kept = manifest["package"]["metadata"]["deb"]["conf-files"].as_array().expect("a list");
    for file in kept.iter().filter_map(toml::Value::as_str) {
        let name = file.strip_prefix("/etc/mutirao/").expect("belongs there");
        assert!(root().join("deploy/systemd").join(name).exists(), "{file}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        assert!(text(&format!("deploy/debian/{script}")).starts_with("#!/bin/sh\nset -e\n"));
    }
}

#[test]
fn the_archive_lists_files_that_there_are() {
    let source = text("xtask/src/dist.rs");
    let list = source.split_once("const FILES").and_then(|(_, rest)| rest.split_once("];"));
    let names: Vec<_> = list.expect("is there").0.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 5, "{names:?}");
    names.iter().for_each(|name| assert!(root().join(name).exists(), "{name}"));
}

/// Every word of the text that is a variable of ours.
fn variables(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("MUTIRAO_"));
    words.map(str::to_owned).collect()
}

#[test]
fn units_and_their_files_set_variables_that_the_programs_read() -> anyhow::Result<()> {
    for program in PROGRAMS {
        let known = variables(&help(program)?);
        let unit = if program == "worker" { "worker@" } else { program };
        let unit = text(&format!("deploy/systemd/mutirao-{unit}.service"));
        assert!(unit.contains(&format!("\nExecStart=/usr/bin/{program}")), "{unit}");
        assert!(unit.contains(&format!("\nEnvironmentFile=-/etc/mutirao/{program}.env\n")));
        assert!(unit.contains("\nType=notify\n") && unit.contains("\nWatchdogSec="));
        let own = text(&format!("deploy/systemd/{program}.env"));
        let all = [unit, own].concat();
        let unknown: Vec<_> = variables(&all).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{program} does not read {unknown:?}");
    }
    let of_tls = variables(&text("deploy/systemd/tls.conf"));
    let known = variables(&help("orquestrador")?);
    assert!(of_tls.len() == 5 && of_tls.is_subset(&known), "{of_tls:?}");
    let of_user = variables(&text("deploy/systemd/run-as.conf"));
    let known = variables(&help("worker")?);
    assert!(of_user.len() == 2 && of_user.is_subset(&known), "{of_user:?}");
    Ok(())
}

/// A worker that is asked to end has longer before it is killed than its programs have to finish.
#[test]
fn the_worker_is_given_the_time_that_it_takes_to_end() {
    let unit = text("deploy/systemd/mutirao-worker@.service");
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let stop: u64 = stop.and_then(|text| text.strip_suffix('s')?.parse().ok()).expect("in seconds");
    // The default of `--drain-timeout-s`, and what is stopped and told after it.
    assert!(stop >= 30 + 8, "{stop}");
    assert!(unit.contains("\nKillMode=mixed\n"));
}
