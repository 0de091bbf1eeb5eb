//! Compiles the schemas with a protobuf compiler written in Rust: no protoc is needed.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "mohawel/exchange/v1/envelope.proto",
        "mohawel/exchange/v1/exchange.proto",
        "mohawel/registry/v1/acts.proto",
        "mohawel/registry/v1/registry.proto",
        "mohawel/audit/v1/log.proto",
        "mohawel/audit/v1/oversight.proto",
        "mohawel/events/v1/events.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Payloads, headers and seals are split off the receive buffer, not copied.
        .bytes(".")
        .codec_path("crate::codec::Small")
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=mohawel");
    Ok(())
}
