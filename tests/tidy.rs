//! The architecture's invariants that a reader of the tree can check.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("is a directory") {
            let path = entry.expect("is readable").path();
            let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn manifest(member: &str) -> String {
    fs::read_to_string(root().join(member).join("Cargo.toml")).expect("has a manifest")
}

/// The names under `[dependencies]`.
fn dependencies(member: &str) -> Vec<String> {
    manifest(member)
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_core_depends_on_no_runtime_and_of_ours_on_what_is_pure() {
    let allowed = ["bytes", "thiserror", "xxhash-rust", "hashbrown", "orquestrador-schedule"];
    for name in dependencies("orquestrador/core") {
        assert!(allowed.contains(&name.as_str()), "the core depends on {name}");
    }
}

#[test]
fn the_core_reads_no_clock_and_does_no_io() {
    let forbidden = [
        "std::time",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "Instant::now",
        "SystemTime",
        "Utc::now",
        "chrono::Local",
        "println!",
        "async fn",
    ];
    let pure = ["orquestrador/core/src", "orquestrador/schedule/src"];
    for path in pure.iter().flat_map(|dir| rust_files(&root().join(dir))) {
        let text = fs::read_to_string(&path).expect("is readable");
        for word in forbidden {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}

#[test]
fn dependencies_point_one_way() {
    let ours = [
        "orquestrador",
        "orquestrador-schedule",
        "orquestrador-core",
        "orquestrador-etcd",
        "orquestrador-wire",
        "worker",
        "cliente",
        "harness",
        "simulation",
        "common",
    ];
    let allowed: [(&str, &[&str]); 10] = [
        ("common", &[]),
        ("orquestrador/schedule", &[]),
        ("orquestrador/core", &["orquestrador-schedule"]),
        ("orquestrador/etcd", &[]),
        (
            "orquestrador",
            &[
                "common",
                "orquestrador-core",
                "orquestrador-etcd",
                "orquestrador-schedule",
                "orquestrador-wire",
            ],
        ),
        ("orquestrador/wire", &["common", "orquestrador-core"]),
        ("orquestrador-backup", &["orquestrador"]),
        // Its witness is of the core.
        ("worker", &["common", "orquestrador-core", "orquestrador-wire"]),
        ("cliente", &["common"]),
        ("xtask", &[]),
    ];
    for (member, allowed) in allowed {
        for name in dependencies(member).iter().filter(|name| ours.contains(&name.as_str())) {
            assert!(allowed.contains(&name.as_str()), "{member} depends on {name}");
        }
    }
}

#[test]
fn no_source_file_is_too_long_to_hold_one_thing() {
    for path in rust_files(&root()) {
        let lines = fs::read_to_string(&path).expect("is readable").lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

/// Cargo finds it by its place.
fn is_a_target(file: &Path) -> bool {
    let dir = file.parent().expect("is in one");
    let kinds = ["tests", "examples", "benches", "bin"];
    let is_kind = dir.file_name().is_some_and(|name| kinds.iter().any(|kind| *kind == name));
    let is_root = ["main.rs", "lib.rs", "build.rs"].iter().any(|name| file.ends_with(name));
    is_root || is_kind && (dir.ends_with("bin") || dir.with_file_name("Cargo.toml").exists())
}

/// A file that nothing names is not compiled, and nobody notices.
#[test]
fn every_source_file_is_compiled() {
    let files = rust_files(&root());
    let lost = files.iter().filter(|file| !is_a_target(file)).filter(|file| {
        let dir = file.parent().expect("is in one");
        let stem = |path: &Path| path.file_stem().expect("has one").to_string_lossy().into_owned();
        let (name, above) = match stem(file) {
            name if name == "mod" => (stem(dir), dir.parent().expect("is in one")),
            name => (name, dir),
        };
        let manifest =
            file.ancestors().map(|dir| dir.join("Cargo.toml")).find(|file| file.exists());
        let near = files.iter().filter(|other| {
            other != file
                && (other.parent() == Some(above) || **other == above.with_extension("rs"))
        });
        let text = |file: &PathBuf| fs::read_to_string(file).expect("is readable");
        let of_module = format!("mod {name};");
        let by_path = format!("/{name}.rs\"");
        !near.map(text).any(|text| text.contains(&of_module))
            && !files.iter().map(text).any(|text| text.contains(&by_path))
            && !manifest.iter().map(text).any(|text| text.contains(&by_path))
    });
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    for name in
        ["README.md", "README.pt-BR.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
    {
        let text = fs::read_to_string(root().join(name)).expect("is readable");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("http") && !link.starts_with('#') {
                assert!(root().join(link).exists(), "{name} links to {link}");
            }
        }
    }
}

#[test]
fn both_readmes_have_the_same_shape() {
    let shape = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(name)).expect("is readable");
        let heading = |line: &&str| line.starts_with('#');
        text.lines()
            .filter(heading)
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(shape("README.md"), shape("README.pt-BR.md"));
}
