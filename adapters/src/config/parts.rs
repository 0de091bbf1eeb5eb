//! Parts of an adapter's settings that are read on their own. What is wrong is collected, so that all of it is told at once.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use proto::digest::Digest;

use super::{Files, Witness, file};
use crate::journal::{self, WhenUnwritable};

pub(super) fn keys_of(texts: &[String], problems: &mut Vec<String>) -> Vec<Digest> {
    let mut keys = Vec::new();
    for text in texts {
        match Digest::from_hex(text) {
            Some(key) => keys.push(key),
            None => problems.push(format!("expected_keys: '{text}' is not 64 hex digits")),
        }
    }
    keys
}

pub(super) fn plain_paths(files: &Files, subject_keys: &Path, problems: &mut Vec<String>) {
    let named = files
        .all()
        .map(|(key, path)| (format!("files.{key}"), path));
    let folder = ("subjects.keys".to_owned(), subject_keys);
    for (key, path) in named.into_iter().chain([folder]) {
        if !is_plain(path) {
            problems.push(format!("{key} = '{}' is not a plain path", path.display()));
        }
    }
}

fn is_plain(path: &Path) -> bool {
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::RootDir);
    !path.as_os_str().is_empty() && path.components().all(is_plain)
}

pub(super) fn witness_of(
    file: Option<file::Witness>,
    problems: &mut Vec<String>,
) -> Option<Witness> {
    let file = file?;
    let policy = PathBuf::from(&file.policy);
    if !is_plain(&policy) {
        problems.push(format!(
            "witness.policy = '{}' is not a plain path",
            file.policy
        ));
    }
    if !(1_000..=86_400_000).contains(&file.witness_lag_ms) {
        problems.push(format!(
            "witness.witness_lag_ms = {} is not within 1000 and 86400000",
            file.witness_lag_ms
        ));
    }
    Some(Witness {
        policy,
        lag: Duration::from_millis(file.witness_lag_ms),
        require: file.require,
    })
}

pub(super) fn journal_of(file: file::Journal, problems: &mut Vec<String>) -> journal::Options {
    let dir = PathBuf::from(&file.dir);
    if !is_plain(&dir) {
        problems.push(format!("journal.dir = '{}' is not a plain path", file.dir));
    }
    let when_unwritable = WhenUnwritable::parse(&file.when_unwritable);
    if when_unwritable.is_none() {
        problems.push(format!(
            "journal.when_unwritable = '{}' is neither stop nor go_on",
            file.when_unwritable
        ));
    }
    journal::Options {
        dir,
        keep_payload: file.keep_payload,
        when_unwritable: when_unwritable.unwrap_or(WhenUnwritable::Stop),
    }
}
