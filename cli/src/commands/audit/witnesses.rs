//! `--policy`: the file that says whose cosignatures the published checkpoint must carry, and what was found of them.

use std::fs;
use std::path::Path;

use audit::policy::{POLICY_BYTES_MAX, Policy, Witnessed};
use serde_json::{Value, json};

use crate::args::Vouched;
use crate::commands::switch_dir::in_file;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// The policy given on the command line, if one was.
pub(super) fn given(vouched: &Vouched) -> Result<Option<Policy>, Failure> {
    vouched.policy.as_deref().map(read).transpose()
}

/// Reads a policy file.
///
/// # Errors
/// A usage failure that names the file and the line.
pub fn read(path: &Path) -> Result<Policy, Failure> {
    let length = fs::metadata(path)
        .map_err(|error| in_file(path, error))?
        .len();
    if length > POLICY_BYTES_MAX as u64 {
        return Err(in_file(path, audit::policy::Wrong::TooLarge));
    }
    let bytes = fs::read(path).map_err(|error| in_file(path, error))?;
    Policy::parse(&bytes).map_err(|error| in_file(path, error))
}

/// What was found of witnesses, for machines; null without a policy.
pub(super) fn witnessed_json(witnessed: Option<&Witnessed>) -> Value {
    let Some(witnessed) = witnessed else {
        return Value::Null;
    };
    let held = |one: &audit::policy::Cosigned| json!({ "witness": one.name, "time": time_of_ms(one.time_s.saturating_mul(1_000)), "time_s": one.time_s });
    json!({
        "cosigned": witnessed.held.iter().map(held).collect::<Vec<_>>(),
        "bad": witnessed.bad,
        "quorum": witnessed.quorum,
    })
}

/// Prints what was found of witnesses.
pub(super) fn print(witnessed: &Witnessed, output: Output) {
    for one in &witnessed.held {
        output.line(format!(
            "{} {}: {}",
            output.say("cosigned by", "شهد عليها"),
            one.name,
            time_of_ms(one.time_s.saturating_mul(1_000))
        ));
    }
    let quorum = if witnessed.quorum {
        output.say("there", "مكتمل")
    } else {
        output.say("missing", "غير مكتمل")
    };
    output.line(format!(
        "{}: {quorum}",
        output.say("quorum of witnesses", "نصاب الشهود")
    ));
}
