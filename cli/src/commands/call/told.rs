//! Why there is no answer: as a person reads it, and for machines.

use adapters::consumer::{Answer, ExchangeError, Refused};
use proto::header::AnswerStatus;
use proto::id::ExchangeId;
use proto::refusal::Language;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};

/// As [`failure`], and with how to ask again where the attempt `again` is kept.
pub(super) fn failure_after(error: &ExchangeError, again: Option<ExchangeId>) -> Failure {
    let mut failure = failure(error);
    if let Some(id) = again {
        failure.next = [
            format!(
                "{} Ask the very same again with --attempt-of {id}: within ten minutes it is not done twice.",
                failure.next[0]
            ),
            format!(
                "{} أعد السؤال نفسه مع ‎--attempt-of {id}‎: فلن يُنفَّذ مرتين خلال عشر دقائق.",
                failure.next[1]
            ),
        ];
    }
    failure
}

/// Why there is no answer, as a person reads it.
pub fn failure(error: &ExchangeError) -> Failure {
    match error {
        ExchangeError::Unsent(problem) => Failure::usage(problem),
        ExchangeError::NoEncryptionKey(system) => Failure::new(
            Exit::Usage,
            [
                format!(
                    "Nothing was sent: it goes sealed or not at all, and {system} has bound no encryption key"
                ),
                format!("لم يُرسل شيء: لا يمر المحتوى إلا معمّى، ولم يربط {system} مفتاح تعمية"),
            ],
            [
                "Ask the provider's administrators to run `mohawel adapter encryption-key`, and ask again.",
                "اطلب من مسؤولي المزوّد تنفيذ الأمر mohawel adapter encryption-key ثم أعد السؤال.",
            ],
        ),
        ExchangeError::Refused(refused) => refusal(refused),
        ExchangeError::Provider { status, answer } => provider(*status, answer),
        ExchangeError::Untrusted { .. } | ExchangeError::Distrust(_) => Failure::untrusted(error),
        ExchangeError::Transport { reason, attempt } => Failure::new(
            Exit::Unavailable,
            [
                format!(
                    "Exchange {} did not come through: {reason}",
                    attempt.exchange_id
                ),
                format!("لم يكتمل التبادل {}: {reason}", attempt.exchange_id),
            ],
            [
                "Whether the provider answered is not known; `mohawel adapter check` names the failing hop.",
                "ولا يُعرف هل أجاب المزوّد؛ ويبيّن الأمر mohawel adapter check موضع العطل.",
            ],
        ),
        ExchangeError::Sealer(_) => Failure::unavailable(error),
    }
}

fn refusal(refused: &Refused) -> Failure {
    let clause = refused
        .clause
        .as_deref()
        .map(|clause| format!(", clause: {clause}"))
        .unwrap_or_default();
    let clause_ar = refused
        .clause
        .as_deref()
        .map(|clause| format!("، البند: {clause}"))
        .unwrap_or_default();
    let (proof, proof_ar) = match (&refused.receipt, refused.proven) {
        (Some(receipt), true) => {
            let index = receipt.index;
            (
                format!(" Recorded and proved in the log at {index}."),
                format!(" سُجّل الرفض وثبت في السجل برقم {index}."),
            )
        }
        _ if refused.code.is_recorded() => (
            " No proof of this refusal came back.".to_owned(),
            " لم يصل إثبات لهذا الرفض.".to_owned(),
        ),
        _ => (String::new(), String::new()),
    };
    let first = refused
        .first_outcome
        .as_deref()
        .map(|outcome| format!(" First outcome: {outcome}."))
        .unwrap_or_default();
    let wait = refused
        .retry_after
        .map(|wait| format!(" Retry after {} ms.", wait.as_millis()))
        .unwrap_or_default();
    let exit = match refused.code.is_recorded() {
        true => Exit::Refused,
        false => Exit::Unavailable,
    };
    let (id, code) = (refused.exchange_id, refused.code);
    Failure::new(
        exit,
        [
            format!(
                "{}{} ({code}{clause}){proof}{first}\n  exchange {id}",
                refused.sentence,
                said(" It says: ", refused.notice_en.as_deref())
            ),
            format!(
                "{}{} ({code}{clause_ar}){proof_ar}\n  التبادل {id}",
                refused.sentence_ar,
                said(" ويقول: ", refused.notice_ar.as_deref())
            ),
        ],
        [
            format!("{}{wait}", refused.remedy),
            refused.remedy_ar.to_owned(),
        ],
    )
}

/// What the provider says about an operation that it switched off.
fn said(introduction: &str, notice: Option<&str>) -> String {
    notice.map_or_else(String::new, |notice| format!("{introduction}{notice}"))
}

