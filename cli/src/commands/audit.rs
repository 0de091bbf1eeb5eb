//! `mohawel audit`: verify, replay and read a log directory. No server, no store, no trust.

use std::fs;
use std::path::Path;

use audit::checkpoint::LogKey;
use audit::replay::{Event, Filter, Options, replay as replay_log};
use audit::verify::{self, Finding, Findings, Severity};
use serde_json::{Value, json};

use super::people;
use crate::args::{Audit, LogDir, TimeRoots, Vouched, Wanted};
use crate::failure::{Exit, Failure};
use crate::output::Output;

mod anomalies;
mod bundle;
mod chart;
pub mod event;
mod export;
mod fetch;
mod find;
mod keeping;
mod progress;
pub(super) mod proof;
mod reconcile;
mod replay;
mod report;
mod scanned;
mod stats;
mod time;
mod wanted;
mod what_if;
pub mod witnesses;

pub use event::{event_json, event_line};

use wanted::filter;

/// Runs one of the audit commands.
///
/// # Errors
/// What the command cannot do; [`Exit::Found`] when the log does not hold.
pub fn run(audit: Audit, output: Output) -> Result<(), Failure> {
    match audit {
        Audit::Verify {
            what,
            vouched,
            time,
        } => match (&what.bundle, what.log_dir()) {
            (Some(path), _) => bundle::verify(path, &what, &vouched, &time, output),
            (None, Some(log)) => verify_log(&log, (&vouched, &time), output),
            (None, None) => Err(Failure::usage(
                "name a bundle, or a log directory with --log",
            )),
        },
        Audit::Bundle(arguments) => bundle::make(&arguments, output),
        Audit::Time { log, time } => time::run(&log, &time, output),
        Audit::Replay {
            log,
            vouched,
            wanted,
            how,
            time,
        } => replay::run((&log, &vouched, &time), &wanted, &how, output),
        Audit::Reconcile(args) => reconcile::run(&args, output),
        Audit::Find(find) => find::run(&find, output),
        Audit::Stats(stats) => stats::run(&stats, output),
        Audit::Report(asked) => report::run(&asked, output),
        Audit::Anomalies(anomalies) => anomalies::run(&anomalies, output),
        Audit::Export(export) => export::run(&export, output),
        Audit::Tail { log, count, wanted } => tail(&log, count, &wanted, output),
        Audit::Show { index, log } => show(index, &log, output),
        Audit::TamperDemo(what) => crate::block_on(crate::demo::tampering::run(what, output)),
        Audit::Fetch(what) => crate::block_on(fetch::run(what, output)),
        Audit::SubjectKey(what) => people::subject_key::run(what, output),
        Audit::About(about) => people::about::run(&about, output),
        Audit::Subjects(subjects) => people::subjects::run(&subjects, output),
        Audit::Breach(breach) => people::breach::run(&breach, output),
        Audit::Rebuild(asked) => keeping::rebuild(&asked, output),
        Audit::Prune(asked) => keeping::prune(&asked, output),
        Audit::Index(asked) => keeping::index(&asked, output),
        Audit::Prove {
            index,
            check,
            log,
            output: file,
        } => match (check, index) {
            (Some(proof), _) => proof::check(&proof, &log, output),
            (None, Some(index)) => proof::prove(index, &log, file.as_deref(), output),
            (None, None) => Err(Failure::usage("name an entry, or a proof to --check")),
        },
    }
}

/// The key given on the command line, if one was.
pub(super) fn given_key(log: &LogDir) -> Result<Option<LogKey>, Failure> {
    key_of(log.key.as_deref())
}

