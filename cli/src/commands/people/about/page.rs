//! A person's record as a page to print: one HTML file in Arabic and English that needs nothing else.
//!
//! Every text comes from the log or the command line and is escaped. The page says nothing of holds and of clerks.

use std::fmt::Write as _;

use audit::people::{Consultation, Period, PersonRecord};
use proto::refusal::Language;

use super::{given, law, outcome};
use crate::output::time_of_ms;

const STYLE: &str = "body{font:11pt/1.45 'Noto Naskh Arabic','Noto Sans',serif;margin:1.5cm;color:#111}\
h1{font-size:15pt;margin:.2em 0}.pair{display:flex;gap:2em;justify-content:space-between}.pair>*{flex:1}\
table{border-collapse:collapse;width:100%;margin:1em 0}th,td{border:1px solid #888;padding:.35em;vertical-align:top;text-align:start}\
tr{break-inside:avoid}thead{display:table-header-group}.ar{direction:rtl;text-align:right}small{color:#444}\
code{font-size:8pt;word-break:break-all}@page{size:A4 landscape;margin:1.2cm}@media print{body{margin:0}}";

/// The whole page.
pub(super) fn html(
    found: &PersonRecord,
    (scheme, id): (&str, &str),
    period: Period,
    asked_ms: u64,
) -> String {
    let count = found.consultations.len();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"ar\" dir=\"rtl\">\n<head><meta charset=\"utf-8\"><title>سجل اطلاع شخصي · Personal access record</title><style>{STYLE}</style></head>\n<body>\n"
    );
    pair(
        &mut page,
        "h1",
        "من اطّلع على بياناتي",
        "Who consulted my data",
    );
    let (from, to) = (moment(period.from_ms), moment(period.to_ms));
    let (scheme, id, asked) = (escaped(scheme), escaped(id), time_of_ms(asked_ms));
    pair(
        &mut page,
        "p",
        &format!(
            "الشخص: <bdi>{scheme} {id}</bdi><br>المدة: <bdi dir=\"ltr\">{from} – {to}</bdi><br>صدر في: <bdi dir=\"ltr\">{asked}</bdi><br>عدد التبادلات: {count}"
        ),
        &format!(
            "Person: <bdi>{scheme} {id}</bdi><br>Period: {from} – {to}<br>Issued at: {asked}<br>Exchanges: {count}"
        ),
    );
    page.push_str("<table><thead><tr>");
    for (ar, en) in [
        ("متى", "When (UTC)"),
        ("الجهة السائلة", "Agency that asked"),
        ("الجهة المسؤولة", "Agency that was asked"),
        ("الخدمة", "Service"),
        ("الغرض وسنده القانوني", "Purpose and its legal basis"),
        ("البيانات المقدَّمة", "Data given"),
        ("النتيجة", "Outcome"),
    ] {
        let _ = write!(page, "<th>{ar}<br><bdi dir=\"ltr\">{en}</bdi></th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for one in &found.consultations {
        row(&mut page, one);
    }
    page.push_str("</tbody></table>\n");
    pair(
        &mut page,
        "p",
        "لا يذكر هذا السجل الموظف الذي سأل؛ والجهة السائلة وحدها تعرفه وتُسأل عنه. ولا يُظهر ما يجيز القانون تأجيل الإعلام به. لكل قيد رقم في سجل المحوِّل يمكن إثباته.",
        "This record does not name the clerk who asked; only the agency that asked knows, and answers for it. What a law allows to be told later is not shown. Each line is an entry of the switch's log and can be proved.",
    );
    footer(&mut page, found);
    page.push_str("</body>\n</html>\n");
    page
}

fn row(page: &mut String, one: &Consultation) {
    let both = |ar: &str, en: &str| match (ar, en) {
        ("", "") => String::new(),
        (ar, "") => escaped(ar),
        ("", en) => ltr(en),
        (ar, en) => format!("{}<br>{}", escaped(ar), ltr(en)),
    };
    let named = |id: &str, ar: &str, en: &str| {
        let names = both(ar, en);
        let gap = if names.is_empty() { "" } else { "<br>" };
        format!("{names}{gap}<small>{}</small>", ltr(id))
    };
    let basis = match one.agreed_basis.as_str() {
        "" => String::new(),
        basis => format!(
            "<br><small>الاتفاقية · <bdi dir=\"ltr\">agreement</bdi>: <bdi>{}</bdi></small>",
            escaped(basis)
        ),
    };
    let cells = [
        format!(
            "{}<br><small>{}</small>",
            ltr(&time_of_ms(one.recorded_at_us / 1_000)),
            ltr(&format!("#{}", one.index))
        ),
        named(one.consumer.id.as_str(), &one.consumer.ar, &one.consumer.en),
        named(one.provider.id.as_str(), &one.provider.ar, &one.provider.en),
        both(&one.service.ar, &one.service.en)
            + "<br>"
            + &named(
                one.operation.id.as_str(),
                &one.operation.ar,
                &one.operation.en,
            ),
        both(&law(one, Language::Arabic), &law(one, Language::English)) + &basis,
        ltr(&given(one)),
        both(
            &outcome(one, Language::Arabic),
            &outcome(one, Language::English),
        ),
    ];
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{cell}</td>");
    }
    page.push_str("</tr>\n");
}

fn footer(page: &mut String, found: &PersonRecord) {
    let log = found.files.checkpoint.as_ref();
    let origin = log.map(|log| escaped(&log.origin)).unwrap_or_default();
    let size = log.map(|log| log.size).unwrap_or_default();
    let root = found
        .files
        .root
        .map(|root| root.to_string())
        .unwrap_or_default();
    let proven = found.files.is_proven() && found.faults.is_empty();
    let (ar, en) = match (proven, found.files.key_given) {
        (true, true) => ("جرى التحقق من السجل كله", "the whole log was verified"),
        (true, false) => (
            "جرى التحقق من السجل كله بالمفتاح المحفوظ بجانبه",
            "the whole log was verified under the key that lies beside it",
        ),
        (false, _) => ("السجل لم يُثبَت", "the log is NOT proved"),
    };
    let _ = writeln!(
        page,
        "<p><small>{ar} · <bdi dir=\"ltr\">{en}: {origin}, {size}</bdi><br><code><bdi dir=\"ltr\">{root}</bdi></code></small></p>"
    );
}

fn pair(page: &mut String, tag: &str, ar: &str, en: &str) {
    let _ = writeln!(
        page,
        "<div class=\"pair\"><{tag} class=\"ar\" lang=\"ar\">{ar}</{tag}><{tag} lang=\"en\" dir=\"ltr\">{en}</{tag}></div>"
    );
}

fn moment(ms: Option<u64>) -> String {
    ms.map_or_else(|| "…".to_owned(), time_of_ms)
}

fn ltr(text: &str) -> String {
    format!("<bdi dir=\"ltr\">{}</bdi>", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_elsewhere_is_text_and_never_markup() {
        assert_eq!(
            escaped("<script>alert('&\"')</script>"),
            "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"
        );
    }
}
