//! What the switch says no with, as a person reads it: a gRPC status becomes a [`Failure`] in both languages.

use proto::refusal::{Code, Language};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::switch_dir::in_file;
use crate::failure::{Exit, Failure};

/// The domain of the switch's refusals in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mohawel";

/// The switch's refusal, or that it could not be reached.
pub fn failure(status: &Status) -> Failure {
    let info = status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN);
    let Some(info) = info else {
        return unreachable(status);
    };
    // The switch's own sentence is the most exact one; it comes with its remedy in English.
    let english = format!("{} ({})", status.message(), info.reason);
    let (what_ar, next_ar) = match Code::parse(&info.reason) {
        Some(code) => (
            code.sentence(Language::Arabic),
            code.remedy(Language::Arabic),
        ),
        None => arabic(&info.reason),
    };
    let exit = match info.reason.as_str() {
        "log_unavailable" | "overloaded" | "draining" | "authority_unavailable" => {
            Exit::Unavailable
        }
        _ => Exit::Refused,
    };
    Failure::new(
        exit,
        [english, format!("{what_ar} ({})", info.reason)],
        ["", next_ar],
    )
}

fn unreachable(status: &Status) -> Failure {
    let said = cause(status);
    Failure::new(
        Exit::Unavailable,
        [
            format!("The switch could not be reached: {said}"),
            format!("تعذّر الوصول إلى المحوِّل: {said}"),
        ],
        [
            "See that the switch runs and that address and certificate are right; `mohawel doctor` names the failing hop.",
            "تأكد من عمل المحوِّل ومن صحة العنوان والشهادة؛ ويبيّن الأمر mohawel doctor موضع العطل.",
        ],
    )
}

/// The innermost cause: the outer ones only say that a transport failed.
fn cause(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    let mut said = status.message().to_owned();
    while let Some(source) = error.source() {
        said = source.to_string();
        error = source;
    }
    said
}

/// Sentence and remedy of the registry's own refusals, which are not codes of an exchange.
fn arabic(reason: &str) -> (&'static str, &'static str) {
    const KEY: &str = "اختم القيد بمفتاح سلطة الجهة لهذا المحوِّل.";
    const INVITE: &str = "اطلب من المشغّل دعوة جديدة.";
    match reason {
        "not_operator" => (
            "القيد غير مختوم من أحد مشغّلي المحوِّل.",
            "اختم بمفتاح مشغّل مذكور في قيد التأسيس.",
        ),
        "other_instance" => (
            "الاسم يخص نطاقًا آخر غير نطاق هذا المحوِّل.",
            "استخدم الجزء الأول المعتمد في هذا المحوِّل.",
        ),
        "name_taken" => (
            "الاسم مستخدم بالفعل.",
            "اختر اسمًا لا يستخدمه أحد، بصرف النظر عن حالة الأحرف.",
        ),
        "token_used" => ("سبق استخدام هذه الدعوة.", INVITE),
        "not_invited" => (
            "لا توجد دعوة لهذه الجهة بهذا الرمز.",
            "راجع الرمز واسم الجهة أو اسأل المشغّل.",
        ),
        "invitation_expired" => ("انتهت صلاحية الدعوة.", INVITE),
        "other_switch" => ("هذا القيد معدّ لمحوِّل آخر.", "أعد إعداده لهذا المحوِّل."),
        "key_reused" => (
            "هذا المفتاح مربوط بالفعل.",
            "أنشئ مفتاحًا جديدًا؛ فلا يُربط المفتاح إلا مرة واحدة.",
        ),
        "no_possession" => (
            "لم يُثبت المفتاح الجديد حيازته.",
            "اجعل المفتاح الجديد نفسه يوقّع إثبات الحيازة.",
        ),
        "unknown_key" => (
            "لا يوجد لهذا النظام مفتاح قائم بهذا المعرّف.",
            "اذكر مفتاحًا مربوطًا لم تنته صلاحيته.",
        ),
        "unknown_agency" => ("الجهة غير مسجّلة.", "سجّل الجهة أولًا أو راجع اسمها."),
        "unknown_system" => ("النظام غير مسجّل.", "اربط مفتاحًا بالنظام أولًا أو راجع اسمه."),
        "unknown_agreement" => (
            "لا توجد اتفاقية بهذا المعرّف.",
            "اقترح الاتفاقية أولًا أو راجع معرّفها.",
        ),
        "not_party" => (
            "هذه الجهة ليست طرفًا يحق له ذلك.",
            "لا يفعل ذلك إلا الجهتان المذكورتان في الاتفاقية.",
        ),
        "out_of_order" => (
            "هذا الإجراء لا يتبع وضع الاتفاقية الحالي.",
            "راجع وضع الاتفاقية بالأمر mohawel agreement show ثم أعد الإجراء.",
        ),
        "older_service" => (
            "نُشرت هذه الخدمة بوقت مساوٍ أو أحدث.",
            "انشر من جديد بوقت أحدث.",
        ),
        "unsealed" => ("القيد بلا ختم.", KEY),
        "draining" => ("المحوِّل قيد الإيقاف.", "أعد الاتصال بعد قليل."),
        "authority_unavailable" => (
            "تعذّر على سلطة الشهادات الإصدار الآن.",
            "أبلغ المشغّل ثم أعد الطلب نفسه.",
        ),
        reason => at_the_border(reason),
    }
}

