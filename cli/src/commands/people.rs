//! What is done about the persons in a log: keys of their pseudonyms, a person's record, a breach, holds.
//!
//! | file | what it does |
//! |---|---|
//! | [`subject_key`], `epochs` | the data-protection authority's epoch masters |
//! | [`about`] | one person's record, for the authority's counter |
//! | [`subjects`] | whether headers name the persons whom disclosed payloads name |
//! | [`breach`] | what a stolen key or an intruder exposed |
//! | [`hold`] | a delay of what a person's record shows |
//! | `oversee` | sealing and recording holds, erasures and reviews |

use audit::people::Fault;
use audit::verify::Report;
use serde_json::{Value, json};

use crate::args::Masters;
use crate::failure::Failure;
use crate::output::{Output, ms_of_time};

pub mod about;
pub mod breach;
mod epochs;
pub mod hold;
pub(super) mod oversee;
pub mod subject_key;
pub mod subjects;

/// An optional time of the command line.
fn time(text: Option<&String>) -> Result<Option<u64>, Failure> {
    text.map(|text| ms_of_time(text)).transpose()
}

/// Now, Unix time in milliseconds.
fn now_ms() -> u64 {
    audit::clock::Clock::System.now_ms()
}

/// What the files prove, and what had to be left out, for machines.
fn standing_json(files: &Report, faults: &[Fault]) -> Value {
    let faults = faults
        .iter()
        .map(|fault| json!({ "index": fault.index, "detail": fault.detail }));
    json!({
        "origin": files.checkpoint.as_ref().map(|checkpoint| checkpoint.origin.clone()),
        "size": files.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
        "root": files.root.map(|root| root.to_string()),
        "key_given": files.key_given,
        "proven": files.is_proven() && faults.len() == 0,
        "left_out": faults.collect::<Vec<_>>(),
    })
}

/// A result that stands on files which prove nothing is told as such, after it was shown.
fn proven(files: &Report, faults: &[Fault], output: Output) -> Result<(), Failure> {
    for fault in faults {
        let left_out = output.say("left out, entry", "استُبعد القيد");
        output.note(format!("{left_out} {}: {}", fault.index, fault.detail));
    }
    if files.is_proven() && faults.is_empty() {
        return Ok(());
    }
    Err(Failure::untrusted(
        "the log does not prove the record above; see `mohawel audit replay`",
    ))
}

/// Reads all epochs' masters, asking for the passphrase where no file gives it.
fn open_masters(masters: &Masters, output: Output) -> Result<audit::people::Masters, Failure> {
    let epochs = epochs::Epochs::open(&masters.dir)?;
    epochs.masters(masters.passphrase_file.as_deref(), output)
}
