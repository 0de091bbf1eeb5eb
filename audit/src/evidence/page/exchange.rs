//! One exchange on the page: who asked whom for what, under which agreement, and how it ended.

use proto::Code;
use proto::commitment::Form;
use proto::header::{AnswerStatus, RequestHeader};
use proto::id::SystemId;
use proto::refusal::Language;

use super::{agreed, sealer};
use crate::evidence::contents::{Contents, Item};
use crate::evidence::disclosed::commitment;
use crate::evidence::told::{Ending, Exchange, Told};
use crate::html::{Html, escape, id, names, time_of_ms};

/// Bytes of a disclosed payload that are shown.
const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// Tells `exchange`.
pub(super) fn tell(contents: &Contents, told: &Told<'_>, exchange: &Exchange<'_>, html: &mut Html) {
    let Some(request) = &exchange.request else {
        unread(exchange, html);
        return;
    };
    let name = request.exchange_id.to_string();
    html.heading(2, &format!("Exchange {name}"), "تبادل بيانات");
    way(exchange, request, html);
    html.raw("<table class=\"facts\">");
    html.fact("Who asked", &party(told, &request.consumer), "من سأل");
    html.fact("Who was asked", &party(told, &request.provider), "من سُئل");
    asked(told, request, html);
    html.fact(
        "Request sealed at (the consumer's clock)",
        &time_of_ms(request.issued_at_ms),
        "وقت ختم الطلب (ساعة السائل)",
    );
    html.fact(
        "Recorded at (the switch's clock)",
        &format!(
            "{} · #{}",
            time_of_ms(exchange.item.entry.stamp.recorded_at_ms()),
            exchange.item.index
        ),
        "وقت التدوين (ساعة المحوِّل)",
    );
    agreed::tell(told, exchange, request, html);
    decided(exchange, html);
    if let Some(ending) = &exchange.ending {
        ended(ending, html);
    }
    for item in &exchange.later {
        let [en, ar] = super::kind_words(item.entry.kind);
        html.fact(
            en,
            &format!(
                "#{} · {}",
                item.index,
                time_of_ms(item.entry.stamp.recorded_at_ms())
            ),
            ar,
        );
    }
    html.raw("</table>");
    payload(
        contents,
        exchange.item,
        ["What was asked", "ما سُئل عنه"],
        html,
    );
    if let Some(ending) = &exchange.ending {
        let answered = exchange
            .opening
            .as_ref()
            .map_or(ending.item, |(item, _)| item);
        payload(
            contents,
            answered,
            ["What was answered", "ما أُجيب به"],
            html,
        );
    }
}

/// A refusal of something that the switch could not believe.
fn unread(exchange: &Exchange<'_>, html: &mut Html) {
    let index = exchange.item.index;
    html.heading(2, &format!("Refusal at entry {index}"), "رفض دون قراءة");
    html.pair(
        "The switch refused this before it could believe who had sealed it. The entry holds the digest of what came, and nobody's seal.",
        "رفض المحوِّل هذه الرسالة قبل التثبت ممن ختمها. القيد يحمل بصمة ما وصل ولا يحمل ختم أحد.",
    );
    html.raw("<table class=\"facts\">");
    html.fact(
        "Recorded at",
        &time_of_ms(exchange.item.entry.stamp.recorded_at_ms()),
        "وقت التدوين",
    );
    html.fact(
        "SHA-256 of what came",
        &id(&hex::encode(&exchange.facts.refused_sha256)),
        "بصمة ما وصل",
    );
    decided(exchange, html);
    html.raw("</table>");
}

