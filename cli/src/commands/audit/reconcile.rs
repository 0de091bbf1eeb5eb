//! `mohawel audit reconcile`: the parties' receipts against the log, as a table of what is missing where.

use audit::reconcile::{self, Has, Options, ReconcileError, Report, Row, rule};
use audit::verify::Severity;
use serde_json::{Value, json};

use super::{directory, files_json, given_key, print_files};
use crate::args::Reconcile;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ms_of_time, time_of_ms};

/// Compares and prints.
///
/// # Errors
/// [`Exit::Found`] when something is missing on a side.
pub(super) fn run(args: &Reconcile, output: Output) -> Result<(), Failure> {
    let dir = directory(&args.log)?;
    let bar = output.progress(0, "reconciling", "جارٍ المطابقة");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let ms = |text: &Option<String>| text.as_deref().map(ms_of_time).transpose();
    let options = Options {
        key: given_key(&args.log)?,
        from_ms: ms(&args.since)?,
        to_ms: ms(&args.until)?,
        on_progress: Some(&mut on_progress),
    };
    let report = reconcile::reconcile(dir, &args.receipts, options);
    bar.finish_and_clear();
    let report = report.map_err(|error| match error {
        ReconcileError::Published(_) => Failure::untrusted(error),
        _ => Failure::usage(error),
    })?;
    output.show(&report_json(&report), || print(&report, output))?;
    if report.is_clean() {
        output.line(output.say(
            "The log and the receipts agree.",
            "السجل والإيصالات متطابقان.",
        ));
        return Ok(());
    }
    let errors = report.errors + report.files.findings.errors();
    Err(Failure::new(
        Exit::Found,
        [
            format!("The log and the receipts do not agree: {errors} finding(s) of weight error."),
            format!("السجل والإيصالات غير متطابقة: عدد المخالفات الجسيمة {errors}."),
        ],
        [
            "Keep the log directory and the receipts as they are; each finding above says whom it convicts.",
            "احفظ مجلد السجل والإيصالات كما هي؛ ويبيّن كل بند أعلاه من يدينه.",
        ],
    ))
}

fn print(report: &Report, output: Output) {
    print_files(&report.files, output);
    let heading = [
        output.say("journal of", "دفتر"),
        output.say("role", "الدور"),
        output.say("exchanges", "التبادلات"),
        output.say("receipts proved", "إيصالات ثبتت"),
        output.say("from", "من"),
        output.say("to", "إلى"),
    ];
    output.table(
        heading,
        report.sides.iter().map(|side| {
            let time = |us: u64| time_of_ms(us / 1_000);
            let [from, to] = match side.span_us {
                Some((from, to)) => [time(from), time(to)],
                None => ["-".to_owned(), "-".to_owned()],
            };
            [
                side.system.to_string(),
                side.role.name().to_owned(),
                side.exchanges.to_string(),
                side.proven.to_string(),
                from,
                to,
            ]
        }),
    );
    output.line(format!(
        "{}: {}",
        output.say("entries that agree", "قيود متطابقة"),
        report.agreed
    ));
    if report.rows.is_empty() {
        return;
    }
    let heading = [
        output.say("finding", "البند"),
        output.say("exchange", "التبادل"),
        output.say("entry", "القيد"),
        output.say("log", "السجل"),
        output.say("consumer", "المستفيد"),
        output.say("provider", "المزوّد"),
        output.say("what it says", "ما يعنيه"),
    ];
    output.table(heading, report.rows.iter().map(|row| cells(row, output)));
    for row in &report.rows {
        output.line(format!(
            "{} {}: {}",
            row.severity.name(),
            row.rule,
            row.detail
        ));
    }
    if report.dropped > 0 {
        output.line(format!(
            "{} {}",
            report.dropped,
            output.say("more findings", "مخالفات أخرى")
        ));
    }
}

fn cells(row: &Row, output: Output) -> [String; 7] {
    let dash = || "-".to_owned();
    let [english, arabic] = convicts(row.rule);
    [
        row.rule.to_owned(),
        row.exchange.map_or_else(dash, |id| id.to_string()),
        row.index.map_or_else(dash, |index| index.to_string()),
        has(row.log, output),
        has(row.consumer, output),
        has(row.provider, output),
        output.say(english, arabic).to_owned(),
    ]
}

fn has(has: Has, output: Output) -> String {
    match has {
        Has::Yes => output.say("holds it", "لديه").to_owned(),
        Has::No => output.say("MISSING", "مفقود").to_owned(),
        Has::Otherwise(index) => format!("{} {index}", output.say("OTHERWISE, at", "مختلف، عند")),
        Has::Unknown => "-".to_owned(),
    }
}

