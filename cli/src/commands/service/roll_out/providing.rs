//! The providers file of a roll-out: what is added to it, and that what stands in it stays as it is.

use std::path::{Path, PathBuf};

use adapters::stock::Providers;
use toml::{Table, Value};

use super::plan::Plan;
use super::store::{broken, written};
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};

/// What is to be done with the providers file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Providing {
    /// It serves this already.
    Stands,
    /// The whole new text.
    Writes(String),
}

/// Compares the providers file at `path` with what it shall serve.
///
/// # Errors
/// A usage failure for a file that cannot be read, or that serves something else under this name.
pub(super) fn providing(plan: &Plan, service: Table, path: &Path) -> Result<Providing, Failure> {
    let name = plan.name.as_str();
    let service = rooted(plan, service, path);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(in_file(path, error)),
    };
    let file: Table = text.parse().map_err(|error| in_file(path, error))?;
    let there = file.get("service").and_then(|all| all.get(name));
    match there {
        Some(Value::Table(there)) if *there == service => return Ok(Providing::Stands),
        Some(_) => return Err(taken(name, path)),
        None => {}
    }
    let added = written(name, service).map_err(|error| broken(plan, &error))?;
    let text = match text.trim_end() {
        "" => added,
        before => format!("{before}\n\n{added}"),
    };
    // What else stands in the file is read again with it: a file that does not load serves nothing at all.
    Providers::parse(&text, path.parent().unwrap_or(Path::new("")))
        .map_err(|error| in_file(path, error))?;
    Ok(Providing::Writes(text))
}

fn taken(name: &str, path: &Path) -> Failure {
    let path = path.display();
    Failure::new(
        Exit::Usage,
        [
            format!("{path} serves {name} from somewhere else; nothing was done"),
            format!("الملف {path} يقدّم {name} من مصدر آخر؛ ولم يُنفَّذ شيء"),
        ],
        [
            "Take that table out of the file, or name another file with --providers.",
            "احذف ذلك الجزء من الملف أو اذكر ملفًا آخر بالخيار ‎--providers‎.",
        ],
    )
}

/// Paths of the plan hold in the plan's folder; in a file elsewhere they are written out.
fn rooted(plan: &Plan, mut service: Table, path: &Path) -> Table {
    if path.parent() == plan.path.parent() {
        return service;
    }
    let out = |value: &mut Value| {
        if let Some(text) = value.as_str() {
            let whole: PathBuf = plan.dir().join(text);
            let whole = std::path::absolute(&whole).unwrap_or(whole);
            *value = whole.display().to_string().into();
        }
    };
    for key in ["sqlite", "file"] {
        service.get_mut(key).map(out);
    }
    let password = service
        .get_mut("password")
        .and_then(|secret| secret.get_mut("file"));
    password.map(out);
    service
}
