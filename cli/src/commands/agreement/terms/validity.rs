//! When an agreement counts: from when, and until when, as the file says it.

use super::File;
use crate::output::ms_of_time;

pub(super) const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// The longest that `days` may say.
const DAYS_MAX: u32 = 36_500;

/// When an agreement counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Unix milliseconds; from the minute of the proposal when `None`.
    pub not_before_ms: Option<u64>,
    /// Its end.
    pub end: End,
}

/// When an agreement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So many days after its beginning.
    Days(u32),
    /// At this Unix time in milliseconds.
    At(u64),
}

impl Validity {
    /// Beginning and end, Unix milliseconds, of an agreement proposed at `now_ms`.
    pub fn at(&self, now_ms: u64) -> (u64, u64) {
        // The whole minute: a switch whose clock is a little behind must not find it not begun.
        let from = self.not_before_ms.unwrap_or(now_ms - now_ms % MINUTE_MS);
        match self.end {
            End::Days(days) => (from, from.saturating_add(u64::from(days) * DAY_MS)),
            End::At(until) => (from, until),
        }
    }
}

pub(super) fn validity(file: &File, found: &mut Vec<String>) -> Option<Validity> {
    let mut time = |key: &str, text: &Option<String>| match text {
        None => Some(None),
        Some(text) => match ms_of_time(text) {
            Ok(ms) => Some(Some(ms)),
            Err(failure) => {
                found.push(format!("{key}: {}", failure.what[0]));
                None
            }
        },
    };
    let (not_before_ms, not_after_ms) = (
        time("not_before", &file.not_before),
        time("not_after", &file.not_after),
    );
    let (not_before_ms, not_after_ms) = (not_before_ms?, not_after_ms?);
    let end = match (file.days, not_after_ms) {
        (Some(days), None) if (1..=DAYS_MAX).contains(&days) => End::Days(days),
        (Some(days), None) => {
            found.push(format!("days = {days} is not within 1 and {DAYS_MAX}"));
            return None;
        }
        (None, Some(until)) if not_before_ms.is_none_or(|from| from < until) => End::At(until),
        (None, Some(_)) => {
            found.push("not_after: it ends before it begins".to_owned());
            return None;
        }
        (Some(_), Some(_)) | (None, None) => {
            found.push("say when it ends: either days or not_after".to_owned());
            return None;
        }
    };
    Some(Validity { not_before_ms, end })
}
