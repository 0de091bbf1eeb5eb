//! Days in UTC, as the names of files.

use std::fmt;

use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

/// A day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(Date);

impl Day {
    /// The day of a Unix time in milliseconds.
    pub(super) fn of_ms(unix_ms: u64) -> Self {
        let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(seconds);
        Self(time.map_or(Date::MAX, OffsetDateTime::date))
    }

    /// So many days later.
    pub(super) fn after(self, days: u32) -> Self {
        let later = self.0.checked_add(Duration::days(i64::from(days)));
        Self(later.unwrap_or(Date::MAX))
    }

    /// Reads what `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let format = format_description!("[year]-[month]-[day]");
        Date::parse(text, format).ok().map(Self)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.0.year(), u8::from(self.0.month()), self.0.day());
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_and_read_and_ends_nowhere_in_a_panic() {
        let day = Day::of_ms(1_795_363_078_330);
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!(day.after(40).to_string(), "2027-01-01");
        assert_eq!(Day::parse("2026-11-22"), Some(day));
        for bad in ["", "2026-11-31", "2026-11-22x", "../2026-11-22"] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        assert!(Day::of_ms(u64::MAX).after(u32::MAX) >= day);
    }
}