/// The key that `--key` names: a vkey, or @FILE.
fn key_of(text: Option<&str>) -> Result<Option<LogKey>, Failure> {
    let Some(text) = text else {
        return Ok(None);
    };
    let text = match text.strip_prefix('@') {
        Some(path) => {
            fs::read_to_string(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?
        }
        None => text.to_owned(),
    };
    LogKey::from_vkey(text.trim())
        .map(Some)
        .map_err(Failure::usage)
}

/// The key to check proofs with: the one given, or the one beside the log.
pub(super) fn key_or_beside(log: &LogDir) -> Result<LogKey, Failure> {
    if let Some(key) = given_key(log)? {
        return Ok(key);
    }
    let path = log.log.join(verify::VKEY_FILE);
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    LogKey::from_vkey(text.trim()).map_err(Failure::usage)
}

pub(super) fn directory(log: &LogDir) -> Result<&Path, Failure> {
    if log.log.join("tile").is_dir() || log.log.join("checkpoint").is_file() {
        return Ok(&log.log);
    }
    let path = log.log.display();
    Err(Failure::new(
        Exit::Usage,
        [
            format!("{path} is no log directory: it has neither tile/ nor checkpoint"),
            format!("{path} ليس مجلد سجل: لا يوجد فيه tile/ ولا checkpoint"),
        ],
        [
            "Name the folder that the switch's [log] dir points to, or a copy of it.",
            "اذكر المجلد المذكور في [log] dir بإعدادات المحوِّل أو نسخة منه.",
        ],
    ))
}

fn verify_log(
    log: &LogDir,
    (vouched, time): (&Vouched, &TimeRoots),
    output: Output,
) -> Result<(), Failure> {
    let dir = directory(log)?;
    let bar = output.progress(0, "verifying", "جارٍ التحقق");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = verify::Options {
        key: given_key(log)?,
        policy: witnesses::given(vouched)?,
        on_progress: Some(&mut on_progress),
        time: time::options(time)?,
        ..Default::default()
    };
    let report = verify::verify_directory(dir, options);
    bar.finish_and_clear();
    output.show(&files_json(&report), || print_files(&report, output))?;
    found(report.is_proven(), report.findings.errors(), output)
}

fn found(good: bool, errors: u64, output: Output) -> Result<(), Failure> {
    if good {
        output.line(output.say("The log holds.", "السجل سليم."));
        return Ok(());
    }
    Err(Failure::new(
        Exit::Found,
        [
            format!("The log does not hold: {errors} finding(s) of weight error."),
            format!("السجل لا يصح: عدد المخالفات الجسيمة {errors}."),
        ],
        [
            "Keep the directory as it is and compare it with an earlier copy and with the agencies' receipts.",
            "احفظ المجلد كما هو وقارنه بنسخة سابقة وبإيصالات الجهات.",
        ],
    ))
}

fn print_files(report: &verify::Report, output: Output) {
    if let Some(checkpoint) = &report.checkpoint {
        output.line(format!(
            "{}: {}",
            output.say("log", "السجل"),
            checkpoint.origin
        ));
        output.line(format!(
            "{}: {}",
            output.say("entries", "القيود"),
            checkpoint.size
        ));
        output.line(format!(
            "{}: {}",
            output.say("root", "الجذر"),
            checkpoint.root
        ));
    }
    let signed = if report.signed {
        output.say("holds", "يصح")
    } else {
        output.say("does not hold", "لا يصح")
    };
    output.line(format!(
        "{}: {signed}",
        output.say("checkpoint signature", "توقيع نقطة التحقق")
    ));
    if let Some(witnessed) = &report.witnessed {
        witnesses::print(witnessed, output);
    }
    time::print(&report.time, output);
    print_findings(&report.findings, output);
}

fn print_findings(findings: &Findings, output: Output) {
    for finding in findings.kept() {
        output.line(finding.to_string());
    }
    if findings.dropped() > 0 {
        output.line(format!(
            "{} {}",
            findings.dropped(),
            output.say("more findings", "مخالفات أخرى")
        ));
    }
}

fn tail(log: &LogDir, count: u64, wanted: &Wanted, output: Output) -> Result<(), Failure> {
    let dir = directory(log)?;
    let keep = usize::try_from(count).unwrap_or(usize::MAX).min(100_000);
    let mut last = std::collections::VecDeque::with_capacity(keep.min(1_000));
    let mut on_event = |event: &Event| {
        if last.len() == keep {
            last.pop_front();
        }
        last.push_back(event.clone());
    };
    let options = Options {
        key: given_key(log)?,
        filter: filter(wanted)?,
        on_event: Some(&mut on_event),
        ..Default::default()
    };
    let report = replay_log(dir, options);
    for event in last.iter().take(keep) {
        if output.json {
            output.json_line(&event_json(event))?
        } else {
            output.line(event_line(event))
        }
    }
    if !report.files.is_proven() {
        // What was listed is not what the key signed: as bad as a proof that does not hold.
        let first = report
            .files
            .findings
            .kept()
            .iter()
            .find(|finding| finding.severity == Severity::Error);
        let what = first.map_or_else(
            || "see `mohawel audit verify`".to_owned(),
            ToString::to_string,
        );
        return Err(Failure::untrusted(format!(
            "the entries above are not proved: {what}"
        )));
    }
    match report.findings.errors() {
        0 => Ok(()),
        errors => found(false, errors, output),
    }
}

fn show(index: u64, log: &LogDir, output: Output) -> Result<(), Failure> {
    let dir = directory(log)?;
    let proven =
        verify::prove(dir, index, &key_or_beside(log)?).map_err(|error| proof::unproven(&error))?;
    let mut event = None;
    let mut on_event = |found: &Event| event = Some(found.clone());
    let filter = Filter {
        from: Some(index),
        to: Some(index + 1),
        ..Filter::default()
    };
    replay_log(
        dir,
        Options {
            key: given_key(log)?,
            filter,
            on_event: Some(&mut on_event),
            ..Default::default()
        },
    );
    let entry = &proven.entry;
    let value = json!({
        "event": event.as_ref().map(event_json),
        "leaf": proto::digest::leaf_hash(&proven.bytes).to_string(),
        "stamp": {
            "recorded_at_us": entry.stamp.recorded_at_us,
            "broker": entry.stamp.broker,
            "registry_size": entry.stamp.registry_size,
            "registry_root": entry.stamp.registry_root.to_string(),
        },
        "facts": hex::encode(&entry.facts),
        "header": hex::encode(&entry.header),
        "seal": entry.seal.as_ref().map(|seal| hex::encode(seal.to_block())),
        "entry": hex::encode(&proven.bytes),
    });
    // One entry in full is the same tree of values for people and for machines.
    let text = serde_json::to_string_pretty(&value).map_err(Failure::unavailable)?;
    if output.json {
        output.show(&value, || {})
    } else {
        output.line(text);
        Ok(())
    }
}

fn files_json(report: &verify::Report) -> Value {
    json!({
        "origin": report.checkpoint.as_ref().map(|checkpoint| checkpoint.origin.clone()),
        "size": report.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
        "root": report.root.map(|root| root.to_string()),
        "signed": report.signed,
        "key_given": report.key_given,
        "witnesses": witnesses::witnessed_json(report.witnessed.as_ref()),
        "entries": report.entries,
        "minimum_index": report.minimum_index,
        "pruned": report.pruned,
        "as_of": report.as_of.map(|as_of| as_of.size),
        "registry_size": report.registry.size,
        "registry_root": report.registry.root.to_string(),
        "time": time::json(&report.time),
        "findings": findings_json(&report.findings),
        "proven": report.is_proven(),
    })
}

fn findings_json(findings: &Findings) -> Vec<Value> {
    findings.kept().iter().map(finding_json).collect()
}

fn finding_json(finding: &Finding) -> Value {
    json!({ "index": finding.index, "rule": finding.rule, "severity": finding.severity.name(), "detail": finding.detail })
}
