//! The page for a court: what happened, which file proves what, what none of them proves, and how to check it.
//!
//! Takes the contents of a bundle; gives one HTML file, Arabic beside English, with no script and nothing fetched, that
//! prints on A4. The same contents give the same bytes. It judges nothing: it repeats what sealed entries say, and
//! says who sealed them.

use proto::entry::Kind;

use super::contents::{Contents, Item};
use super::told::Told;
use crate::html::{Html, escape, id, time_of_ms};

mod agreed;
mod exchange;
mod explain;

/// Exchanges told in full; of the others the page lists the entries.
const TOLD_MAX: usize = 50;

/// The page.
pub(super) fn render(contents: &Contents) -> String {
    let told = Told::of(contents);
    let mut html = Html::default();
    html.raw(HEAD);
    html.heading(
        1,
        "Evidence from the log of a data-exchange switch",
        "دليل من سجل محوِّل تبادل البيانات",
    );
    html.pair(
        "This page repeats what sealed records say, and names the file behind each statement. The page itself proves nothing: run check.sh, or the commands below.",
        "تكرر هذه الصفحة ما تقوله قيود مختومة، وتذكر الملف الذي يسند كل قول. الصفحة نفسها لا تثبت شيئًا: شغّل check.sh أو الأوامر أدناه.",
    );
    log_table(contents, &mut html);
    for exchange in told.exchanges.iter().take(TOLD_MAX) {
        exchange::tell(contents, &told, exchange, &mut html);
    }
    if told.exchanges.len() > TOLD_MAX {
        let (all, told) = (told.exchanges.len(), TOLD_MAX);
        html.pair(
            &format!("{all} exchanges are in this bundle; the first {told} are told above, all are in the table below."),
            &format!("في هذه الحزمة {all} تبادلًا؛ شُرح أعلاه أول {told} منها، وكلها في الجدول أدناه."),
        );
    }
    entries_table(contents, &mut html);
    explain::files(contents, &mut html);
    explain::commands(contents, &told, &mut html);
    explain::liars(&mut html);
    explain::not_proved(contents, &mut html);
    html.raw("</main></body></html>");
    html.into_text()
}

fn log_table(contents: &Contents, html: &mut Html) {
    let says = &contents.checkpoint.says;
    html.heading(2, "The log", "السجل");
    html.raw("<table class=\"facts\">");
    html.fact("Name of the log", &id(contents.key.origin()), "اسم السجل");
    html.fact("Its key (vkey)", &id(&contents.key.to_vkey()), "مفتاحه");
    html.fact(
        "Entries under the checkpoint",
        &id(&says.size.to_string()),
        "عدد القيود تحت نقطة التحقق",
    );
    html.fact(
        "Root of the checkpoint (SHA-256)",
        &id(&says.root.to_string()),
        "جذر نقطة التحقق",
    );
    html.fact(
        "Witnesses asked for",
        if contents.policy.is_some() {
            "<code>log/witness.policy</code>"
        } else {
            "no policy is in this bundle · <bdi lang=\"ar\" dir=\"rtl\">لا سياسة شهود في الحزمة</bdi>"
        },
        "الشهود المطلوبون",
    );
    html.fact(
        "Time-stamp (RFC 3161)",
        &contents.stamped.as_ref().map_or_else(
            || "none · <bdi lang=\"ar\" dir=\"rtl\">لا يوجد</bdi>".to_owned(),
            |stamped| {
                let size = stamped.checkpoint.says.size;
                format!("<code>time/token.tsr</code> ({size} entries · <bdi lang=\"ar\" dir=\"rtl\">{size} قيدًا</bdi>)")
            },
        ),
        "الختم الزمني",
    );
    html.raw("</table>");
}

fn entries_table(contents: &Contents, html: &mut Html) {
    html.heading(2, "Every entry in this bundle", "كل القيود في هذه الحزمة");
    html.raw("<table class=\"list\"><tr><th>#</th><th>entry · <bdi lang=\"ar\">القيد</bdi></th><th>recorded · <bdi lang=\"ar\">وقت التدوين</bdi></th><th>sealed by key · <bdi lang=\"ar\">مفتاح الختم</bdi></th><th>leaf hash · <bdi lang=\"ar\">بصمة القيد</bdi></th></tr>");
    for item in &contents.items {
        let [en, ar] = kind_words(item.entry.kind);
        html.cells(&[
            &id(&item.index.to_string()),
            &format!(
                "{} <p lang=\"ar\" dir=\"rtl\">{}</p>",
                escape(en),
                escape(ar)
            ),
            &time_of_ms(item.entry.stamp.recorded_at_ms()),
            &sealer(item),
            &id(&item.leaf.to_string()),
        ]);
    }
    html.raw("</table>");
}

/// The key under an entry's seal, as far as it can be read.
fn sealer(item: &Item) -> String {
    let open = item.entry.seal.as_ref().and_then(|seal| seal.open().ok());
    open.map_or_else(
        || "–".to_owned(),
        |open| id(&format!("{}…", open.kid().short())),
    )
}

