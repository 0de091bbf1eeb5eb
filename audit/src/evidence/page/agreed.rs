//! The agreement behind an exchange on the page: between whom, who sealed it when, and the grant that decided.

use proto::Digest;
use proto::act::{ConsumerScope, Grant};
use proto::header::RequestHeader;

use super::exchange::list;
use crate::evidence::told::{Exchange, Told};
use crate::html::{Html, id, named, time_of_ms};

/// The agreement that decided, with the seals under it.
pub(super) fn tell(
    told: &Told<'_>,
    exchange: &Exchange<'_>,
    request: &RequestHeader,
    html: &mut Html,
) {
    let Some(agreement) = Digest::from_slice(&exchange.facts.agreement).or(request.agreement)
    else {
        html.fact(
            "Agreement",
            "none was named · <bdi lang=\"ar\" dir=\"rtl\">لم يُذكر اتفاق</bdi>",
            "الاتفاق",
        );
        return;
    };
    html.fact(
        "Agreement (SHA-256 of its content)",
        &id(&agreement.to_string()),
        "الاتفاق (بصمة محتواه)",
    );
    let Some(content) = told.agreements.get(&agreement) else {
        html.fact(
            "Its text",
            "is not in this bundle · <bdi lang=\"ar\" dir=\"rtl\">ليس في هذه الحزمة</bdi>",
            "نصه",
        );
        return;
    };
    html.fact(
        "Between",
        &format!(
            "{} → {}",
            id(&content.consumer.to_string()),
            id(content.provider.as_str())
        ),
        "بين",
    );
    html.fact(
        "Valid",
        &format!(
            "{} – {}",
            time_of_ms(content.not_before_ms),
            time_of_ms(content.not_after_ms)
        ),
        "سريانه",
    );
    for on in told.acts.get(&agreement).into_iter().flatten() {
        let who = format!(
            "{} <code>{}</code> · #{} · {}",
            id(on.act.agency.as_str()),
            on.act.step.name(),
            on.index,
            time_of_ms(on.recorded_at_ms)
        );
        html.fact("Sealed by the authority of", &who, "ختمته سلطة");
    }
    if !matches!(content.consumer, ConsumerScope::Agency(_)) {
        html.fact("Form", "a public grant: the provider sealed it alone · <bdi lang=\"ar\" dir=\"rtl\">منحة عامة ختمها المجيب وحده</bdi>", "صورته");
    }
    let number = exchange.facts.grant;
    let grant = (number as usize)
        .checked_sub(1)
        .and_then(|at| content.grants.get(at));
    if let Some(grant) = grant {
        granted(number, grant, html);
    }
}

fn granted(number: u32, grant: &Grant, html: &mut Html) {
    let basis = format!("{number}: {}", named(&grant.legal_basis));
    html.fact(
        "Grant that decided, and its legal basis",
        &basis,
        "المنحة التي حسمت وسندها القانوني",
    );
    html.fact(
        "Operations it permits",
        &list(&grant.operations),
        "العمليات التي تأذن بها",
    );
    html.fact(
        "Purposes it permits",
        &list(&grant.purposes),
        "الأغراض التي تأذن بها",
    );
    html.fact(
        "Fields it permits",
        &list(&grant.fields),
        "الحقول التي تأذن بها",
    );
}
