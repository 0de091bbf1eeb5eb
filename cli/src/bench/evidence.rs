//! The log of the run, verified from its files: the number counts only if everything that was asked is in there.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, ensure};
use audit::checkpoint::LogKey;
use audit::verify::{Options, Severity, verify_directory};
use proto::entry::{Entry, Kind};
use serde::Serialize;

/// What the log holds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Evidence {
    /// All entries, each hashed again up to the signed checkpoint.
    pub entries: u64,
    /// Requests; each was durable before the provider saw it.
    pub requests: u64,
    /// Endings; each was durable before the consumer saw it.
    pub closings: u64,
}

/// Verifies the log directory and compares it with `answered`, what the consumer counted.
///
/// # Errors
/// The log does not verify, or holds something else.
pub fn examine(dir: &Path, key: LogKey, answered: u64) -> anyhow::Result<Evidence> {
    let (evidence, others) = verified(dir, key)?;
    ensure!(
        evidence.requests == answered && evidence.closings == answered,
        "{answered} exchanges were answered, but the log holds {evidence:?}"
    );
    ensure!(
        others == 0,
        "the log holds {others} refusals or late answers"
    );
    Ok(evidence)
}

/// Verifies the log directory; gives what it holds, and how many refusals and late answers.
///
/// # Errors
/// The log does not verify.
pub fn verified(dir: &Path, key: LogKey) -> anyhow::Result<(Evidence, u64)> {
    let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut on_entry = |_: u64, entry: &Entry| *kinds.entry(entry.kind.name()).or_insert(0) += 1;
    let options = Options {
        key: Some(key),
        on_entry: Some(&mut on_entry),
        ..Options::default()
    };
    let report = verify_directory(dir, options);
    if !report.is_proven() {
        let errors = report
            .findings
            .kept()
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<String> = errors
            .take(5)
            .map(|finding| format!("{finding:?}"))
            .collect();
        bail!(
            "the log of this run does not verify (signed: {}): {}",
            report.signed,
            errors.join("; ")
        );
    }
    let of = |kind: Kind| kinds.get(kind.name()).copied().unwrap_or(0);
    let evidence = Evidence {
        entries: report.entries,
        requests: of(Kind::Request),
        closings: of(Kind::Closing) + of(Kind::Trailer),
    };
    Ok((evidence, of(Kind::Refusal) + of(Kind::Late)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::commands::init::{InitOptions, create};
    use audit::clock::Clock;

    use super::*;

    #[tokio::test]
    async fn a_log_that_holds_less_or_something_else_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions {
            dir: dir.path().join("switch"),
            instance: "EG".to_owned(),
            origin: "switch.example/bench".to_owned(),
            trust_domain: None,
            operator: "operator".to_owned(),
            exchange_listen: "127.0.0.1:0".parse().unwrap(),
            enrol_listen: "127.0.0.1:0".parse().unwrap(),
            exchange_address: None,
            enrol_address: None,
        };
        let created = create(&options, &Clock::System).await.unwrap();
        let (log, key) = (created.switch.log(), created.log_key);
        let evidence = examine(&log, key.clone(), 0).unwrap();
        assert_eq!((evidence.entries, evidence.requests), (1, 0));
        // One more was counted than the log holds.
        let missing = examine(&log, key.clone(), 1).unwrap_err().to_string();
        assert!(missing.contains("1 exchanges were answered"), "{missing}");
        let bundle = fs::read_dir(log.join("tile/entries"))
            .unwrap()
            .flat_map(|entry| walk(&entry.unwrap().path()))
            .next()
            .unwrap();
        let mut bytes = fs::read(&bundle).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::remove_file(&bundle).unwrap();
        fs::write(&bundle, bytes).unwrap();
        let changed = examine(&log, key, 0).unwrap_err().to_string();
        assert!(changed.contains("does not verify"), "{changed}");
    }

    fn walk(path: &Path) -> Vec<std::path::PathBuf> {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            entries
                .flat_map(|entry| walk(&entry.unwrap().path()))
                .collect()
        } else {
            vec![path.to_owned()]
        }
    }
}
