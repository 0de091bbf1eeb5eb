//! `mohawel audit time`: the time-stamp tokens beside a log, and what they say of its stamps.

use audit::timestamp::{Roots, TrustedTime};
use audit::verify::{self, TimeOptions, TimeReport, Token};
use serde_json::{Value, json};

use super::{directory, findings_json, found, given_key, print_findings};
use crate::args::{LogDir, TimeRoots};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Rows of the table for people; `--json` gives every token.
const ROWS_MAX: usize = 200;

/// Shows every token and whether it holds.
///
/// # Errors
/// What the command cannot do; [`Exit::Found`] when a token or a stamp does not hold.
pub(super) fn run(log: &LogDir, time: &TimeRoots, output: Output) -> Result<(), Failure> {
    let dir = directory(log)?;
    let options = options(time)?;
    let mut tokens = Vec::new();
    let bar = output.progress(0, "verifying tokens", "جارٍ التحقق من الأختام الزمنية");
    let mut on_token = |token: &Token| {
        tokens.push(token.clone());
        bar.set_position(tokens.len() as u64);
    };
    let (report, findings) =
        verify::verify_time(dir, given_key(log)?, options.as_ref(), &mut on_token);
    bar.finish_and_clear();
    let value = json!({
        "tokens": tokens.iter().map(token_json).collect::<Vec<_>>(),
        "summary": json(&report),
        "findings": findings_json(&findings),
        "ok": findings.errors() == 0,
    });
    output.show(&value, || {
        let heading = [
            output.say("entries", "القيود"),
            output.say("time", "الوقت"),
            output.say("± ms", "± م.ث"),
            output.say("authority", "جهة الختم الزمني"),
            output.say("token", "الختم"),
        ];
        let hidden = tokens.len().saturating_sub(ROWS_MAX);
        let rows = tokens.iter().skip(hidden).map(|token| row(token, output));
        output.table(heading, rows);
        if hidden > 0 {
            output.line(format!(
                "{} {hidden}",
                output.say(
                    "Not shown (--json shows all), earlier tokens:",
                    "أختام أقدم غير معروضة (‎--json يعرضها كلها):"
                )
            ));
        }
        print(&report, output);
        print_findings(&findings, output);
    })?;
    match findings.errors() {
        0 if report.verified > 0 => {
            output.line(output.say(
                "The tokens hold, and no stamp beside them contradicts them.",
                "الأختام الزمنية صحيحة، ولا يناقضها أي وقت مدوَّن بجوارها.",
            ));
            Ok(())
        }
        0 => Ok(()),
        errors => found(false, errors, output),
    }
}

/// The roots that were named, read.
///
/// # Errors
/// A usage failure where the file holds no certificates.
pub(super) fn options(time: &TimeRoots) -> Result<Option<TimeOptions>, Failure> {
    let Some(path) = &time.time_roots else {
        return Ok(None);
    };
    let roots = Roots::load(path).map_err(|error| {
        Failure::new(
            Exit::Usage,
            [
                format!("--time-roots cannot be used: {error}"),
                format!("تعذّر استخدام ‎--time-roots: {error}"),
            ],
            [
                "Name a PEM file with the authorities' root certificates, taken from the authorities themselves.",
                "اذكر ملف PEM فيه الشهادات الجذرية لجهات الختم الزمني، مأخوذة من تلك الجهات نفسها.",
            ],
        )
    })?;
    Ok(Some(TimeOptions {
        roots,
        tolerance: time.time_tolerance,
    }))
}

/// What the tokens say together, for people; nothing where there are none.
pub(super) fn print(report: &TimeReport, output: Output) {
    if report.tokens == 0 {
        return;
    }
    output.line(format!(
        "{}: {} / {}",
        output.say("time-stamp tokens verified", "أختام زمنية جرى التحقق منها"),
        report.verified,
        report.tokens
    ));
    let Some((begin_us, end_us)) = report.span_us else {
        return;
    };
    output.line(format!(
        "{}: {} – {}",
        output.say("from, to", "من، إلى"),
        time_of_ms(begin_us / 1_000),
        time_of_ms(end_us / 1_000)
    ));
    output.line(format!(
        "{}: {}",
        output.say("entries under the last token", "القيود تحت آخر ختم زمني"),
        report.covered
    ));
    if let Some((gap, size)) = report.longest_gap {
        output.line(format!(
            "{}: {} {} {size}",
            output.say("longest gap, seconds", "أطول فجوة بالثواني"),
            gap.as_secs(),
            output.say("after entries:", "بعد القيود:"),
        ));
    }
}

/// What the tokens say together, for machines.
pub(super) fn json(report: &TimeReport) -> Value {
    let time = |us: u64| time_of_ms(us / 1_000);
    json!({
        "tokens": report.tokens,
        "verified": report.verified,
        "covered": report.covered,
        "first": report.span_us.map(|(begin, _)| time(begin)),
        "last": report.span_us.map(|(_, end)| time(end)),
        "longest_gap_s": report.longest_gap.map(|(gap, _)| gap.as_secs()),
        "longest_gap_after": report.longest_gap.map(|(_, size)| size),
    })
}

fn row(token: &Token, output: Output) -> [String; 5] {
    let said = |time: Option<&TrustedTime>, result: String| {
        [
            token.size.to_string(),
            time.map_or_else(String::new, |time| time_of_ms(time.at_us / 1_000)),
            time.map_or_else(String::new, |time| (time.accuracy_us / 1_000).to_string()),
            time.map_or_else(String::new, |time| time.authority.clone()),
            result,
        ]
    };
    match &token.time {
        Some(Ok(time)) => said(Some(time), output.say("holds", "صحيح").to_owned()),
        Some(Err(error)) => said(None, error.clone()),
        None => said(
            None,
            output
                .say(
                    "not verified: no --time-roots",
                    "لم يُتحقق منه: لا ‎--time-roots",
                )
                .to_owned(),
        ),
    }
}

fn token_json(token: &Token) -> Value {
    let time = token.time.as_ref().and_then(|time| time.as_ref().ok());
    json!({
        "size": token.size,
        "again": token.again,
        "ok": token.time.as_ref().map(Result::is_ok),
        "error": token.time.as_ref().and_then(|time| time.as_ref().err()),
        "time": time.map(|time| time_of_ms(time.at_us / 1_000)),
        "time_us": time.map(|time| time.at_us),
        "accuracy_us": time.map(|time| time.accuracy_us),
        "authority": time.map(|time| &time.authority),
        "policy": time.map(|time| &time.policy),
        "serial": time.map(|time| &time.serial),
    })
}
