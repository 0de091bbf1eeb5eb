//! `mohawel audit report`: the figures of a period for those who decide, as a page, a table, JSON, or on the terminal.

use std::path::PathBuf;

use audit::find::printable;
use audit::report::{By, Line, Options, Places, Report, Section, report};
use audit::stats::{Tally, duration};
use proto::Code;
use proto::header::Outcome;
use serde_json::{Value, json};

use super::export::failure;
use super::scanned::{left_to_right, scanned_json, tell};
use super::wanted::filter;
use super::{directory, given_key};
use crate::args::MakeReport;
use crate::failure::Failure;
use crate::output::Output;

/// Runs the command.
///
/// # Errors
/// What cannot be looked at or written; [`crate::failure::Exit::Untrusted`] when the figures are not proved: nothing is
/// written then.
pub(super) fn run(asked: &MakeReport, output: Output) -> Result<(), Failure> {
    let (page, table) = (asked.output.as_deref(), asked.parquet.as_deref());
    if page.is_some() && page == table {
        return Err(Failure::usage(
            "--output and --parquet name the same file: a page and a table need one each",
        ));
    }
    let options = Options {
        key: given_key(&asked.log)?,
        filter: filter(&asked.wanted)?,
        check: asked.proved.check(),
        zone: asked.zone,
        top: asked.top.into(),
        officials: !asked.no_officials,
    };
    if let (Some(from), Some(to)) = (options.filter.from_ms, options.filter.to_ms)
        && from >= to
    {
        return Err(Failure::usage(
            "the period ends before it begins: --until must be later than --since",
        ));
    }
    let dir = directory(&asked.log)?;
    let places = Places::at(page, table, asked.force).map_err(|error| failure(&error))?;
    let bar = output.progress(0, "counting", "جارٍ العدّ");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let made = report(dir, options, &mut on_progress);
    bar.finish_and_clear();
    let made = made.map_err(Failure::usage)?;
    let written = places.put(&made, output.language);
    written.map_err(|error| failure(&error))?;
    let files: Vec<&PathBuf> = [&asked.output, &asked.parquet]
        .into_iter()
        .flatten()
        .collect();
    output.show(&value(&made, &files), || print(&made, &files, output))?;
    tell(&made.scanned, output)
}

fn value(made: &Report, files: &[&PathBuf]) -> Value {
    let mut value = made.to_json();
    if let Value::Object(value) = &mut value {
        value.insert("files".to_owned(), json!(files));
        value.insert("scan".to_owned(), scanned_json(&made.scanned));
    }
    value
}

fn print(made: &Report, files: &[&PathBuf], output: Output) {
    let total = &made.total;
    let times = times(total);
    for (english, arabic, figure) in [
        ("asked", "المطلوب", total.asked().to_string()),
        ("refused", "المرفوض", total.refused.to_string()),
        (
            "answered",
            "المُجاب",
            total.ended_as(Outcome::Answered).to_string(),
        ),
        (
            "ended without an answer",
            "انتهى دون إجابة",
            total.not_answered().to_string(),
        ),
        (
            "from question to ending, p50 / p95 / p99",
            "من السؤال إلى النهاية، p50 / p95 / p99",
            left_to_right(output, &times),
        ),
    ] {
        output.line(format!("{}: {figure}", output.say(english, arabic)));
    }
    for (reason, count) in &total.refused_as {
        let sentence = Code::parse(reason).map_or("", |code| code.sentence(output.language));
        let reason = left_to_right(output, reason);
        output.line(format!("   {reason} {count}  {sentence}"));
    }
    // Who has the page needs no second one here.
    if files.is_empty() {
        let sections = made.sections.iter();
        for section in sections.filter(|section| !section.lines.is_empty()) {
            print_section(section, output);
        }
    }
    for file in files {
        output.line(format!(
            "{}: {}",
            output.say("written to", "كُتب في"),
            left_to_right(output, &file.display().to_string())
        ));
    }
}