/// The same for acts across the border, and for words that are not known here.
fn at_the_border(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "instance_withdrawn" => (
            "سُحب قبول بلد هذه الجهة؛ لها أن تلغي وتنهي ولا شيء غير ذلك.",
            "يبيّن الأمر mohawel instance list متى ولماذا؛ واسأل المشغّلين.",
        ),
        "not_admitted" => (
            "هذا البلد غير مقبول في هذا المحوِّل.",
            "يبيّن الأمر mohawel instance list المقبول منها؛ والقبول من مشغّل.",
        ),
        "no_border" => (
            "المزوّد من هذا البلد نفسه: لا حدود تُفتح.",
            "لا حاجة إلى شيء: تسري الاتفاقيات داخل البلد الواحد كما هي.",
        ),
        "unknown_opening" => (
            "لا شيء مفتوح للخارج بهذا المعرّف، أو أُنهي.",
            "يبيّن الأمر mohawel agreement show ما هو مفتوح.",
        ),
        _ => (
            "رفض المحوِّل هذا القيد.",
            "راجع النص الإنجليزي بالخيار ‎--lang en‎ أو اسأل المشغّل.",
        ),
    }
}

/// A file that a command was given holds things that cannot be; all of them at once.
pub fn problems(path: &std::path::Path, problems: &[String]) -> Failure {
    in_file(
        path,
        format!("{} problem(s)\n  {}", problems.len(), problems.join("\n  ")),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn refusal(reason: &str) -> Status {
        let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
        Status::with_error_details(
            tonic::Code::PermissionDenied,
            "It may not. Do this.",
            details,
        )
    }

    #[test]
    fn a_refusal_ends_with_3_and_speaks_both_languages() {
        let failure = failure(&refusal("no_agreement"));
        assert_eq!(failure.exit, Exit::Refused);
        assert!(failure.text(Language::English).contains("no_agreement"));
        assert!(failure.text(Language::Arabic).contains("اتفاقية"));
    }

    #[test]
    fn every_reason_of_the_registry_has_an_arabic_sentence() {
        for reason in [
            "not_operator",
            "name_taken",
            "token_used",
            "not_invited",
            "key_reused",
            "not_party",
            "out_of_order",
            "instance_withdrawn",
            "not_admitted",
            "no_border",
            "unknown_opening",
        ] {
            let known = arabic(reason);
            assert_ne!(known, arabic("nobody-knows"), "{reason}");
        }
    }

    #[test]
    fn what_breaks_ends_with_5() {
        assert_eq!(
            failure(&Status::unavailable("gone")).exit,
            Exit::Unavailable
        );
        assert_eq!(failure(&refusal("log_unavailable")).exit, Exit::Unavailable);
        // Somebody else's reason is not the switch's word.
        let details = ErrorDetails::with_error_info("no_agreement", "example.org", HashMap::new());
        let foreign = Status::with_error_details(tonic::Code::PermissionDenied, "no", details);
        assert_eq!(failure(&foreign).exit, Exit::Unavailable);
    }
}
