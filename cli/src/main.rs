//! The `mohawel` binary.

fn main() {}
