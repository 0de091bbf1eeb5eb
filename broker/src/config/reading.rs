//! Reading one value at a time: what is missing, wrong or out of range is noted, and the reading goes on.

use std::path::{Path, PathBuf};

use super::Problem;
use super::file::{Given, Unknown};

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
        if self.files == Files::MustExist && !path.exists() {
            self.problem(key, format!("{} is not there", path.display()), remedy);
        }
        Some(path)
    }
}

/// What a report repeats of a value is short and printable.
fn shown(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
