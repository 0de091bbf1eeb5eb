//! Every story runs to its end, tells what it promises, and leaves a log that replays clean.

#![allow(clippy::unwrap_used, reason = "a story that cannot be run has failed")]

use std::process::Command;

fn run(binary: &str) -> String {
    let output = Command::new(binary).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(told.contains("the log holds"), "{told}");
    told
}

#[test]
fn a_new_agency_is_echoed() {
    let told = run(env!("CARGO_BIN_EXE_first_exchange"));
    assert!(
        told.contains("أهلًا") && told.contains("both proved"),
        "{told}"
    );
}

#[test]
fn an_own_provider_answers_and_an_ungranted_field_is_refused() {
    let told = run(env!("CARGO_BIN_EXE_own_provider"));
    assert!(
        told.contains("licence_valid") && told.contains("field_not_granted"),
        "{told}"
    );
}
