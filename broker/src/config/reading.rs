//! Reading one value at a time: what is missing, wrong or out of range is noted, and the reading goes on.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Problem;
use super::file::{Given, Unknown};
use crate::switch::LogKeyFiles;

/// Whether the files that a configuration names are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Each must be there.
    MustExist,
    /// Not looked for.
    Unseen,
}

/// A number with its bounds; what is absent is the default.
pub(super) struct Bounds {
    pub(super) default: u64,
    pub(super) min: u64,
    pub(super) max: u64,
}

pub(super) struct Reading<'a> {
    pub(super) base_dir: &'a Path,
    pub(super) files: Files,
    pub(super) problems: Vec<Problem>,
}

impl Reading<'_> {
    pub(super) fn problem(
        &mut self,
        key: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem {
            key: key.to_owned(),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn unknown(&mut self, section: &str, unknown: &Unknown, known: &str) {
        for key in unknown.keys() {
            let key = if section.is_empty() {
                key.clone()
            } else {
                format!("{section}.{key}")
            };
            self.problem(
                &key,
                "there is no such key",
                format!("Known here: {known}."),
            );
        }
    }

    /// An absent section is an empty one: what it should hold is then reported key by key.
    pub(super) fn section<T: Default>(&mut self, key: &str, given: Given<T>) -> T {
        match given {
            Given::Value(section) => section,
            Given::Absent => T::default(),
            Given::Wrong(expected) => {
                self.problem(
                    key,
                    format!("not a section ({expected})"),
                    format!("Write it as [{key}]."),
                );
                T::default()
            }
        }
    }

    /// A value that has no default.
    pub(super) fn need<T>(&mut self, key: &str, given: Given<T>, remedy: &str) -> Option<T> {
        match given {
            Given::Value(value) => Some(value),
            Given::Absent => {
                self.problem(key, "missing, and nobody but you can know it", remedy);
                None
            }
            Given::Wrong(expected) => {
                self.problem(key, expected, remedy);
                None
            }
        }
    }

    /// A text that has no default and is parsed by `parse`.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        given: Given<String>,
        remedy: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.need(key, given, remedy)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.problem(key, format!("'{}' cannot be read", shown(&text)), remedy);
        }
        parsed
    }

    pub(super) fn number(&mut self, key: &str, given: Given<u64>, bounds: &Bounds) -> u64 {
        let Bounds { default, min, max } = *bounds;
        let remedy =
            format!("Write a whole number from {min} to {max}, or leave it out for {default}.");
        match given {
            Given::Absent => default,
            Given::Value(value) if (min..=max).contains(&value) => value,
            Given::Value(value) => {
                self.problem(key, format!("{value} is out of range"), remedy);
                default
            }
            Given::Wrong(expected) => {
                self.problem(key, expected, remedy);
                default
            }
        }
    }

    /// A whole number with its unit; what is absent is the default.
    pub(super) fn duration(
        &mut self,
        key: &str,
        given: Given<String>,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let remedy = format!(
            "Write a whole number and s, m, h or d in quotes, for example \"36h\", from {} to {}, or leave it out for {}.",
            written(*bounds.start()),
            written(*bounds.end()),
            written(default)
        );
        let what = match given {
            Given::Absent => return default,
            Given::Value(text) => match duration_of(&text) {
                Some(duration) if bounds.contains(&duration) => return duration,
                Some(_) => format!("{} is out of range", shown(&text)),
                None => format!("'{}' cannot be read", shown(&text)),
            },
            Given::Wrong(expected) => expected,
        };
        self.problem(key, what, remedy);
        default
    }

    pub(super) fn path(
        &mut self,
        key: &str,
        given: Given<String>,
        remedy: &str,
    ) -> Option<PathBuf> {
        let text = self.need(key, given, remedy)?;
        if text.is_empty() {
            self.problem(key, "an empty path", remedy);
            return None;
        }
        let path = self.base_dir.join(text);
        // Of the log's keys those that signed before may be gone when one that follows is there.
        let is_there = path.exists() || (key == "log.key" && LogKeyFiles::any(&path));
        if self.files == Files::MustExist && !is_there {
            self.problem(key, format!("{} is not there", path.display()), remedy);
        }
        Some(path)
    }
}

/// Seconds in a unit, the largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The duration that `90s`, `45m`, `36h` or `7d` says: digits and one letter, nothing else.
#[must_use]
pub fn duration_of(text: &str) -> Option<Duration> {
    let (_, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A duration as it is written, in the largest unit that says it whole.
fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (unit, in_unit) = UNITS
        .into_iter()
        .find(|(_, in_unit)| seconds.is_multiple_of(*in_unit))
        .unwrap_or(('s', 1));
    format!("{}{unit}", seconds / in_unit)
}

/// What a report repeats of a value is short and printable.
fn shown(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_digits_and_one_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("20s", 20),
            ("45m", 2_700),
            ("36h", 129_600),
            ("7d", 604_800),
            ("007d", 604_800),
        ] {
            assert_eq!(
                duration_of(text),
                Some(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for bad in [
            "",
            "s",
            "7",
            "7 d",
            " 7d",
            "7d ",
            "-7d",
            "+7d",
            "1.5h",
            "7D",
            "7dd",
            "1d12h",
            "٧d",
            "7يوم",
            "18446744073709551615d",
            "99999999999999999999s",
        ] {
            assert_eq!(duration_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_would_be_read() {
        for text in ["5s", "90s", "45m", "36h", "7d", "90d"] {
            assert_eq!(duration_of(text).map(written).as_deref(), Some(text));
        }
    }
}
