//! The clock on the wall of an office: a fixed offset, or Egypt's with its summer time.

use std::fmt;

use time::{Date, Duration, Month, OffsetDateTime, UtcOffset, Weekday};

/// A local clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// So many minutes east of UTC.
    Fixed(i16),
    /// UTC+2, and since 2023 UTC+3 from the last Friday of April to the end of the last Thursday of October.
    Egypt,
}

/// A local hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// The Julian day by the local calendar.
    pub(crate) day: i64,
    /// 0 to 23.
    pub(crate) hour: u8,
    /// 0 is Monday.
    pub(crate) weekday: u8,
}

impl Zone {
    /// Reads `egypt` or an offset such as `+02:00`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "egypt" {
            return Some(Self::Egypt);
        }
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let two = |text: &str| {
            (text.len() == 2)
                .then(|| text.parse::<i16>().ok())
                .flatten()
        };
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let inside = (0..=14).contains(&hours) && (0..60).contains(&minutes);
        inside.then_some(Self::Fixed(sign * (hours * 60 + minutes)))
    }

    pub(crate) fn local(self, unix_ms: u64) -> Option<Local> {
        let seconds = i64::try_from(unix_ms / 1_000).ok()?;
        let utc = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let minutes = match self {
            Self::Fixed(minutes) => i64::from(minutes),
            Self::Egypt if is_egyptian_summer(utc) => 180,
            Self::Egypt => 120,
        };
        let local = utc.checked_add(Duration::minutes(minutes))?;
        Some(Local {
            day: i64::from(local.to_julian_day()),
            hour: local.hour(),
            weekday: local.weekday().number_days_from_monday(),
        })
    }
}

impl fmt::Display for Zone {
    /// As [`Zone::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Egypt => f.write_str("egypt"),
            Self::Fixed(minutes) => {
                let sign = if *minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

fn is_egyptian_summer(utc: OffsetDateTime) -> bool {
    let year = utc.year();
    if year < 2023 {
        return false;
    }
    let last = |month, weekday| last_weekday(year, month, weekday);
    let (Some(friday), Some(thursday)) = (
        last(Month::April, Weekday::Friday),
        last(Month::October, Weekday::Thursday),
    ) else {
        return false;
    };
    // Midnight at UTC+2, and the midnight after Thursday at UTC+3.
    let begins = friday.midnight().assume_offset(UtcOffset::UTC) - Duration::hours(2);
    let ends = thursday.midnight().assume_offset(UtcOffset::UTC) + Duration::hours(24 - 3);
    (begins..ends).contains(&utc)
}

/// The last such weekday of a month of 30 or 31 days.
fn last_weekday(year: i32, month: Month, weekday: Weekday) -> Option<Date> {
    let last = Date::from_calendar_date(year, month, month.length(year)).ok()?;
    let from_monday = |day: Weekday| i64::from(day.number_days_from_monday());
    let back = (from_monday(last.weekday()) - from_monday(weekday)).rem_euclid(7);
    last.checked_sub(Duration::days(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(zone: Zone, text: &str) -> u8 {
        let time = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
        let ms = time.unwrap().unix_timestamp() as u64 * 1_000;
        zone.local(ms).unwrap().hour
    }

    #[test]
    fn egypts_clock_is_set_twice_a_year() {
        for (text, local) in [
            ("2022-07-01T10:00:00Z", 12),
            // 24 April 2026 is the last Friday, 29 October the last Thursday.
            ("2026-04-23T21:59:59Z", 23),
            ("2026-04-23T22:00:00Z", 1),
            ("2026-07-01T10:00:00Z", 13),
            ("2026-10-29T20:59:59Z", 23),
            ("2026-10-29T21:00:00Z", 23),
            ("2026-10-29T22:00:00Z", 0),
            ("2026-12-01T10:00:00Z", 12),
        ] {
            assert_eq!(hour(Zone::Egypt, text), local, "{text}");
        }
    }

    #[test]
    fn offsets_are_read_in_one_form() {
        assert_eq!(Zone::parse("+02:00"), Some(Zone::Fixed(120)));
        assert_eq!(Zone::parse("-03:30"), Some(Zone::Fixed(-210)));
        assert_eq!(Zone::parse("egypt"), Some(Zone::Egypt));
        for bad in [
            "", "2", "+2", "+2:00", "+02:60", "+15:00", "Egypt", "+-1:00", "é",
        ] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
        for text in ["egypt", "+02:00", "-03:30", "+00:00"] {
            assert_eq!(Zone::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(hour(Zone::Fixed(-210), "2026-11-23T02:00:00Z"), 22);
        assert_eq!(Zone::Egypt.local(u64::MAX), None);
        // 1970 began on a Thursday.
        assert_eq!(Zone::Fixed(0).local(0).unwrap().weekday, 3);
    }
}
