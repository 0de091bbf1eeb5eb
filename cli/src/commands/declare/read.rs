//! Reads a directory of TOML files. All mistakes of all files are told at once, each with its file; nothing outside
//! the directory is read, so a symbolic link in it is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::described::Described;
use super::files::{AGENCIES, AGREEMENTS, POLICY, PURPOSES, ROLES};
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};

mod parse;

/// The largest file, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most files that describe agencies.
const AGENCIES_MAX: usize = 10_000;
/// The most entries of one folder that are looked at, hidden and other files among them.
const ENTRIES_MAX: usize = 20_000;
/// What all files may hold together, bytes.
const ALL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Mistakes that are told one by one.
const TOLD_MAX: usize = 100;

/// Mistakes, each with the file that it stands in.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// Notes one. What it repeats of a file is made harmless for a terminal.
    pub(super) fn note(&mut self, file: &str, what: impl std::fmt::Display) {
        let what = what.to_string();
        self.0.push(harmless(&format!("{file}: {}", what.trim())));
    }
}

fn harmless(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut said = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => said.push_str("\n    "),
            c if hidden(c) => said.extend(c.escape_unicode()),
            c => said.push(c),
        }
    }
    said
}

/// Reads the directory.
///
/// # Errors
/// A usage failure with every mistake; one for a directory that cannot be read or describes nothing.
pub fn directory(dir: &Path) -> Result<Described, Failure> {
    let mut problems = Problems::default();
    let texts = texts(dir, &mut problems)?;
    if texts.is_empty() && problems.0.is_empty() {
        return Err(in_file(
            dir,
            format!(
                "it describes nothing: none of {PURPOSES}, {ROLES}, {POLICY}, {AGREEMENTS} and {AGENCIES}/*.toml is there"
            ),
        ));
    }
    let described = parse::all(&texts, &mut problems);
    if problems.0.is_empty() {
        Ok(described)
    } else {
        Err(told(dir, &problems.0))
    }
}

fn told(dir: &Path, problems: &[String]) -> Failure {
    let mut list = String::new();
    for problem in problems.iter().take(TOLD_MAX) {
        list.push_str("\n  ");
        list.push_str(problem);
    }
    if problems.len() > TOLD_MAX {
        list.push_str(&format!("\n  … {}", problems.len() - TOLD_MAX));
    }
    let (dir, many) = (dir.display(), problems.len());
    Failure::new(
        Exit::Usage,
        [
            format!("{dir} has {many} problem(s); nothing was done{list}"),
            format!("في المجلد {dir} أخطاء عددها {many}؛ ولم يُنفَّذ شيء{list}"),
        ],
        [
            "Correct the files and run the command again; docs/operating.md explains every key.",
            "صحّح الملفات ثم أعد تشغيل الأمر؛ وتشرح الصفحة docs/operating.md كل مفتاح.",
        ],
    )
}

/// The files' texts by their names from the directory.
fn texts(dir: &Path, problems: &mut Problems) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = Found::default();
    for name in names(dir).map_err(|error| in_file(dir, error))? {
        let path = dir.join(&name);
        match name.as_str() {
            PURPOSES | ROLES | POLICY | AGREEMENTS => found.take(&path, name, problems),
            AGENCIES => agencies(&path, &mut found, problems)?,
            name if name.starts_with('.') => {}
            name if name.ends_with(".toml") || is_dir(&path) => problems.note(
                name,
                format!("nothing reads it: only {PURPOSES}, {ROLES}, {POLICY}, {AGREEMENTS} and {AGENCIES}/ are known"),
            ),
            // A README, say.
            _ => {}
        }
    }
    Ok(found.texts)
}

fn agencies(dir: &Path, found: &mut Found, problems: &mut Problems) -> Result<(), Failure> {
    let is_folder = fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir());
    if !is_folder {
        problems.note(AGENCIES, "it must be a folder itself, not a file or a link");
        return Ok(());
    }
    let names = names(dir).map_err(|error| in_file(dir, error))?;
    let tomls = names.iter().filter(|name| name.ends_with(".toml"));
    if tomls.count() > AGENCIES_MAX {
        return Err(in_file(
            dir,
            format!("it holds more than {AGENCIES_MAX} files"),
        ));
    }
    for name in names {
        let path = dir.join(&name);
        let shown = format!("{AGENCIES}/{name}");
        if name.starts_with('.') {
        } else if name.ends_with(".toml") {
            found.take(&path, shown, problems);
        } else if is_dir(&path) {
            problems.note(&shown, "no folder is read in here");
        }
    }
    // Said by the folder alone: it describes agencies, if none.
    found.texts.entry(AGENCIES.to_owned()).or_default();
    Ok(())
}

fn is_dir(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// The names in a folder, ascending, so that two runs say the same.
fn names(dir: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| error.to_string())? {
        if names.len() == ENTRIES_MAX {
            return Err(format!("it holds more than {ENTRIES_MAX} files"));
        }
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| format!("the file name {name:?} is not UTF-8"))?;
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

#[derive(Default)]
struct Found {
    texts: BTreeMap<String, String>,
    bytes: u64,
}

impl Found {
    fn take(&mut self, path: &Path, name: String, problems: &mut Problems) {
        match text(path) {
            Ok(text) => {
                self.bytes = self.bytes.saturating_add(text.len() as u64);
                if self.bytes > ALL_BYTES_MAX {
                    problems.note(&name, "with it all files together are far too large");
                } else {
                    self.texts.insert(name, text);
                }
            }
            Err(what) => problems.note(&name, what),
        }
    }
}

/// The text of a plain file of reasonable size; never waits for a pipe, never follows a link.
fn text(path: &Path) -> Result<String, String> {
    let found = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if found.is_symlink() {
        return Err("it is a symbolic link: put the file itself here".to_owned());
    }
    if !found.is_file() {
        return Err("it is not a plain file".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}
