//! Compiles the protos without an installed `protoc`, and finds out what `--version` tells of the build.

use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message as _;

/// The commit, where git cannot be asked: an archive, an image.
const COMMIT: &str = "MUTIRAO_BUILD_COMMIT";

const PROTOS: [&str; 12] = [
    "mutirao/v1/task.proto",
    "mutirao/v1/worker.proto",
    "mutirao/v1/replication.proto",
    "mutirao/v1/journal.proto",
    "mutirao/v1/cluster.proto",
    "mutirao/v1/witness.proto",
    "mutirao/v1/operator.proto",
    "mutirao/v1/queue.proto",
    "mutirao/v1/schedule.proto",
    "mutirao/v1/blob.proto",
    "mutirao/v1/webhook.proto",
    "mutirao/v1/etcd.proto",
];

/// What is large or frequent: fields that refer to the message that they came in instead of copying it.
const SHARED_BYTES: [&str; 18] = [
    ".mutirao.v1.JournalEntry",
    ".mutirao.v1.TaskSpec.payload",
    ".mutirao.v1.ArraySpec.payload",
    ".mutirao.v1.TaskUpdate.result",
    ".mutirao.v1.RunTaskResponse.result",
    ".mutirao.v1.GetTaskResultResponse.result",
    ".mutirao.v1.Assignment.payload",
    ".mutirao.v1.Outcome",
    ".mutirao.v1.TaskSubmitted",
    ".mutirao.v1.ArraySubmitted.payload",
    ".mutirao.v1.ArrayRestored.payload",
    ".mutirao.v1.ScheduleSet.payload",
    ".mutirao.v1.TaskAssigned",
    ".mutirao.v1.TaskSucceeded",
    ".mutirao.v1.SnapshotChunk.content",
    ".mutirao.v1.PutBlobRequest.chunk",
    ".mutirao.v1.BackupResponse.chunk",
    ".mutirao.v1.GetBlobResponse.chunk",
];

/// What most tasks do not have: so that the others stay small, which are moved about by the thousand.
const RARE: [&str; 8] = [
    ".mutirao.v1.TaskSpec.needs",
    ".mutirao.v1.TaskSpec.retry",
    ".mutirao.v1.TaskSpec.unique",
    ".mutirao.v1.Task.error",
    ".mutirao.v1.Task.progress",
    ".mutirao.v1.Task.webhook",
    // Of whatever message.
    "payload_blob",
    "result_blob",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(PROTOS, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection.
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut stubs = tonic_prost_build::configure();
    for path in SHARED_BYTES {
        stubs = stubs.bytes(path);
    }
    for path in RARE {
        stubs = stubs.boxed(path);
    }
    stubs.compile_fds(descriptors)?;
    describe_build(&out)
}

/// From here to `common::version`.
fn describe_build(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-env-changed={COMMIT}");
    // `<target>/<profile>/build/common-<hash>/out`
    let profile = out.ancestors().nth(3).and_then(Path::file_name).unwrap_or_default();
    let commit = match std::env::var(COMMIT) {
        Ok(commit) if !commit.is_empty() => Some(commit),
        // A build to develop with is not made anew for each commit, so it names none.
        Ok(_) | Err(_) if std::env::var("PROFILE")? == "release" => checked_out(),
        Ok(_) | Err(_) => None,
    };
    let short = commit.as_ref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo::rustc-env=MUTIRAO_BUILT_SUFFIX={short}");
    println!("cargo::rustc-env=MUTIRAO_BUILT_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=MUTIRAO_BUILT_PROFILE={}", profile.display());
    println!("cargo::rustc-env=MUTIRAO_BUILT_TARGET={}", std::env::var("TARGET")?);
    Ok(())
}

/// The commit of this very repository; nothing in an archive, wherever that was unpacked, or without git. Whether the tree
/// has been changed since only `cargo xtask dist` looks: to notice it here everything would be built anew each time.
fn checked_out() -> Option<String> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.canonicalize().ok()?;
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()? != above {
        return None;
    }
    // Each commit and each checkout writes to the log; without one, to these.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["logs/HEAD", "HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let file = git(&["rev-parse", "--path-format=absolute", "--git-path", name])?;
        // What is not there would have counted as changed each time.
        if Path::new(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
