//! Attempts that brought no answer, kept in the home for ten minutes so that `--attempt-of ID` asks the very same again.
//!
//! A retry must repeat the salt of the first attempt: without it the payload's commitment is another one, and the
//! provider takes it for another question. The salt hides the payload, so the file is the owner's alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::consumer::{Attempt, ExchangeError};
use certs::key_files::{read_private, write_private};
use proto::commitment::Salt;
use proto::id::ExchangeId;
use proto::limits::KEPT_ANSWER_MS;
use proto::refusal::Code;

use crate::failure::{Exit, Failure};

/// Folder of the home.
const DIR: &str = "attempts";

/// The attempt `id` of this home.
///
/// # Errors
/// A usage failure when it is not kept here.
pub(super) fn kept(home: &Path, id: ExchangeId) -> Result<Attempt, Failure> {
    let text = read_private(&file(home, id)).ok();
    let salt = text
        .and_then(|text| hex::decode(text.trim_ascii()).ok())
        .and_then(|salt| salt.try_into().ok());
    match salt {
        Some(salt) => Ok(Attempt {
            exchange_id: id,
            salt: Salt(salt),
        }),
        None => Err(Failure::new(
            Exit::Usage,
            [
                format!("No attempt {id} is kept in this home"),
                format!("لا توجد محاولة {id} محفوظة في هذا المجلد"),
            ],
            [
                "Attempts without an answer are kept for ten minutes, under the first exchange id. Ask anew without --attempt-of.",
                "تُحفظ المحاولات التي لم يأتِ لها رد عشر دقائق بمعرّف التبادل الأول. اسأل من جديد دون ‎--attempt-of‎.",
            ],
        )),
    }
}

/// Keeps what a retry of `error` needs; the first exchange's id where there is something to retry.
pub(super) fn keep(home: &Path, error: &ExchangeError) -> Option<ExchangeId> {
    let attempt = error.attempt()?;
    if !error.is_worth_retrying() && error.code() != Some(Code::ProviderFailed) {
        return None;
    }
    forget_old(home);
    let path = file(home, attempt.exchange_id);
    // The second retry names the first attempt too: then it is there already.
    let kept =
        path.exists() || write_private(&path, hex::encode(attempt.salt.0).as_bytes()).is_ok();
    kept.then_some(attempt.exchange_id)
}

fn forget_old(home: &Path) {
    let Ok(files) = std::fs::read_dir(home.join(DIR)) else {
        return;
    };
    for file in files.flatten() {
        let age = file
            .metadata()
            .ok()
            .and_then(|data| data.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age > Duration::from_millis(KEPT_ANSWER_MS)) {
            // It is in nobody's way; the next call tries again.
            let _ = std::fs::remove_file(file.path());
        }
    }
}

fn file(home: &Path, id: ExchangeId) -> PathBuf {
    home.join(DIR).join(format!("{id}.salt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_without_an_answer_can_be_asked_again_with_its_salt() {
        let home = tempfile::tempdir().unwrap();
        let id = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        assert_eq!(kept(home.path(), id).unwrap_err().exit, Exit::Usage);
        let attempt = Attempt {
            exchange_id: id,
            salt: Salt([7; 32]),
        };
        let error = ExchangeError::Transport {
            reason: "gone".to_owned(),
            attempt,
        };
        assert_eq!(keep(home.path(), &error), Some(id));
        assert_eq!(keep(home.path(), &error), Some(id));
        assert_eq!(kept(home.path(), id).unwrap(), attempt);
        assert_eq!(
            keep(home.path(), &ExchangeError::Unsent("no".to_owned())),
            None
        );
        std::fs::write(file(home.path(), id), "short").unwrap();
        assert!(kept(home.path(), id).is_err());
    }
}
