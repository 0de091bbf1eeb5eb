//! `mohawel`, the one binary: reads the command line, runs the command, says what happened.

use std::process::ExitCode;

/// sled and the journal let go of memory in other sizes and threads than they took it; glibc's allocator keeps it and grows,
/// this one gives it back (`docs/decisions/0009-small-databases-and-another-allocator.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run()
}