fn provider(status: AnswerStatus, answer: &Answer) -> Failure {
    let (what, next) = match status {
        AnswerStatus::Refused(code) => (
            [
                code.sentence(Language::English),
                code.sentence(Language::Arabic),
            ],
            [
                code.remedy(Language::English),
                code.remedy(Language::Arabic),
            ],
        ),
        AnswerStatus::NotFound => (
            [
                "The provider has no such record.",
                "لا يوجد لدى المزوّد سجل بهذه البيانات.",
            ],
            ["Check the parameters.", "راجع المعطيات."],
        ),
        AnswerStatus::InvalidRequest => (
            [
                "The provider does not accept these parameters.",
                "لا يقبل المزوّد هذه المعطيات.",
            ],
            [
                "Compare them with what the service says it takes.",
                "قارنها بما تطلبه الخدمة.",
            ],
        ),
        AnswerStatus::Unavailable => (
            [
                "The provider's backend cannot answer now.",
                "لا يستطيع نظام المزوّد الإجابة الآن.",
            ],
            ["Try again later.", "حاول لاحقًا."],
        ),
        AnswerStatus::Failed | AnswerStatus::Answered => (
            ["The provider's backend broke.", "تعطّل نظام المزوّد."],
            [
                "Tell the provider the exchange id.",
                "أبلغ المزوّد بمعرّف التبادل.",
            ],
        ),
    };
    let (name, id, index) = (status.name(), answer.exchange_id, answer.closing_index);
    Failure::new(
        Exit::Refused,
        [
            format!(
                "{} ({name}) Sealed by the provider and proved in the log at {index}.\n  exchange {id}",
                what[0]
            ),
            format!(
                "{} ({name}) ختمها المزوّد وثبتت في السجل برقم {index}.\n  التبادل {id}",
                what[1]
            ),
        ],
        next,
    )
}

/// The same for machines; `attempt_of` is what a retry says.
pub(in crate::commands) fn error_json(error: &ExchangeError, again: Option<ExchangeId>) -> Value {
    let mut value = outcome_json(error);
    if let Some(id) = again {
        value["attempt_of"] = json!(id.to_string());
    }
    value
}

fn outcome_json(error: &ExchangeError) -> Value {
    match error {
        ExchangeError::Refused(refused) => json!({
            "outcome": "refused",
            "code": refused.code.name(),
            "clause": refused.clause,
            "agreement": refused.agreement,
            "grant": refused.grant,
            "exchange_id": refused.exchange_id.to_string(),
            "notice_ar": refused.notice_ar,
            "notice_en": refused.notice_en,
            "first_outcome": refused.first_outcome,
            "sentence": refused.sentence,
            "remedy": refused.remedy,
            "sentence_ar": refused.sentence_ar,
            "remedy_ar": refused.remedy_ar,
            "retry_after_ms": refused.retry_after.map(|wait| wait.as_millis() as u64),
            "index": refused.receipt.as_ref().filter(|_| refused.proven).map(|receipt| receipt.index),
            "proven": refused.proven,
        }),
        ExchangeError::Provider { status, answer } => json!({
            "outcome": status.name(),
            "exchange_id": answer.exchange_id.to_string(),
            "request_index": answer.request_index,
            "closing_index": answer.closing_index,
            "proven": true,
        }),
        ExchangeError::Unsent(_)
        | ExchangeError::NoEncryptionKey(_)
        | ExchangeError::Untrusted { .. }
        | ExchangeError::Distrust(_)
        | ExchangeError::Transport { .. }
        | ExchangeError::Sealer(_) => {
            json!({ "outcome": "none", "reason": error.to_string(), "proven": false })
        }
    }
}

#[cfg(test)]
mod tests {
    use adapters::consumer::Attempt;
    use proto::commitment::Salt;
    use proto::refusal::Code;

    use super::*;

    fn refused(code: Code) -> ExchangeError {
        let exchange_id = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap();
        ExchangeError::Refused(Box::new(Refused {
            code,
            exchange_id,
            clause: Some("field iban".to_owned()),
            agreement: None,
            grant: Some(1),
            notice_ar: None,
            notice_en: None,
            first_outcome: None,
            sentence: code.sentence(Language::English),
            remedy: code.remedy(Language::English),
            sentence_ar: code.sentence(Language::Arabic),
            remedy_ar: code.remedy(Language::Arabic),
            retry_after: None,
            receipt: None,
            proven: false,
            attempt: Attempt {
                exchange_id,
                salt: Salt([7; 32]),
            },
        }))
    }

    #[test]
    fn a_refusal_names_code_clause_and_remedy_in_both_languages_and_ends_with_3() {
        let failure = failure(&refused(Code::FieldNotGranted));
        assert_eq!(failure.exit, Exit::Refused);
        for language in [Language::English, Language::Arabic] {
            let text = failure.text(language);
            assert!(
                text.contains("field_not_granted") && text.contains("field iban"),
                "{text}"
            );
            assert!(
                text.contains(Code::FieldNotGranted.remedy(language)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_was_not_recorded_ends_with_5() {
        assert_eq!(failure(&refused(Code::Overloaded)).exit, Exit::Unavailable);
        assert_eq!(
            failure(&ExchangeError::Unsent("no".to_owned())).exit,
            Exit::Usage
        );
    }
}
