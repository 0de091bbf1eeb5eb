//! `mohawel`, the one binary: reads the command line, runs the command, says what happened.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
