//! Checkpoints in a log directory that a time-stamp authority saw: `time/<20-digit size>.checkpoint` with its token `.tsr`.

use std::fs;
use std::path::Path;

use super::contents::{Signed, Stamped};
use super::{EvidenceError, TRUST_BYTES_MAX};
use crate::checkpoint::{self, LogKey};
use crate::note::NOTE_BYTES_MAX;
use crate::tiles::read_bounded;

/// The folder in a log directory.
const FOLDER: &str = "time";

/// The smallest time-stamped checkpoint of `dir` that covers entry `last` and at most `size` entries.
///
/// # Errors
/// [`EvidenceError::Log`] for one that cannot be read or that the log's key did not sign.
pub(super) fn covering(
    dir: &Path,
    last: u64,
    size: u64,
    key: &LogKey,
) -> Result<Option<Stamped>, EvidenceError> {
    let folder = dir.join(FOLDER);
    let Ok(listing) = fs::read_dir(&folder) else {
        return Ok(None);
    };
    let size_of = |name: &str| {
        let digits = name.strip_suffix(".tsr")?;
        let all = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let smallest = listing
        .filter_map(|item| size_of(item.ok()?.file_name().to_str()?))
        .filter(|covered| *covered > last && *covered <= size)
        .min();
    let Some(smallest) = smallest else {
        return Ok(None);
    };
    let read = |ending: &str, limit: u64| {
        let path = folder.join(format!("{smallest:020}.{ending}"));
        read_bounded(&path, limit)
            .map_err(|error| EvidenceError::Log(format!("{}: {error}", path.display())))
    };
    let note = read("checkpoint", NOTE_BYTES_MAX as u64)?;
    let opened = checkpoint::open(&note, key)
        .map_err(|error| EvidenceError::Log(format!("time/{smallest:020}.checkpoint: {error}")))?;
    if opened.size != smallest {
        let what = format!(
            "time/{smallest:020}.checkpoint is of {} entries",
            opened.size
        );
        return Err(EvidenceError::Log(what));
    }
    Ok(Some(Stamped {
        checkpoint: Signed {
            note: note.into(),
            says: opened,
        },
        token: read("tsr", TRUST_BYTES_MAX)?.into(),
        roots: None,
    }))
}
