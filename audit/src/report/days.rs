//! The same figures by day and by hour of the day, by a clock on a wall.

use std::collections::BTreeMap;

use time::Date;

use crate::anomaly::Zone;
use crate::stats::bounded::{Bounded, Top};
use crate::stats::{Part, Tally};

/// Days kept: somewhat more than a year. Of a longer time those with the fewest entries stand in one.
const DAYS_MAX: usize = 400;

/// Counts by day and hour.
pub(super) struct Counting {
    zone: Zone,
    days: Bounded<i64, Tally>,
    hours: [Tally; 24],
    /// What no clock shows: times after the year 9999.
    timeless: Tally,
}

/// What was counted.
#[derive(Debug)]
pub struct Days {
    /// By Julian day, without gaps where it is no longer than [`DAYS_MAX`].
    days: BTreeMap<i64, Tally>,
    hours: [Tally; 24],
    /// Other days together: how many, and their figures.
    pub others: Option<(u64, Tally)>,
}

impl Counting {
    pub(super) fn of(zone: Zone) -> Self {
        Self {
            zone,
            days: Bounded::new(DAYS_MAX),
            hours: Default::default(),
            timeless: Tally::default(),
        }
    }

    pub(super) fn take(&mut self, at_ms: u64, part: &Part) {
        let Some(local) = self.zone.local(at_ms) else {
            return self.timeless.add(part);
        };
        self.days.entry(&local.day, part.weight()).add(part);
        if let Some(hour) = self.hours.get_mut(usize::from(local.hour)) {
            hour.add(part);
        }
    }

    pub(super) fn finish(self) -> Days {
        use crate::stats::bounded::Merge as _;
        let Top { kept, others } = self.days.finish(DAYS_MAX);
        let mut days: BTreeMap<i64, Tally> =
            kept.into_iter().map(|day| (day.key, day.value)).collect();
        if let (Some((first, _)), Some((last, _))) = (days.first_key_value(), days.last_key_value())
        {
            let (first, last) = (*first, *last);
            // A day on which nothing happened is a figure, too.
            if last - first < DAYS_MAX as i64 {
                for day in first..=last {
                    days.entry(day).or_default();
                }
            }
        }
        let timeless = self.timeless;
        let others = match others {
            _ if timeless.asked() == 0 && timeless.ended.iter().sum::<u64>() == 0 => others,
            Some((days, mut tally)) => {
                tally.merge(timeless);
                Some((days + 1, tally))
            }
            None => Some((1, timeless)),
        };
        Days {
            days,
            hours: self.hours,
            others,
        }
    }
}

impl Days {
    /// Each day as `2026-11-23`, in order.
    pub fn days(&self) -> impl Iterator<Item = (String, &Tally)> {
        self.days.iter().map(|(day, tally)| (day_text(*day), tally))
    }

    /// The 24 hours of the day, as `09`.
    pub fn hours(&self) -> impl Iterator<Item = (String, &Tally)> {
        let hours = self.hours.iter().enumerate();
        hours.map(|(hour, tally)| (format!("{hour:02}"), tally))
    }
}

fn day_text(julian_day: i64) -> String {
    let date = i32::try_from(julian_day).ok();
    let date = date.and_then(|day| Date::from_julian_day(day).ok());
    date.map_or_else(
        || format!("day {julian_day}"),
        |date| {
            let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
            format!("{year:04}-{month:02}-{day:02}")
        },
    )
}