/// What a kind of entry is, for people.
pub(super) fn kind_words(kind: Kind) -> [&'static str; 2] {
    match kind {
        Kind::Genesis => ["the log's first entry", "القيد الأول في السجل"],
        Kind::Epoch => ["a start of the switch", "بدء تشغيل المحوِّل"],
        Kind::Invitation => ["invitation of an agency", "دعوة جهة"],
        Kind::Agency => [
            "enrolment of an agency and its authority key",
            "تسجيل جهة ومفتاح سلطتها",
        ],
        Kind::KeyBound => ["a seal key bound to a system", "ربط مفتاح ختم بنظام"],
        Kind::KeyEnded => ["a seal key ended", "إنهاء مفتاح ختم"],
        Kind::Certificate => ["a TLS certificate issued", "إصدار شهادة اتصال"],
        Kind::Service => ["a service published", "نشر خدمة"],
        Kind::AgreementAct => ["an act on an agreement", "إجراء على اتفاق"],
        Kind::Application => ["an agency's application", "طلب انضمام جهة"],
        Kind::OperatorAct => ["an operator's act", "إجراء من مشغّل"],
        Kind::Approval => [
            "the second seal on an operator's act",
            "الختم الثاني على إجراء مشغّل",
        ],
        Kind::KeySucceeded => ["a seal key followed by another", "مفتاح ختم خَلَف آخر"],
        Kind::EncryptionKeyBound => [
            "the key that payloads for a system are sealed to",
            "المفتاح الذي يُعمَّى له محتوى نظام",
        ],
        Kind::LogKeySucceeded => ["the log's key followed by another", "مفتاح السجل خَلَفه آخر"],
        Kind::BorderAct => ["an act at the border", "إجراء على الحدود"],
        Kind::AgencyAct => ["an agency's act on itself", "إجراء جهة على نفسها"],
        Kind::Request => ["request", "طلب"],
        Kind::Closing => ["ending of the exchange", "نهاية التبادل"],
        Kind::Upload => ["a request in chunks", "طلب على أجزاء"],
        Kind::UploadTrailer => ["a request in chunks is complete", "اكتمال طلب على أجزاء"],
        Kind::Refusal => ["refusal", "رفض"],
        Kind::Opening => ["an answer in chunks begins", "بدء إجابة على أجزاء"],
        Kind::Trailer => ["an answer in chunks is complete", "اكتمال إجابة على أجزاء"],
        Kind::Late => ["a late answer", "إجابة متأخرة"],
        Kind::Dispute => ["an objection to the answer", "اعتراض على الإجابة"],
        Kind::Event => ["an event", "حدث"],
        Kind::Subscription => ["a subscription to events", "اشتراك في أحداث"],
        Kind::SubscriptionEnd => ["a subscription ended", "انتهاء اشتراك"],
        Kind::EventOutcome => ["what became of an event", "مآل حدث"],
        Kind::Access => ["somebody read entries", "اطلاع على قيود"],
        Kind::Hold => [
            "a delay of what a person is shown",
            "إرجاء ما يُعرض على صاحب الشأن",
        ],
        Kind::Erasure => ["a statement that something was erased", "إقرار بمحو"],
        Kind::Witnesses => ["the witnesses changed", "تغيير الشهود"],
        Kind::Review => [
            "a review of exchanges in which the glass was broken",
            "مراجعة تبادلات كُسر فيها الزجاج",
        ],
    }
}

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Evidence · دليل</title>
<style>
@page { size: A4; margin: 14mm }
body { font: 11pt/1.45 "Noto Sans", "Noto Naskh Arabic", "DejaVu Sans", Tahoma, sans-serif; color: #111; margin: 0 }
main { max-width: 190mm; margin: 6mm auto; padding: 0 4mm }
h1 { font-size: 16pt } h2 { font-size: 13pt; border-top: 2px solid #333; padding-top: 3mm; margin-top: 8mm }
.two { display: grid; grid-template-columns: 1fr 1fr; column-gap: 6mm } .two p { margin: 1mm 0 }
table { border-collapse: collapse; width: 100%; margin: 3mm 0 }
th, td { border: 1px solid #999; padding: 1mm 2mm; vertical-align: top; text-align: start; overflow-wrap: anywhere }
th { background: #eee; font-weight: 600 } .facts th { width: 22% } td p { margin: 1mm 0 0 }
.list { font-size: 8.5pt } .id, code, pre { font-family: "DejaVu Sans Mono", monospace; font-size: 85% }
pre { direction: ltr; text-align: left; unicode-bidi: plaintext; white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #999; background: #f6f6f6; padding: 2mm }
.way { display: flex; gap: 2mm; align-items: stretch; margin: 3mm 0 } .way div { flex: 1; border: 1.5px solid #333; padding: 1.5mm; font-size: 8.5pt }
.way b { align-self: center; font-size: 14pt } .way .log { background: #e8eef7 } .no { background: #fdeaea }
tr, .way, pre { break-inside: avoid }
</style>
</head>
<body><main>"#;
