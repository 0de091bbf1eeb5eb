//! The registry for the commands that list and show: folded from a log's files, or from the switch as an adapter
//! sees it. Never asked of the switch's word: from files every hash, stamp and the checkpoint are verified on the
//! way, from the switch the adapter's own mirror folds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::verify::{self, Options};
use proto::registry::Registry;

use super::act;
use super::switch_dir::SwitchDir;
use crate::args::Source;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Reads the registry from where the command line or the environment says.
///
/// # Errors
/// A usage failure when there is no log or home; untrusted when what is there does not prove itself.
pub async fn read(source: &Source) -> Result<Arc<Registry>, Failure> {
    match Place::of(source, |name| std::env::var_os(name).map(PathBuf::from))? {
        Place::Log(log) => from_log(&log).map(Arc::new),
        Place::Home(home) => Ok(act::connect(&home).await?.mirror().snapshot()),
    }
}

/// `mohawel registry digest`.
///
/// # Errors
/// As [`read`].
pub async fn digest(source: Source, output: Output) -> Result<(), Failure> {
    let registry = read(&source).await?;
    let digest = registry.digest().to_string();
    let value = serde_json::json!({ "digest": digest, "size": registry.size() });
    output.show(&value, || output.line(&digest))
}

/// Where a registry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Log(PathBuf),
    Home(PathBuf),
}

impl Place {
    /// The option that was given, or the one variable of `environment` that is set.
    fn of(source: &Source, environment: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, Failure> {
        let of_switch = |dir: &PathBuf| Self::Log(SwitchDir::new(dir).log());
        match (&source.switch, &source.log, &source.home) {
            (Some(switch), None, None) => return Ok(of_switch(switch)),
            (None, Some(log), None) => return Ok(Self::Log(log.clone())),
            (None, None, Some(home)) => return Ok(Self::Home(home.clone())),
            _ => {}
        }
        match (environment("MOHAWEL_SWITCH"), environment("MOHAWEL_HOME")) {
            (Some(switch), None) => Ok(of_switch(&switch)),
            (None, Some(home)) => Ok(Self::Home(home)),
            _ => Err(Failure::usage(
                "say where to read: one of --switch DIR, --log DIR and --home DIR",
            )),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_goes_before_the_environment_and_two_variables_decide_nothing() {
        let home = Source {
            home: Some("home".into()),
            ..Source::default()
        };
        let set = |name: &str| (name == "MOHAWEL_SWITCH").then(|| PathBuf::from("switch"));
        assert_eq!(Place::of(&home, set).unwrap(), Place::Home("home".into()));
        assert_eq!(
            Place::of(&Source::default(), set).unwrap(),
            Place::Log("switch/log".into())
        );
        let both = |_: &str| Some(PathBuf::from("somewhere"));
        assert_eq!(
            Place::of(&Source::default(), both).unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(
            Place::of(&Source::default(), |_| None).unwrap_err().exit,
            Exit::Usage
        );
    }

    #[test]
    fn a_folder_without_a_log_is_a_usage_failure() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(from_log(dir.path()).unwrap_err().exit, Exit::Usage);
    }
}
