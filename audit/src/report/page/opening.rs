//! How the page begins: which period, what of it is counted, whether it is proved, and the figures that everybody asks for
//! first.

use proto::header::Outcome;

use super::heading;
use super::tongue::{Tongue, number, percent, size, time};
use crate::export::texts_of;
use crate::find::Standing;
use crate::html::{Html, escape, id, time_of_ms};
use crate::report::Report;

/// What it is about.
pub(super) fn beginning(report: &Report, tongue: Tongue, html: &mut Html) {
    html.raw(&format!(
        "<h1>{}</h1>",
        tongue.say(
            "What went through the data-exchange switch",
            "ما مرّ عبر محوِّل تبادل البيانات",
        )
    ));
    let bound = |ms: Option<u64>, open: &str| ms.map_or_else(|| escape(open), time_of_ms);
    html.raw(&format!(
        "<p class=\"period\">{} <strong>{}</strong> {} <strong>{}</strong></p>",
        tongue.say("From", "من"),
        bound(
            report.filter.from_ms,
            tongue.say("the beginning of the log", "بداية السجل")
        ),
        tongue.say("until before", "حتى ما قبل"),
        bound(
            report.filter.to_ms,
            tongue.say("the end of the log", "نهاية السجل")
        ),
    ));
    let only: Vec<String> = texts_of(&report.filter)
        .into_iter()
        .filter(|(name, _)| name != "since" && name != "until")
        .map(|(name, text)| id(&format!("{name} {text}")))
        .collect();
    if !only.is_empty() {
        html.raw(&format!(
            "<p class=\"bad\">{}: {}</p>",
            tongue.say(
                "Not everything of this period is counted, only",
                "لم يُحسب كل ما في هذه الفترة، بل فقط"
            ),
            only.join(" · ")
        ));
    }
    if let Some((first, last)) = report.recorded_us {
        html.raw(&format!(
            "<p>{}: {} – {}</p>",
            tongue.say("Recorded in it, first and last", "أول ما دُوِّن فيها وآخره"),
            time_of_ms(first / 1_000),
            time_of_ms(last / 1_000)
        ));
    }
    standing(report, tongue, html);
    if let Some(unreadable) = &report.scanned.unreadable {
        html.raw(&format!(
            "<p class=\"bad\">{}: {}</p>",
            tongue.say(
                "Entries that could not be read, and are in no figure",
                "قيود تعذّرت قراءتها وليست في أي رقم"
            ),
            number(unreadable.count)
        ));
    }
}

/// Whether it is proved, where nobody overlooks it.
fn standing(report: &Report, tongue: Tongue, html: &mut Html) {
    let (class, said) = match &report.scanned.standing {
        Standing::NotLooked => (
            "bad",
            tongue.say(
                "NOT PROVED: nothing was verified; these are the figures of whatever stands in the files.",
                "غير مُثبت: لم يُتحقق من شيء، وهذه أرقام ما في الملفات أيًّا كان.",
            ),
        ),
        Standing::Broken(_) => (
            "bad",
            tongue.say(
                "NOT PROVED: the log does not hold.",
                "غير مُثبت: السجل لا يصح.",
            ),
        ),
        Standing::InTheLog => (
            "good",
            tongue.say(
                "Proved: every entry counted is in the signed log, and none of the range is missing.",
                "مُثبت: كل قيد محسوب موجود في السجل الموقّع، ولم يُغفل أي قيد من المدى.",
            ),
        ),
        Standing::Replayed => (
            "good",
            tongue.say(
                "Proved, and replayed: every seal and every decision of the log holds.",
                "مُثبت ومُعاد فحصه: كل ختم وكل قرار في السجل صحيح.",
            ),
        ),
    };
    html.raw(&format!("<p class=\"{class}\">{}</p>", escape(said)));
}

/// The figures that everybody asks for first.
pub(super) fn glance(report: &Report, tongue: Tongue, html: &mut Html) {
    let total = &report.total;
    heading(
        "glance",
        tongue.say("At a glance", "نظرة عامة"),
        tongue,
        html,
    );
    if report.is_empty() {
        html.raw(&format!(
            "<p>{}</p>",
            tongue.say(
                "Nothing was asked in this period.",
                "لم يُطلب شيء في هذه الفترة."
            )
        ));
    }
    let mut figures = vec![
        (tongue.say("asked", "المطلوب"), number(total.asked())),
        (
            tongue.say("let through", "المسموح به"),
            number(total.requests),
        ),
        (
            tongue.say("refused", "المرفوض"),
            format!("{} {}", number(total.refused), percent(total)),
        ),
        (
            tongue.say("answered", "المُجاب"),
            number(total.ended_as(Outcome::Answered)),
        ),
        (
            tongue.say("ended without an answer", "انتهى دون إجابة"),
            number(total.not_answered()),
        ),
        (
            tongue.say("disputed", "المعترض عليه"),
            number(total.disputes),
        ),
        (
            tongue.say("payload asked with", "محتوى الطلبات"),
            size(total.bytes_asked),
        ),
        (
            tongue.say("payload answered with", "محتوى الإجابات"),
            size(total.bytes_answered),
        ),
    ];
    if let Some(whole) = total.whole.quantiles() {
        figures.extend([
            (
                tongue.say("half ended within", "نصفها انتهى خلال"),
                time(whole.p50_us),
            ),
            (
                tongue.say("95 of 100 within", "95 من كل 100 خلال"),
                time(whole.p95_us),
            ),
            (
                tongue.say("99 of 100 within", "99 من كل 100 خلال"),
                time(whole.p99_us),
            ),
        ]);
    }
    let cells = figures.into_iter();
    let cells = cells.map(|(name, figure)| format!("<div><dt>{name}</dt><dd>{figure}</dd></div>"));
    html.raw(&format!(
        "<dl class=\"glance\">{}</dl>",
        cells.collect::<String>()
    ));
}
