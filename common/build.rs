//! Compiles the protos without an installed `protoc`.

use std::path::PathBuf;

use prost::Message as _;

const PROTOS: [&str; 11] = [
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
];

/// What is large or frequent: fields that refer to the message that they came in instead of copying it.
const SHARED_BYTES: [&str; 17] = [
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
    Ok(())
}