/// The way of the exchange as a row of boxes.
fn way(exchange: &Exchange<'_>, request: &RequestHeader, html: &mut Html) {
    let step = |class: &str, en: &str, ar: &str, what: &str, at: &str| {
        format!(
            "<div{class}>{en}<br><bdi lang=\"ar\" dir=\"rtl\">{ar}</bdi><br>{what}<br>{at}</div>"
        )
    };
    let log = " class=\"log\"";
    let recorded = |item: &Item| time_of_ms(item.entry.stamp.recorded_at_ms());
    let mut steps = vec![
        step(
            "",
            "the consumer sealed the request",
            "ختم السائل الطلب",
            &sealer(exchange.item),
            &time_of_ms(request.issued_at_ms),
        ),
        step(
            log,
            "the log recorded it",
            "دوّنه السجل",
            &format!("#{}", exchange.item.index),
            &recorded(exchange.item),
        ),
    ];
    match &exchange.ending {
        None => steps.push(step(
            " class=\"no\"",
            "no ending is in this bundle",
            "لا نهاية في هذه الحزمة",
            &escape(&exchange.facts.code),
            "",
        )),
        Some(ending) => {
            if let Some(answer) = &ending.answer {
                steps.push(step(
                    "",
                    "the provider sealed the answer",
                    "ختم المجيب الإجابة",
                    &sealer(ending.item),
                    &time_of_ms(answer.answered_at_ms),
                ));
            }
            steps.push(step(
                log,
                "the log recorded the ending",
                "دوّن السجل النهاية",
                &format!("#{}", ending.item.index),
                &recorded(ending.item),
            ));
        }
    }
    html.raw(&format!(
        "<div class=\"way\">{}</div>",
        steps.join("<b>→</b>")
    ));
}

fn party(told: &Told<'_>, system: &SystemId) -> String {
    let known = told.agencies.get(&system.agency());
    let shown = known.map_or_else(String::new, |[ar, en]| format!("{}<br>", names(ar, en)));
    format!("{shown}{}", id(system.as_str()))
}

fn asked(told: &Told<'_>, request: &RequestHeader, html: &mut Html) {
    let service = told.services.get(&request.contract);
    let shown = service.map_or_else(String::new, |service| {
        let operation = service.operation(&request.operation);
        let operation = operation.map_or_else(String::new, |known| {
            format!(" – {}", names(&known.name_ar, &known.name_en))
        });
        format!(
            "{}{operation}<br>",
            names(&service.name_ar, &service.name_en)
        )
    });
    let place = id(&format!("{} / {}", request.service, request.operation));
    html.fact(
        "Service and operation",
        &format!("{shown}{place}"),
        "الخدمة والعملية",
    );
    let purpose = told.purposes.get(&request.purpose);
    let shown = purpose.map_or_else(String::new, |known| {
        format!(
            "{}<br>{}<br>",
            names(&known.name_ar, &known.name_en),
            names(&known.legal_basis_ar, &known.legal_basis_en)
        )
    });
    html.fact(
        "Purpose stated",
        &format!("{shown}{}", id(request.purpose.as_str())),
        "الغرض المذكور",
    );
    html.fact(
        "Fields asked for",
        &list(&request.fields),
        "الحقول المطلوبة",
    );
    for subject in &request.subjects {
        html.fact(
            "About (pseudonym)",
            &format!(
                "{} {}",
                id(subject.scheme.as_str()),
                id(&subject.pseudonym.to_string())
            ),
            "بشأن (اسم مستعار)",
        );
    }
}

pub(super) fn list(parts: &[proto::id::Part]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| id(part.as_str())).collect();
    if parts.is_empty() {
        "–".to_owned()
    } else {
        parts.join(" ")
    }
}

fn decided(exchange: &Exchange<'_>, html: &mut Html) {
    let facts = &exchange.facts;
    if facts.code.is_empty() {
        html.fact(
            "Decision of the switch",
            "permitted · <bdi lang=\"ar\" dir=\"rtl\">أُذن به</bdi>",
            "قرار المحوِّل",
        );
        return;
    }
    let mut shown = format!("<b>{}</b> {}", id(&facts.code), escape(&facts.clause));
    if let Some(code) = Code::parse(&facts.code) {
        shown.push_str(&sentence(code));
    }
    html.fact(
        "Decision of the switch: refused",
        &shown,
        "قرار المحوِّل: الرفض",
    );
}

fn sentence(code: Code) -> String {
    format!(
        "<p>{}</p><p lang=\"ar\" dir=\"rtl\">{}</p>",
        escape(code.sentence(Language::English)),
        escape(code.sentence(Language::Arabic))
    )
}

