//! Attempts whose end is not known, kept in the home for ten minutes so that the very same can be asked again.
//!
//! A retry must repeat the salt of the first attempt: without it the payload's commitment is another one, and the
//! provider takes it for another question. The salt hides the payload, so the file is the owner's alone, and goes when
//! the provider no longer keeps its answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use certs::key_files::{KeyFileError, read_private, write_private};
use proto::commitment::Salt;
use proto::id::ExchangeId;
use proto::limits::KEPT_ANSWER_MS;

use crate::consumer::Attempt;

/// Folder of the home.
const DIR: &str = "attempts";

/// The attempt `id` of this home; `None` when it is not kept here, or not any more.
pub fn kept(home: &Path, id: ExchangeId) -> Option<Attempt> {
    let path = file(home, id);
    if is_old(&path) {
        return None;
    }
    let text = read_private(&path).ok()?;
    let salt = hex::decode(text.trim_ascii()).ok()?;
    Some(Attempt {
        exchange_id: id,
        salt: Salt(salt.try_into().ok()?),
    })
}

/// Keeps what a retry needs, durably. The second retry names the first attempt, too: then it is there already.
///
/// # Errors
/// [`KeyFileError`]: the file cannot be written.
pub fn keep(home: &Path, attempt: &Attempt) -> Result<(), KeyFileError> {
    forget_old(home);
    let path = file(home, attempt.exchange_id);
    match write_private(&path, hex::encode(attempt.salt.0).as_bytes()) {
        Err(KeyFileError::Exists { .. }) => Ok(()),
        kept => kept,
    }
}

fn forget_old(home: &Path) {
    let Ok(files) = std::fs::read_dir(home.join(DIR)) else {
        return;
    };
    for file in files.flatten() {
        if is_old(&file.path()) {
            // It is in nobody's way; the next call tries again.
            let _ = std::fs::remove_file(file.path());
        }
    }
}

fn is_old(path: &Path) -> bool {
    let data = std::fs::metadata(path).ok();
    let age = data.and_then(|data| data.modified().ok()?.elapsed().ok());
    age.is_some_and(|age| age > Duration::from_millis(KEPT_ANSWER_MS))
}

fn file(home: &Path, id: ExchangeId) -> PathBuf {
    home.join(DIR).join(format!("{id}.salt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_kept_with_its_salt_for_as_long_as_it_helps() {
        let home = tempfile::tempdir().unwrap();
        let id = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        assert_eq!(kept(home.path(), id), None);
        let attempt = Attempt {
            exchange_id: id,
            salt: Salt([7; 32]),
        };
        keep(home.path(), &attempt).unwrap();
        keep(home.path(), &attempt).unwrap();
        assert_eq!(kept(home.path(), id), Some(attempt));
        let path = file(home.path(), id);
        std::fs::write(&path, "short").unwrap();
        assert_eq!(kept(home.path(), id), None);
        std::fs::write(&path, hex::encode([7; 32])).unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_millis(KEPT_ANSWER_MS + 1_000);
        let opened = std::fs::File::options().write(true).open(&path).unwrap();
        opened.set_modified(long_ago).unwrap();
        assert_eq!(kept(home.path(), id), None);
        let other = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5c").unwrap();
        let attempt = Attempt {
            exchange_id: other,
            ..attempt
        };
        keep(home.path(), &attempt).unwrap();
        assert!(!path.exists(), "what is too old goes");
    }
}
