//! The tables of the page: the same figures as the drawings, and more.

use proto::Code;
use proto::header::Outcome;

use super::tongue::{Tongue, number, percent, time};
use crate::html::{escape, id, named};
use crate::report::{Line, Section};
use crate::stats::{Tally, Times};

/// A section's lines, the others and those without a name.
pub(super) fn section(section: &Section, tongue: Tongue) -> String {
    let mut rows: String = section
        .lines
        .iter()
        .map(|line| row(&head(line, tongue), &line.tally))
        .collect();
    if let Some((keys, tally)) = &section.others {
        let others = tongue.say("all others", "كل ما سواها");
        rows += &row(&format!("{others}: {}", number(*keys)), tally);
    }
    let unnamed = &section.unnamed;
    if unnamed.asked() > 0 || unnamed.ended.iter().any(|ended| *ended > 0) {
        rows += &row(tongue.say("(names none)", "(بلا اسم)"), unnamed);
    }
    let mut out = table(section.by.name(), tongue, &heading(tongue), &rows);
    if section.lines.iter().any(|line| line.missed_max > 0) {
        out += &format!(
            "<p>{}</p>",
            tongue.say(
                "There were too many to keep all: (+≤n) says how many entries of a row may stand among the others.",
                "كانت أكثر من أن تُحفظ كلها: ‎(+≤n)‎ يبيّن كم من قيود الصف قد يكون ضمن ما سواها.",
            )
        );
    }
    out
}

/// Days or hours.
pub(super) fn clock(
    lines: &[(String, &Tally)],
    others: Option<&(u64, Tally)>,
    anchor: &str,
    tongue: Tongue,
) -> String {
    let lines = lines.iter();
    let mut rows: String = lines.map(|(key, tally)| row(&id(key), tally)).collect();
    if let Some((days, tally)) = others {
        let other = tongue.say("other days", "أيام أخرى");
        rows += &row(&format!("{other}: {}", number(*days)), tally);
    }
    table(anchor, tongue, &heading(tongue), &rows)
}

/// Each reason with what it means and what to do about it.
pub(super) fn reasons(total: &Tally, anchor: &str, tongue: Tongue) -> String {
    let rows = by_count(total).into_iter().map(|(reason, count)| {
        let code = Code::parse(reason);
        let sentence = code.map_or_else(
            || tongue.say("No code of this version.", "رمز غير معروف في هذا الإصدار."),
            |code| code.sentence(tongue.language()),
        );
        let remedy = code.map_or("", |code| code.remedy(tongue.language()));
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            id(reason),
            number(count),
            escape(sentence),
            escape(remedy)
        )
    });
    let names = [
        tongue.say("reason", "السبب"),
        tongue.say("refused", "المرفوض"),
        tongue.say("what it means", "معناه"),
        tongue.say("what the asker does about it", "ما يفعله الطالب"),
    ];
    table(anchor, tongue, &names, &rows.collect::<String>())
}

/// The most frequent first.
pub(super) fn by_count(tally: &Tally) -> Vec<(&'static str, u64)> {
    let mut reasons: Vec<_> = tally
        .refused_as
        .iter()
        .map(|(reason, count)| (*reason, *count))
        .collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    reasons
}

fn heading(tongue: Tongue) -> [&'static str; 9] {
    [
        "",
        tongue.say("asked", "المطلوب"),
        tongue.say("refused", "المرفوض"),
        tongue.say("answered", "المُجاب"),
        tongue.say("without answer", "دون إجابة"),
        "p50",
        "p95",
        "p99",
        tongue.say("refused because", "سبب الرفض"),
    ]
}

/// A row: its head is markup.
fn row(head: &str, tally: &Tally) -> String {
    let [p50, p95, p99] = times(&tally.whole);
    let reasons = by_count(tally)
        .into_iter()
        .map(|(reason, count)| format!("{} {}", id(reason), number(count)))
        .collect::<Vec<_>>();
    format!(
        "<tr><th scope=\"row\">{head}</th><td class=\"n\">{}</td><td class=\"n\">{} {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{p50}</td><td class=\"n\">{p95}</td><td class=\"n\">{p99}</td><td class=\"why\">{}</td></tr>\n",
        number(tally.asked()),
        number(tally.refused),
        percent(tally),
        number(tally.ended_as(Outcome::Answered)),
        number(tally.not_answered()),
        reasons.join("<br>"),
    )
}

fn times(times: &Times) -> [String; 3] {
    times.quantiles().map_or_else(Default::default, |found| {
        [found.p50_us, found.p95_us, found.p99_us].map(time)
    })
}

fn head(line: &Line, tongue: Tongue) -> String {
    let mut head = id(&line.key);
    if let Some(names) = &line.names {
        head = format!("{}<br>{head}", named(tongue.one_of(names)));
    }
    if line.missed_max > 0 {
        head += &format!(" <bdi dir=\"ltr\">(+≤{})</bdi>", line.missed_max);
    }
    head
}

/// In a frame that scrolls by itself where it is too wide, also with the keyboard; named by the heading above it.
fn table(anchor: &str, tongue: Tongue, names: &[&str], rows: &str) -> String {
    let names = names.iter();
    let names: String = names
        .map(|name| match name.is_empty() {
            true => "<td></td>".to_owned(),
            false => format!("<th scope=\"col\">{}</th>", escape(name)),
        })
        .collect();
    let named = format!("aria-labelledby=\"{}-{anchor}\"", tongue.code());
    format!(
        "<div class=\"wide\" role=\"region\" {named} tabindex=\"0\"><table {named}>\
         <thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}
