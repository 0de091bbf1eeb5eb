//! The registry for the commands that list and show: folded from a log's files, or from the switch as an adapter
//! sees it. Never asked of the switch's word: from files every hash, stamp and the checkpoint are verified on the
//! way, from the switch the adapter's own mirror folds.

use std::path::Path;
use std::sync::Arc;

use audit::verify::{self, Options};
use proto::registry::Registry;

use super::act;
use super::switch_dir::SwitchDir;
use crate::args::Source;
use crate::failure::{Exit, Failure};

/// Reads the registry from where the command line says.
///
/// # Errors
/// A usage failure when there is no log or home; untrusted when what is there does not prove itself.
pub async fn read(source: &Source) -> Result<Arc<Registry>, Failure> {
    match (&source.switch, &source.log, &source.home) {
        (Some(switch), None, None) => from_log(&SwitchDir::new(switch).log()).map(Arc::new),
        (None, Some(log), None) => from_log(log).map(Arc::new),
        (None, None, Some(home)) => Ok(act::connect(home).await?.mirror().snapshot()),
        _ => Err(Failure::usage("say one of --switch, --log and --home")),
    }
}

/// Folds the registry of the log in `dir` while everything in it is verified.
///
/// # Errors
/// As [`read`].
pub fn from_log(dir: &Path) -> Result<Registry, Failure> {
    if !dir.join("checkpoint").is_file() {
        let dir = dir.display();
        return Err(Failure::new(
            Exit::Usage,
            [
                format!("{dir} is no log directory: it has no checkpoint"),
                format!("المجلد {dir} ليس مجلد سجل: لا يوجد فيه checkpoint"),
            ],
            [
                "Name the folder that `mohawel init` made with --switch, or a log directory with --log.",
                "اذكر مجلد المحوِّل بالخيار ‎--switch‎ أو مجلد سجل بالخيار ‎--log‎.",
            ],
        ));
    }
    let mut registry = Registry::empty();
    let mut refused = None;
    let mut fold = |index: u64, entry: &proto::entry::Entry| {
        if entry.kind.is_registry() && refused.is_none() {
            refused = registry
                .apply(index, entry)
                .err()
                .map(|error| format!("entry {index}: {error}"));
        }
    };
    let report = verify::verify_directory(
        dir,
        Options {
            on_entry: Some(&mut fold),
            ..Options::default()
        },
    );
    if let Some(refused) = refused {
        return Err(Failure::untrusted(refused));
    }
    if !report.is_proven() {
        let first = report
            .findings
            .kept()
            .iter()
            .find(|finding| finding.severity == verify::Severity::Error);
        let what = first.map_or_else(
            || "the checkpoint's signature does not hold".to_owned(),
            ToString::to_string,
        );
        return Err(Failure::untrusted(format!(
            "{}: {what}; see `mohawel audit verify`",
            dir.display()
        )));
    }
    Ok(registry)
}
