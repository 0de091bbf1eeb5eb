//! The names under `time/`, size by size. What the layout does not have is a finding.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::tiles::durable::TEMPORARY_SUFFIX;
use crate::timestamp::TIME_DIR;
use crate::timestamp::kept::Name;
use crate::verify::findings::{Findings, rule};

/// Which files stand under one size.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Present {
    pub(super) note: bool,
    pub(super) first: bool,
    pub(super) last: bool,
}

/// What stands under each size; names that the layout does not have are findings.
pub(super) fn present(dir: &Path, findings: &mut Findings) -> BTreeMap<u64, Present> {
    let mut found = BTreeMap::<u64, Present>::new();
    let listing = match fs::read_dir(dir.join(TIME_DIR)) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        Err(error) => {
            findings.error(None, rule::UNREADABLE, format!("{TIME_DIR}: {error}"));
            return found;
        }
    };
    for item in listing {
        let name = match item {
            Ok(item) => item.file_name().to_string_lossy().into_owned(),
            Err(error) => {
                findings.error(None, rule::UNREADABLE, format!("{TIME_DIR}: {error}"));
                return found;
            }
        };
        match Name::parse(&name) {
            Some(Name::Note(size)) => found.entry(size).or_default().note = true,
            Some(Name::First(size)) => found.entry(size).or_default().first = true,
            Some(Name::Last(size)) => found.entry(size).or_default().last = true,
            None => {
                let what = match name.ends_with(TEMPORARY_SUFFIX) {
                    true => "was never finished",
                    false => "is not part of the layout",
                };
                let detail = format!("{TIME_DIR}/{name} {what}");
                findings.warning(None, rule::UNKNOWN_FILE, detail);
            }
        }
    }
    found
}