fn ended(ending: &Ending<'_>, html: &mut Html) {
    let recorded = time_of_ms(ending.item.entry.stamp.recorded_at_ms());
    html.fact(
        "Outcome as recorded",
        &format!(
            "<b>{}</b> · #{} · {recorded}",
            id(&ending.facts.code),
            ending.item.index
        ),
        "النتيجة المدوّنة",
    );
    let Some(answer) = &ending.answer else {
        html.fact("Answer", "no sealed answer was recorded · <bdi lang=\"ar\" dir=\"rtl\">لم تُدوَّن إجابة مختومة</bdi>", "الإجابة");
        return;
    };
    html.fact(
        "The provider's sealed status",
        &id(answer.status.name()),
        "حالة الإجابة بختم المجيب",
    );
    if let AnswerStatus::Refused(code) = answer.status {
        html.fact("It refused", &sentence(code), "رفض المجيب");
    }
    html.fact(
        "Answer sealed at (the provider's clock)",
        &time_of_ms(answer.answered_at_ms),
        "وقت ختم الإجابة (ساعة المجيب)",
    );
    html.fact(
        "Fields answered",
        &list(&answer.fields),
        "الحقول المُجاب بها",
    );
    if answer.payload.form != Form::Chunks {
        return;
    }
    let (chunks, root) = match &ending.trailer {
        Some(trailer) => (
            format!("{} · {} bytes", trailer.count, trailer.length),
            id(&trailer.root.to_string()),
        ),
        None => (
            "it was cut off before its end: nothing of it may be used · <bdi lang=\"ar\" dir=\"rtl\">انقطعت قبل نهايتها ولا يُعتدّ بشيء منها</bdi>".to_owned(),
            "none · <bdi lang=\"ar\" dir=\"rtl\">لا يوجد</bdi>".to_owned(),
        ),
    };
    html.fact("Answered in chunks", &chunks, "أُجيب على أجزاء");
    html.fact("Sealed root over the chunks", &root, "الجذر المختوم للأجزاء");
}

/// The disclosed payload as text; where there is none, what the log knows of it.
fn payload(contents: &Contents, item: &Item, title: [&str; 2], html: &mut Html) {
    let Some(sealed) = commitment(&item.entry) else {
        return;
    };
    html.heading(3, title[0], title[1]);
    html.raw("<table class=\"facts\">");
    html.fact(
        "Media type, bytes",
        &format!("{} · {}", id(&sealed.content_type), sealed.length),
        "نوع المحتوى وطوله",
    );
    html.fact(
        "Sealed commitment (HMAC-SHA-256)",
        &id(&sealed.hmac.to_string()),
        "الالتزام المختوم",
    );
    html.raw("</table>");
    let Some(opening) = contents.disclosed.get(&item.index) else {
        html.pair(
            "No party disclosed the payload. The log holds only the commitment above, which says nothing without payload and salt.",
            "لم يفصح أي طرف عن المحتوى. لا يحمل السجل إلا الالتزام أعلاه، وهو لا يقول شيئًا دون المحتوى وملحه.",
        );
        return;
    };
    html.pair(
        "A party disclosed this payload and its salt; together they make the sealed commitment, and nothing else does.",
        "أفصح أحد الطرفين عن هذا المحتوى وملحه؛ وهما معًا يصنعان الالتزام المختوم، ولا يصنعه غيرهما.",
    );
    let kind = sealed
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let readable =
        kind.starts_with("text/") || kind == "application/json" || kind.ends_with("+json");
    match std::str::from_utf8(&opening.payload) {
        Ok(text) if readable && text.len() <= SHOWN_BYTES_MAX => {
            html.raw(&format!("<pre>{}</pre>", escape(text)))
        }
        _ => html.pair(
            "It is not text, or too long for a page: see the file under disclosed/.",
            "ليس نصًا، أو أطول مما تتسع له صفحة: انظر الملف في المجلد disclosed/.",
        ),
    }
}