fn print_section(section: &Section, output: Output) {
    let heading = [
        match section.by {
            By::Service => output.say("service", "الخدمة"),
            By::Agency => output.say("agency that asks", "الجهة الطالبة"),
            By::Centre => output.say("centre (system that asks)", "المركز (النظام الطالب)"),
            By::Provider => output.say("agency that is asked", "الجهة المزوّدة"),
            By::Official => output.say("official (pseudonym)", "الموظف (اسم مستعار)"),
        },
        output.say("asked", "المطلوب"),
        output.say("refused", "المرفوض"),
        output.say("answered", "المُجاب"),
        output.say("without answer", "دون إجابة"),
        "p50 / p95 / p99",
    ];
    let row = |key: String, tally: &Tally| {
        [
            key,
            tally.asked().to_string(),
            tally.refused.to_string(),
            tally.ended_as(Outcome::Answered).to_string(),
            tally.not_answered().to_string(),
            left_to_right(output, &times(tally)),
        ]
    };
    let lines = section.lines.iter();
    let mut rows: Vec<_> = lines
        .map(|line| row(named(line, output), &line.tally))
        .collect();
    if let Some((keys, tally)) = &section.others {
        let others = output.say("all others", "كل ما سواها");
        rows.push(row(format!("{others} ({keys})"), tally));
    }
    if section.unnamed.asked() > 0 || section.unnamed.not_answered() > 0 {
        let none = output.say("(names none)", "(بلا اسم)");
        rows.push(row(none.to_owned(), &section.unnamed));
    }
    output.line("");
    output.table(heading, rows);
}

/// The name that people gave it above its identifier.
fn named(line: &Line, output: Output) -> String {
    let mut key = left_to_right(output, &printable(&line.key));
    if line.missed_max > 0 {
        key += &format!(" (+≤{})", line.missed_max);
    }
    match &line.names {
        Some([english, arabic]) => format!("{}\n{key}", printable(output.say(english, arabic))),
        None => key,
    }
}

fn times(tally: &Tally) -> String {
    let found = tally.whole.quantiles();
    let found = found.map(|found| [found.p50_us, found.p95_us, found.p99_us].map(duration));
    found.map_or_else(|| "–".to_owned(), |found| found.join(" / "))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use proto::refusal::Language;

    use super::*;
    use crate::failure::Exit;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        asked: MakeReport,
    }

    fn run_on(log: &std::path::Path, more: &[&str]) -> Failure {
        let log = log.display().to_string();
        let words = ["report", "--log", &log].into_iter();
        let line = Line::parse_from(words.chain(more.iter().copied()));
        let output = Output {
            language: Language::English,
            json: true,
        };
        run(&line.asked, output).unwrap_err()
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_read_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("r.html").display().to_string();
        let log = dir.path().join("log");
        fs::create_dir_all(log.join("tile")).unwrap();
        for (more, said) in [
            (&["-o", &page, "--parquet", &page][..], "the same file"),
            (
                &[
                    "--since",
                    "2026-02-01T00:00:00Z",
                    "--until",
                    "2026-01-01T00:00:00Z",
                ],
                "ends before it begins",
            ),
            (&["--since", "yesterday"], "RFC 3339"),
            (&["-o", &page], "no published checkpoint"),
        ] {
            let failure = run_on(&log, more);
            assert_eq!(failure.exit, Exit::Usage, "{failure:?}");
            assert!(failure.what[0].contains(said), "{failure:?}");
        }
        assert!(run_on(dir.path(), &[]).what[0].contains("no log directory"));
        fs::write(&page, "yesterday's").unwrap();
        let taken = run_on(&log, &["-o", &page]);
        assert!(taken.what[0].contains("there already"), "{taken:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        for bad in [["--top", "0"], ["--top", "513"], ["--zone", "cairo"]] {
            let words = ["report", "--log", "x"].into_iter().chain(bad);
            assert!(Line::try_parse_from(words).is_err(), "{bad:?}");
        }
    }
}
