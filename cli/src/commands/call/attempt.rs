//! Attempts that brought no answer, kept in the home for ten minutes so that `--attempt-of ID` asks the very same again.

use std::path::Path;

use adapters::attempts;
use adapters::consumer::{Attempt, ExchangeError};
use proto::id::ExchangeId;
use proto::refusal::Code;

use crate::failure::{Exit, Failure};

/// The attempt `id` of this home.
///
/// # Errors
/// A usage failure when it is not kept here.
pub(super) fn kept(home: &Path, id: ExchangeId) -> Result<Attempt, Failure> {
    attempts::kept(home, id).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            [
                format!("No attempt {id} is kept in this home"),
                format!("لا توجد محاولة {id} محفوظة في هذا المجلد"),
            ],
            [
                "Attempts without an answer are kept for ten minutes, under the first exchange id. Ask anew without --attempt-of.",
                "تُحفظ المحاولات التي لم يأتِ لها رد عشر دقائق بمعرّف التبادل الأول. اسأل من جديد دون ‎--attempt-of‎.",
            ],
        )
    })
}

/// Keeps what a retry of `error` needs; the first exchange's id where there is something to retry.
pub(super) fn keep(home: &Path, error: &ExchangeError) -> Option<ExchangeId> {
    let attempt = error.attempt()?;
    if !error.is_worth_retrying() && error.code() != Some(Code::ProviderFailed) {
        return None;
    }
    let kept = attempts::keep(home, &attempt).is_ok();
    kept.then_some(attempt.exchange_id)
}

#[cfg(test)]
mod tests {
    use proto::commitment::Salt;

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
        assert_eq!(kept(home.path(), id).unwrap(), attempt);
        assert_eq!(
            keep(home.path(), &ExchangeError::Unsent("no".to_owned())),
            None
        );
    }
}
