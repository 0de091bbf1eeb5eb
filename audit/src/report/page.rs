//! The page for those who decide: one HTML file with everything in it, once in Arabic and once in English, each whole for
//! itself. Opens on a phone, prints on A4, runs nothing and fetches nothing.
//!
//! Takes a [`Report`]; the same report gives the same bytes. Each drawing has a table with the same figures, and each figure
//! carries its exact number as `<data value>`. Whatever came from the log is escaped by [`crate::html::escape`].

use proto::refusal::Language;

use super::{By, Report, Section};
use crate::anomaly::Zone;
use crate::html::{Html, escape, id};
use tongue::{Tongue, number};

mod charts;
mod opening;
mod tables;
mod tongue;

/// Headings that the list at the top names, too: English and Arabic.
const REASONS: [&str; 2] = ["Refusals by reason", "الرفض حسب السبب"];
const DAYS: [&str; 2] = ["By day", "حسب اليوم"];
const HOURS: [&str; 2] = ["By hour of the day", "حسب ساعات اليوم"];
const RESTS: [&str; 2] = ["What this rests on", "على ماذا تستند هذه الأرقام"];

/// The page, beginning in `first`.
pub(super) fn render(report: &Report, first: Language) -> String {
    let second = match first {
        Language::English => Language::Arabic,
        Language::Arabic => Language::English,
    };
    let mut html = Html::default();
    let outer = Tongue::of(first);
    html.raw(&format!(
        "<!DOCTYPE html>\n<html lang=\"{}\" dir=\"{}\">\n{HEAD}",
        outer.code(),
        outer.direction()
    ));
    for (language, other) in [(first, second), (second, first)] {
        let (tongue, other) = (Tongue::of(language), Tongue::of(other));
        html.raw(&format!(
            "<article id=\"{code}\" lang=\"{code}\" dir=\"{}\">\n<p class=\"other\"><a href=\"#{}\" lang=\"{}\" dir=\"{}\">{}</a></p>",
            tongue.direction(),
            other.code(),
            other.code(),
            other.direction(),
            other.say("In English", "بالعربية"),
            code = tongue.code(),
        ));
        tell(report, tongue, &mut html);
        html.raw("</article>");
    }
    html.raw("</body></html>");
    html.into_text()
}

/// The whole report in one language.
fn tell(report: &Report, tongue: Tongue, html: &mut Html) {
    opening::beginning(report, tongue, html);
    contents(report, tongue, html);
    opening::glance(report, tongue, html);
    if !report.is_empty() {
        reasons(report, tongue, html);
        for section in &report.sections {
            one(section, tongue, html);
        }
        clock(report, tongue, html);
    }
    rests_on(report, tongue, html);
}

/// What stands where.
fn contents(report: &Report, tongue: Tongue, html: &mut Html) {
    let of = |anchor: &'static str, [en, ar]: [&'static str; 2]| (anchor, tongue.say(en, ar));
    let mut parts = Vec::new();
    if !report.is_empty() {
        parts.push(of("reasons", REASONS));
        let sections = report.sections.iter();
        parts.extend(sections.map(|section| (section.by.name(), tongue.section(section.by))));
        parts.extend([of("days", DAYS), of("hours", HOURS)]);
    }
    parts.push(of("rests", RESTS));
    let code = tongue.code();
    let links: Vec<String> = parts
        .into_iter()
        .map(|(anchor, title)| format!("<a href=\"#{code}-{anchor}\">{title}</a>"))
        .collect();
    html.raw(&format!("<nav>{}</nav>", links.join(" · ")));
}

fn reasons(report: &Report, tongue: Tongue, html: &mut Html) {
    let title = tongue.say(REASONS[0], REASONS[1]);
    heading("reasons", title, tongue, html);
    if report.total.refused_as.is_empty() {
        let none = tongue.say("Nothing was refused.", "لم يُرفض شيء.");
        return html.raw(&format!("<p>{none}</p>"));
    }
    html.raw(&format!(
        "<div class=\"beside\"><figure>{}</figure></div>",
        charts::reasons(&report.total, title, tongue)
    ));
    html.raw(&tables::reasons(&report.total, "reasons", tongue));
}

fn one(section: &Section, tongue: Tongue, html: &mut Html) {
    let title = tongue.section(section.by);
    heading(section.by.name(), title, tongue, html);
    if section.by == By::Official {
        html.raw(&format!(
            "<p>{}</p>",
            tongue.say(
                "Each official is shown under the pseudonym that the log has; only the agency knows who it is.",
                "كل موظف مذكور باسم مستعار كما في السجل؛ ولا يعرف صاحبه إلا جهته.",
            )
        ));
    }
    if section.lines.is_empty() {
        let none = tongue.say("None in this period.", "لا شيء في هذه الفترة.");
        return html.raw(&format!("<p>{none}</p>"));
    }
    html.raw(&format!(
        "<div class=\"beside\">{}</div>",
        charts::section(section, title, tongue)
    ));
    html.raw(&tables::section(section, tongue));
}

fn clock(report: &Report, tongue: Tongue, html: &mut Html) {
    let zone = match report.zone {
        Zone::Egypt => tongue.say("Egypt", "مصر").to_owned(),
        zone @ Zone::Fixed(_) => id(&format!("UTC{zone}")),
    };
    let days = tongue.say(DAYS[0], DAYS[1]);
    let hours = tongue.say(HOURS[0], HOURS[1]);
    for (anchor, title, lines, others) in [
        (
            "days",
            days,
            report.days.days().collect::<Vec<_>>(),
            report.days.others.as_ref(),
        ),
        ("hours", hours, report.days.hours().collect(), None),
    ] {
        heading(anchor, title, tongue, html);
        html.raw(&format!(
            "<p>{}: {}</p>",
            tongue.say("By the clock of", "بتوقيت"),
            zone
        ));
        html.raw(&format!(
            "<div class=\"beside\"><figure>{}<figcaption>{}</figcaption></figure></div>",
            charts::columns_of(&lines, title, tongue),
            charts::legend(tongue),
        ));
        html.raw(&tables::clock(&lines, others, anchor, tongue));
    }
}

