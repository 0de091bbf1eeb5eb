//! The earliest checkpoint in a log directory that a time-stamp authority saw and that covers an entry.

use std::path::Path;

use super::EvidenceError;
use super::contents::{Signed, Stamped};
use crate::checkpoint::{self, LogKey};
use crate::timestamp::kept;

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
    let wrong = |what: String| EvidenceError::Log(format!("{}/: {what}", kept::TIME_DIR));
    let sizes = kept::sizes(dir).map_err(|error| wrong(error.to_string()))?;
    let smallest = sizes
        .into_iter()
        .find(|covered| *covered > last && *covered <= size);
    let Some(smallest) = smallest else {
        return Ok(None);
    };
    let found = kept::read(dir, smallest).map_err(|error| wrong(error.to_string()))?;
    let Some(found) = found else {
        return Ok(None);
    };
    let says = checkpoint::open(&found.note, key)
        .map_err(|error| wrong(format!("the checkpoint of {smallest}: {error}")))?;
    if says.size != smallest {
        return Err(wrong(format!(
            "the checkpoint of {smallest} is of {} entries",
            says.size
        )));
    }
    Ok(Some(Stamped {
        checkpoint: Signed {
            note: found.note,
            says,
        },
        token: found.token,
        roots: None,
    }))
}
