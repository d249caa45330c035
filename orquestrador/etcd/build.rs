//! Compiles the protos without an installed `protoc`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(["etcd.proto"], [&root])?;
    tonic_prost_build::configure()
        .build_server(false)
        // Values are large: they refer to the message that they came in instead of copying it.
        .bytes(".mvccpb.KeyValue.value")
        .bytes(".etcdserverpb.PutRequest.value")
        .compile_fds(descriptors)?;
    Ok(())
}
