//! Compiles the protos without an installed `protoc`.

use std::path::PathBuf;

use prost::Message as _;

const PROTOS: [&str; 7] = [
    "mutirao/v1/task.proto",
    "mutirao/v1/worker.proto",
    "mutirao/v1/replication.proto",
    "mutirao/v1/journal.proto",
    "mutirao/v1/cluster.proto",
    "mutirao/v1/witness.proto",
    "mutirao/v1/operator.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(PROTOS, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection.
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".mutirao.v1.JournalEntry").compile_fds(descriptors)?;
    Ok(())
}
