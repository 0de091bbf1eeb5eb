//! `mohawel audit prove`: a proof out of a log directory, and a proof that was kept against one.

use std::fs;
use std::path::Path;

use audit::receipt::tlog_proof::TlogProof;
use audit::verify::{self, HeldError, ProveError};
use proto::digest::leaf_hash;
use serde_json::json;

use super::{directory, key_or_beside};
use crate::args::LogDir;
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Bytes that a proof file can have at most, and one more.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Proves entry `index`, to a file or standard output.
pub(super) fn prove(
    index: u64,
    log: &LogDir,
    file: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let dir = directory(log)?;
    let proven =
        verify::prove(dir, index, &key_or_beside(log)?).map_err(|error| unproven(&error))?;
    let proof = proven.to_tlog_proof(None);
    let text = proof.to_text();
    if let Some(path) = file {
        fs::write(path, &text).map_err(|error| in_file(path, error))?;
    }
    let text = String::from_utf8_lossy(&text);
    let value = json!({
        "index": index,
        "leaf": leaf_hash(&proven.bytes).to_string(),
        "proof": proof.proof.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "size": proven.checkpoint.size,
        "root": proven.checkpoint.root.to_string(),
        "checkpoint": String::from_utf8_lossy(&proof.checkpoint),
        "tlog_proof": text,
        "file": file.map(|path| path.display().to_string()),
    });
    output.show(&value, || match file {
        Some(path) => output.line(format!(
            "{} {}",
            output.say("proof written to", "كُتب الإثبات في"),
            path.display()
        )),
        None => output.line(text.trim_end()),
    })
}

/// Compares the proof in `file` with the log.
pub(super) fn check(file: &Path, log: &LogDir, output: Output) -> Result<(), Failure> {
    let dir = directory(log)?;
    let key = key_or_beside(log)?;
    let text = read_short(file, "too long for a tlog-proof")?;
    let proof = TlogProof::from_text(&text).map_err(|error| in_file(file, error))?;
    let compared = verify::compare(dir, &proof, &key);
    let value = json!({
        "file": file.display().to_string(),
        "index": proof.index,
        "holds": compared.is_ok(),
        "signed_size": compared.as_ref().ok().map(|held| held.then.size),
        "published_size": compared.as_ref().ok().map(|held| held.now.size),
        "reason": compared.as_ref().err().map(ToString::to_string),
    });
    output.show(&value, || {
        if let Ok(held) = &compared {
            output.line(format!(
                "{} {}: {} {} {} {}",
                output.say("entry", "القيد"),
                proof.index,
                output.say(
                    "it is in the log, which extends the",
                    "موجود في السجل، والسجل يمتد من"
                ),
                held.then.size,
                output.say("entries signed for then to", "قيدًا وُقّع عليها حينئذ إلى"),
                held.now.size,
            ));
        }
    })?;
    compared.map(drop).map_err(not_held)
}

/// What to do about a log and a proof that do not agree.
pub(in crate::commands) fn not_held(error: HeldError) -> Failure {
    match error {
        HeldError::Proof(error) => Failure::untrusted(error),
        HeldError::Log(error) => unproven(&error),
        error @ (HeldError::Shorter { .. } | HeldError::Forked { .. }) => Failure::new(
            Exit::Found,
            [
                error.to_string(),
                format!("السجل لا يتفق مع الإثبات: {error}"),
            ],
            [
                "Keep the proof and the directory as they are. If a newer copy of the log says the same, give both to the auditor.",
                "احفظ الإثبات والمجلد كما هما. فإن قالت نسخة أحدث من السجل الشيء نفسه فسلّمهما للمدقّق.",
            ],
        ),
    }
}

/// Why an entry is not proved: an index past the end is the caller's slip, everything else is the log's.
pub(super) fn unproven(error: &ProveError) -> Failure {
    match error {
        ProveError::Beyond { .. } | ProveError::Pruned { .. } => Failure::usage(error),
        _ => Failure::untrusted(error),
    }
}

/// Reads a proof or checkpoint that somebody kept.
pub(super) fn read_short(file: &Path, too_long: &str) -> Result<Vec<u8>, Failure> {
    let length = fs::metadata(file)
        .map_err(|error| in_file(file, error))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(in_file(file, too_long));
    }
    fs::read(file).map_err(|error| in_file(file, error))
}