/// What the figures rest on, and how they are meant.
fn rests_on(report: &Report, tongue: Tongue, html: &mut Html) {
    let scanned = &report.scanned;
    heading("rests", tongue.say(RESTS[0], RESTS[1]), tongue, html);
    let facts = [
        (tongue.say("log", "السجل"), id(&scanned.checkpoint.origin)),
        (
            tongue.say("entries under the checkpoint", "القيود تحت نقطة التحقق"),
            number(scanned.checkpoint.size),
        ),
        (
            tongue.say("its root", "جذرها"),
            id(&scanned.checkpoint.root.to_string()),
        ),
        (
            tongue.say("entries read", "القيود المقروءة"),
            number(scanned.scanned),
        ),
        (
            tongue.say("of them counted", "المحسوب منها"),
            number(scanned.matched),
        ),
        (
            tongue.say("the log's key", "مفتاح السجل"),
            match scanned.key_given {
                true => tongue.say("was given", "أُعطي من الخارج"),
                false => tongue.say("is the one beside the log", "هو الموجود بجانب السجل"),
            }
            .to_owned(),
        ),
        (
            tongue.say("made with", "صُنع بواسطة"),
            id(crate::export::TOOL),
        ),
    ];
    let rows = facts
        .into_iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"));
    html.raw(&format!(
        "<table class=\"facts\">{}</table>",
        rows.collect::<String>()
    ));
    let notes = [
        tongue.say(
            "Asked is what was let through and what was refused. A time runs from the entry of the question to the entry that ended the exchange, as the log has both; it is within one per cent.",
            "المطلوب هو ما سُمح به وما رُفض. والزمن يُحسب من قيد السؤال إلى القيد الذي أنهى التبادل كما في السجل، بدقة واحد في المئة.",
        ),
        tongue.say(
            "An exchange counts as asked when its question was recorded, and as ended when its ending was: at the edges of a period the two may differ.",
            "يُحسب التبادل مطلوبًا حين دُوِّن سؤاله، ومنتهيًا حين دُوِّنت نهايته؛ وقد يختلفان عند طرفي الفترة.",
        ),
        tongue.say(
            "No person whom an exchange was about is in this report, nor in anything that it counts by; so no group is too small to show.",
            "لا يرد في هذا التقرير أي شخص كان موضوع تبادل، ولا يُحسب به شيء؛ فلا مجموعة أصغر من أن تُعرض.",
        ),
    ];
    for note in notes {
        html.raw(&format!("<p>{note}</p>"));
    }
}

/// A heading that the list at the top leads to.
fn heading(anchor: &str, text: &str, tongue: Tongue, html: &mut Html) {
    let (code, text) = (tongue.code(), escape(text));
    html.raw(&format!("<h2 id=\"{code}-{anchor}\">{text}</h2>"));
}

const HEAD: &str = r#"<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Report · تقرير</title>
<style>
@page { size: A4; margin: 14mm }
body { font: 1rem/1.5 "Noto Sans", "Noto Naskh Arabic", "DejaVu Sans", Tahoma, sans-serif; color: #111; background: #fff; margin: 0 }
article { max-width: 64rem; margin: 0 auto; padding: .5rem 1rem 2rem }
article + article { border-top: 4px solid #333 }
h1 { font-size: 1.5rem; line-height: 1.25 } h2 { font-size: 1.15rem; border-top: 2px solid #333; padding-top: .6rem; margin-top: 2rem }
.other { text-align: end; margin: 0 } .period { font-size: 1.05rem }
.good, .bad { padding: .5rem .75rem; border-inline-start: 6px solid } .good { background: #e9f4ea; border-color: #2b6b33 } .bad { background: #fdeaea; border-color: #8a2f1b; font-weight: 600 }
.glance { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 }
.glance div { flex: 1 1 9rem; border: 1px solid #999; padding: .4rem .6rem } .glance dt { font-size: .85rem } .glance dd { margin: 0; font-size: 1.3rem; font-weight: 600 }
.beside { display: flex; flex-wrap: wrap; gap: 1.2rem }
figure { flex: 1 1 17rem; margin: 0; max-width: 30rem } figcaption { font-size: .85rem } svg { display: block; width: 100%; height: auto }
.key { display: inline-block; width: .8em; height: .8em; border: 1px solid #111 } .whole { background: #6893c1 } .part { background: #6b1a0e }
.wide { overflow-x: auto; margin-top: 1rem } table { border-collapse: collapse; width: 100%; font-size: .88rem }
th, td { border: 1px solid #bbb; padding: .3rem .45rem; text-align: start; vertical-align: top } thead th { background: #eee } tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 9rem }
td.n { text-align: end; white-space: nowrap; font-variant-numeric: tabular-nums } .facts th { width: 30% } .facts td { overflow-wrap: anywhere }
.id { font-family: "DejaVu Sans Mono", monospace; font-size: 85%; overflow-wrap: anywhere } .why { min-width: 10rem }
@media print { body { font-size: 9.5pt } figcaption { font-size: 7.5pt } .other, nav { display: none } article { padding: 0; max-width: none } article + article { border: 0; break-before: page } .wide { overflow: visible } table { font-size: 7.5pt } tbody th, .why { min-width: 0 } th, td { padding: .15rem .25rem } tr, figure, .glance div { break-inside: avoid } h2 { break-after: avoid } * { print-color-adjust: exact } }
</style>
</head>
<body>"#;
