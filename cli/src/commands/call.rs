//! `mohawel call`: ask a service once, and print the answer with its proof.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use adapters::consumer::{Answer, ExchangeError, Refused};
use audit::receipt::tlog_proof::TlogProof;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::header::AnswerStatus;
use proto::limits::PAYLOAD_BYTES_MAX;
use proto::refusal::Language;
use proto::registry::Registry;
use serde_json::{Value, json};

use super::{act, agreement};
use crate::args::Call;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Asks and prints.
///
/// # Errors
/// A refusal ends with 3, an answer that is not trusted with 4, a switch that is not reached with 5.
pub async fn run(call: Call, output: Output) -> Result<(), Failure> {
    let data = data(&call.data)?;
    let adapter = act::connect(&call.home).await?;
    let consumer = adapter.consumer();
    let mut ask = consumer
        .ask(call.service.as_str())
        .operation(call.operation.as_str())
        .purpose(call.purpose.as_str())
        .fields(call.fields.iter().map(|field| field.as_str()))
        .payload("application/json", data)
        .deadline(Duration::from_millis(u64::from(call.deadline_ms)))
        .retries(call.retries);
    if let Some(id) = &call.agreement {
        ask = ask.agreement(named(&adapter.mirror().snapshot(), id)?);
    }
    match Box::pin(ask.send()).await {
        Ok(answer) => {
            if let Some(path) = &call.receipt {
                write_receipt(path, &answer)?;
            }
            print(&answer, output)
        }
        Err(error) => {
            if output.json {
                output.show(&error_json(&error), || {})?;
            }
            Err(failure(&error))
        }
    }
}

/// The agreement of an id: whole as it is, so that a call under one that does not exist is refused by the switch and
/// recorded; a prefix from the registry.
fn named(registry: &Registry, text: &str) -> Result<Digest, Failure> {
    match Digest::from_hex(text) {
        Some(id) => Ok(id),
        None => agreement::find(registry, text).map(|record| record.id),
    }
}

/// The parameters: JSON text, `@FILE`, or `-` for standard input.
fn data(text: &str) -> Result<Vec<u8>, Failure> {
    let bytes = match text.strip_prefix('@') {
        Some(path) => {
            std::fs::read(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?
        }
        None if text == "-" => {
            let mut bytes = Vec::new();
            // One byte over the limit tells that there is more; the rest is not read.
            let mut input = std::io::stdin().lock().take(PAYLOAD_BYTES_MAX as u64 + 1);
            input.read_to_end(&mut bytes).map_err(Failure::usage)?;
            bytes
        }
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() > PAYLOAD_BYTES_MAX {
        return Err(Failure::usage("the parameters are over 1 MiB"));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes)
        .map_err(|error| Failure::usage(format!("the parameters are not JSON: {error}")))?;
    Ok(bytes)
}

fn print(answer: &Answer, output: Output) -> Result<(), Failure> {
    let json = answer.json::<Value>().ok();
    let value = json!({
        "outcome": answer.status.name(),
        "exchange_id": answer.exchange_id.to_string(),
        "fields": answer.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "content_type": answer.content_type,
        "payload": json,
        "payload_hex": if json.is_none() { Some(hex::encode(&answer.payload)) } else { None },
        "answered_at": time_of_ms(answer.header.answered_at_ms),
        "request_index": answer.request_index,
        "closing_index": answer.closing_index,
        "proven": true,
    });
    let pretty = match &json {
        Some(json) => serde_json::to_string_pretty(json).map_err(Failure::unavailable)?,
        None => String::from_utf8_lossy(&answer.payload).into_owned(),
    };
    output.show(&value, || {
        output.line(pretty);
        output.line(format!(
            "{} {}  {} {} + {}  {}",
            output.say("exchange", "التبادل"),
            answer.exchange_id,
            output.say("entries", "القيدان"),
            answer.request_index,
            answer.closing_index,
            output.say("proof verified", "تم التحقق من الإثبات"),
        ));
    })
}

/// The proof of the closing entry as a C2SP tlog-proof, with the entry itself as its extra data.
fn write_receipt(path: &Path, answer: &Answer) -> Result<(), Failure> {
    let receipt = &answer.receipt;
    let entry = Entry {
        kind: receipt.kind,
        stamp: receipt.stamp,
        facts: receipt.facts.clone(),
        header: answer.envelope.header.clone(),
        seal: Some(answer.envelope.seal.clone()),
    };
    let proof = TlogProof {
        extra: Some(entry.encode().map_err(Failure::untrusted)?),
        index: receipt.index,
        proof: receipt.proof.clone(),
        checkpoint: receipt.checkpoint.clone(),
    };
    std::fs::write(path, proof.to_text())
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// Why there is no answer, as a person reads it.
pub fn failure(error: &ExchangeError) -> Failure {
    match error {
        ExchangeError::Unsent(problem) => Failure::usage(problem),
        ExchangeError::Refused(refused) => refusal(refused),
        ExchangeError::Provider { status, answer } => provider(*status, answer),
        ExchangeError::Untrusted { .. } | ExchangeError::Distrust(_) => Failure::untrusted(error),
        ExchangeError::Transport { .. } | ExchangeError::Sealer(_) => Failure::unavailable(error),
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

fn error_json(error: &ExchangeError) -> Value {
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
    use proto::id::ExchangeId;
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

    #[test]
    fn parameters_are_json_from_text_or_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.json");
        std::fs::write(&path, "{\"id\": 1}").unwrap();
        assert_eq!(
            data(&format!("@{}", path.display())).unwrap(),
            b"{\"id\": 1}"
        );
        assert_eq!(data("[1]").unwrap(), b"[1]");
        for bad in ["", "{", "@/nowhere/at/all", "{} {}"] {
            assert_eq!(data(bad).unwrap_err().exit, Exit::Usage, "{bad}");
        }
        std::fs::write(&path, vec![b' '; PAYLOAD_BYTES_MAX + 1]).unwrap();
        assert!(data(&format!("@{}", path.display())).is_err());
    }
}
