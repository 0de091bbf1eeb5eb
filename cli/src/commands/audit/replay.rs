//! `mohawel audit replay`: folds the registry again and judges every decision again, up to the end of the log or to an
//! older checkpoint.

use std::path::Path;

use audit::receipt::tlog_proof::{FIRST_LINE, TlogProof};
use audit::replay::what_if::Flip;
use audit::replay::{self, Event};
use audit::verify::{At, rule};
use serde_json::json;

use super::progress::Progress;
use super::proof::read_short;
use super::what_if::{self, Flips};
use super::{
    directory, event_json, event_line, files_json, filter, findings_json, found, given_key,
    print_files, print_findings, time, witnesses,
};
use crate::args::{LogDir, Replaying, TimeRoots, Vouched, Wanted};
use crate::commands::switch_dir::in_file;
use crate::failure::Failure;
use crate::output::Output;

/// Replays, lists what was asked for, and says what was found.
pub(super) fn run(
    (log, vouched, time_roots): (&LogDir, &Vouched, &TimeRoots),
    wanted: &Wanted,
    how: &Replaying,
    output: Output,
) -> Result<(), Failure> {
    let dir = directory(log)?;
    let mut progress = Progress::new(output, "replaying", "جارٍ إعادة الفحص");
    let mut on_progress = |done, total| progress.tell(done, total);
    let mut failed = None;
    let mut on_event = |event: &Event| {
        let shown = if output.json {
            output.json_line(&event_json(event))
        } else {
            Ok(())
        };
        failed = shown.err().or(failed.take());
        output.line(event_line(event));
    };
    let at = how.at.as_deref().map(at).transpose()?;
    let by_number = matches!(at, Some(At::Size(_)));
    let what_if = how.what_if.as_deref().map(what_if::load).transpose()?;
    let mut flips = what_if.as_ref().map(|what_if| Flips::new(what_if, output));
    let mut on_flip = |flip: &Flip| {
        if let Some(flips) = &mut flips {
            flips.take(flip);
        }
    };
    let options = replay::Options {
        key: given_key(log)?,
        policy: witnesses::given(vouched)?,
        time: time::options(time_roots)?,
        threads: how.threads.map_or(0, usize::from),
        at,
        filter: filter(wanted)?,
        on_progress: Some(&mut on_progress),
        on_event: if how.list { Some(&mut on_event) } else { None },
        on_flip: what_if
            .is_some()
            .then_some(&mut on_flip as &mut dyn FnMut(&Flip)),
        what_if,
    };
    let report = replay::replay(dir, options);
    progress.end();
    if let Some(failure) = failed {
        return Err(failure);
    }
    if let Some(unusable) = unusable(&report, by_number) {
        return Err(unusable);
    }
    let errors = report.files.findings.errors() + report.findings.errors();
    if let (Some(flips), Some(changed)) = (flips, &report.changed) {
        flips.tell(changed, errors)?;
        // What is supposed says nothing about the log; only what is wrong with it is told.
        return match report.is_clean() {
            true => Ok(()),
            false => {
                print_findings(&report.files.findings, output);
                print_findings(&report.findings, output);
                found(false, errors, output)
            }
        };
    }
    let summary = summary(&report);
    if how.list && output.json {
        output.json_line(&summary)?;
    } else {
        output.show(&summary, || print(&report, output))?;
    }
    found(report.is_clean(), errors, output)
}

/// Where to stop: a number of entries, or a file with a checkpoint in it.
fn at(text: &str) -> Result<At, Failure> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(At::Size).map_err(Failure::usage);
    }
    let file = Path::new(text);
    let bytes = read_short(file, "too long for a checkpoint or a tlog-proof")?;
    if bytes.starts_with(FIRST_LINE.as_bytes()) {
        let proof = TlogProof::from_text(&bytes).map_err(|error| in_file(file, error))?;
        return Ok(At::Note(proof.checkpoint));
    }
    Ok(At::Note(bytes.into()))
}

/// Why it could not be stopped where it was asked to: nothing was looked at, so nothing is said about the log.
fn unusable(report: &replay::Report, by_number: bool) -> Option<Failure> {
    let kept = report.files.findings.kept();
    let found = kept.iter().find(|finding| finding.rule == rule::AT)?;
    Some(match by_number {
        true => Failure::usage(&found.detail),
        false => Failure::untrusted(&found.detail),
    })
}

fn summary(report: &replay::Report) -> serde_json::Value {
    json!({
        "files": files_json(&report.files),
        "kinds": report.kinds,
        "codes": report.codes,
        "open": report.open,
        "seals_verified": report.seals,
        "findings": findings_json(&report.findings),
        "clean": report.is_clean(),
    })
}

fn print(report: &replay::Report, output: Output) {
    print_files(&report.files, output);
    if let Some(as_of) = report.files.as_of {
        let root = report.files.root.map(|root| root.to_string());
        output.line(format!(
            "{}: {} {}, {} {}",
            output.say(
                "what follows is left out; looked at",
                "لم يُفحص ما بعدها؛ فُحص"
            ),
            as_of.size,
            output.say("entries", "قيدًا"),
            output.say("root", "جذرها"),
            root.unwrap_or_default(),
        ));
    }
    let heading = [
        output.say("entries", "القيود"),
        output.say("count", "العدد"),
    ];
    let kinds = report.kinds.iter();
    output.table(
        heading,
        kinds.map(|(kind, count)| [(*kind).to_owned(), count.to_string()]),
    );
    let heading = [
        output.say("decision", "القرار"),
        output.say("count", "العدد"),
    ];
    let codes = report.codes.iter();
    output.table(
        heading,
        codes.map(|(code, count)| [(*code).to_owned(), count.to_string()]),
    );
    output.line(format!(
        "{}: {}",
        output.say("seals verified", "أختام جرى التحقق منها"),
        report.seals
    ));
    output.line(format!(
        "{}: {}",
        output.say("requests still open", "طلبات ما زالت مفتوحة"),
        report.open
    ));
    print_findings(&report.findings, output);
}