/// Whom a finding convicts, and by what.
fn convicts(found: &str) -> [&'static str; 2] {
    match found {
        rule::NOT_IN_LOG => [
            "the operator: the log's own signature under the receipt's checkpoint covers an exchange that the log does not hold",
            "المشغّل: توقيع السجل نفسه على نقطة التحقق في الإيصال يشمل تبادلًا لا يوجد في السجل",
        ],
        rule::ALTERED => [
            "the operator: the log's own signature covers other bytes, or another place, than the log holds now",
            "المشغّل: توقيع السجل نفسه يشمل بيانات أو موضعًا غير ما في السجل الآن",
        ],
        rule::FORKED => [
            "the operator: its key signed two histories",
            "المشغّل: مفتاحه وقّع تاريخين مختلفين",
        ],
        rule::BEYOND => [
            "the operator, unless this copy of the log is older than the receipts: take a newer one and run it again",
            "المشغّل، ما لم تكن نسخة السجل أقدم من الإيصالات: خذ نسخة أحدث وأعد التشغيل",
        ],
        rule::UNKNOWN_TO_CONSUMER => [
            "the consumer: its key sealed a request that its journal does not hold; another adapter of the system, a lost journal, or a stolen key",
            "المستفيد: مفتاحه ختم طلبًا ليس في دفتره؛ محوّل آخر للنظام أو دفتر مفقود أو مفتاح مسروق",
        ],
        rule::UNKNOWN_TO_PROVIDER => [
            "the provider: its key sealed an answer that its journal does not hold; another adapter of the system, a lost journal, or a stolen key",
            "المزوّد: مفتاحه ختم إجابة ليست في دفتره؛ محوّل آخر للنظام أو دفتر مفقود أو مفتاح مسروق",
        ],
        rule::UNPROVEN => [
            "nobody: the receipt does not hold; ask the party for its journal again",
            "لا أحد: الإيصال لا يصح؛ اطلب الدفتر من الطرف مرة أخرى",
        ],
        rule::MALFORMED => [
            "nobody: a line is not one of an export",
            "لا أحد: سطر ليس من ملف تصدير",
        ],
        rule::UNRECEIPTED => [
            "nobody: the consumer asked and went away, or the answer did not reach it",
            "لا أحد: سأل المستفيد ثم انقطع، أو لم تصله الإجابة",
        ],
        rule::UNRECORDED => [
            "nobody by itself: sealed, and nobody gave a receipt; many of them say that requests do not reach the log",
            "لا أحد وحده: خُتم ولم يُعطَ إيصال؛ وكثرتها تعني أن الطلبات لا تصل إلى السجل",
        ],
        rule::GAP => [
            "nobody by itself: numbers that the adapter counted and neither side holds; ask the consumer for the rest of its journal",
            "لا أحد وحده: أرقام عدّها المحوّل ولا يملكها أي طرف؛ اطلب من المستفيد بقية دفتره",
        ],
        _ => [
            "the log's files cannot be read there: run `mohawel audit verify`",
            "ملفات السجل لا تُقرأ هنا: شغّل mohawel audit verify",
        ],
    }
}

fn report_json(report: &Report) -> Value {
    let has = |has: Has| match has {
        Has::Yes => json!("yes"),
        Has::No => json!("no"),
        Has::Otherwise(index) => json!({ "otherwise_at": index }),
        Has::Unknown => Value::Null,
    };
    json!({
        "files": files_json(&report.files),
        "sides": report.sides.iter().map(|side| json!({
            "system": side.system.to_string(),
            "role": side.role.name(),
            "exchanges": side.exchanges,
            "proven": side.proven,
            "from_us": side.span_us.map(|span| span.0),
            "to_us": side.span_us.map(|span| span.1),
        })).collect::<Vec<_>>(),
        "agreed": report.agreed,
        "findings": report.rows.iter().map(|row| json!({
            "rule": row.rule,
            "severity": row.severity.name(),
            "exchange_id": row.exchange.map(|id| id.to_string()),
            "index": row.index,
            "log": has(row.log),
            "consumer": has(row.consumer),
            "provider": has(row.provider),
            "detail": row.detail,
            "convicts": convicts(row.rule)[0],
        })).collect::<Vec<_>>(),
        "errors": report.errors,
        "warnings": report.rows.iter().filter(|row| row.severity == Severity::Warning).count(),
        "dropped": report.dropped,
        "clean": report.is_clean(),
    })
}
