//! The proof of one item: written for whoever asks, held against a log directory by anybody.

use std::path::Path;

use adapters::batch::{ItemEvidence, ProofError, Shown, prove as prove_item};
use audit::checkpoint::NoteMemory;
use audit::verify;
use serde_json::{Value, json};

use super::found;
use crate::args::LogDir;
use crate::commands::audit::proof::not_held;
use crate::commands::audit::{directory, key_or_beside};
use crate::commands::new_file::NewFile;
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Writes the proof of an item, numbered from 1.
pub(super) fn prove(
    home: &Path,
    (name, item): (&str, u64),
    out: &Path,
    output: Output,
) -> Result<(), Failure> {
    let file = NewFile::at(out, 0o600)?;
    let (home, known) = found(home, name)?;
    let place = item.checked_sub(1).filter(|place| *place < known.cut.total);
    let place = place
        .ok_or_else(|| Failure::usage(format!("the batch has items 1 to {}", known.cut.total)))?;
    let dir = home.path(&home.config().journal.dir);
    let evidence = prove_item(&dir, &known, place).map_err(unproven)?;
    let value = evidence.to_json();
    let text = serde_json::to_string_pretty(&value).map_err(Failure::unavailable)?;
    file.write(format!("{text}\n").as_bytes())?;
    let value = json!({ "batch": known.name(), "item": item, "file": out.display().to_string() });
    output.show(&value, || {
        output.line(format!(
            "{} {}",
            output.say(
                "Written. It holds this item's personal data in the clear, and none of another:",
                "كُتب الإثبات. يحوي بيانات هذا البند الشخصية صريحة ولا يحوي غيرها:"
            ),
            out.display()
        ));
    })
}

/// Holds a proof against a log.
pub(super) fn verify(path: &Path, log: &LogDir, output: Output) -> Result<(), Failure> {
    let dir = directory(log)?;
    let key = key_or_beside(log)?;
    key.follow_beside(dir).map_err(Failure::untrusted)?;
    let text = std::fs::read(path).map_err(|error| in_file(path, error))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| in_file(path, error))?;
    let evidence = ItemEvidence::from_json(&value).map_err(|error| in_file(path, error))?;
    let closing = evidence.closing().map_err(|error| in_file(path, error))?;
    let compared = verify::compare(dir, &closing, &key).map_err(not_held)?;
    let shown = evidence.verify(&NoteMemory::new(key)).map_err(unproven)?;
    let value = told(&shown);
    output.show(&value, || {
        let line = |what: &str, value: &str| output.line(format!("{what} {value}"));
        let request = &shown.request;
        line(output.say("asked by", "السائل:"), request.consumer.as_str());
        line(
            output.say("of", "المسؤول:"),
            &format!(
                "{}/{} {}",
                request.provider, request.service, request.operation
            ),
        );
        line(output.say("purpose", "الغرض:"), request.purpose.as_str());
        line(output.say("at", "في"), &time_of_ms(request.issued_at_ms));
        line(output.say("item", "البند:"), &text_of(&shown.item));
        line(
            output.say("outcome", "النتيجة:"),
            shown.result.status.name(),
        );
        line(
            output.say("answer", "الإجابة:"),
            &text_of(&shown.result.payload),
        );
        let place = shown.root.manifest.place;
        output.line(format!(
            "{} {} / {} · {} {} + {} · {}",
            output.say("it is item", "هو البند"),
            shown.root.place + 1,
            place.map_or(0, |place| place.total),
            output.say("entries", "القيدان"),
            shown.request_index,
            shown.closing_index,
            output.say(
                "both headers stand in the log; their seals are judged by mohawel audit replay",
                "الترويستان في السجل، ويحكم على ختميهما mohawel audit replay"
            ),
        ));
        output.line(format!(
            "{} {}",
            output.say("the log has", "يحوي السجل الآن"),
            compared.now.size
        ));
    })
}

fn told(shown: &Shown) -> Value {
    let place = shown.root.manifest.place;
    json!({
        "holds": true,
        "consumer": shown.request.consumer.to_string(),
        "provider": shown.request.provider.to_string(),
        "service": shown.request.service.to_string(),
        "operation": shown.request.operation.to_string(),
        "purpose": shown.request.purpose.to_string(),
        "issued_at": time_of_ms(shown.request.issued_at_ms),
        "answered_at": time_of_ms(shown.answer.answered_at_ms),
        "item_number": shown.root.place + 1,
        "items": place.map(|place| place.total),
        "root": place.map(|place| place.batch.to_string()),
        "item": text_of(&shown.item),
        "status": shown.result.status.name(),
        "answer": text_of(&shown.result.payload),
        "request_index": shown.request_index,
        "closing_index": shown.closing_index,
    })
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unproven(error: ProofError) -> Failure {
    match error {
        ProofError::NotDone(_) | ProofError::NotKept(_) => Failure::new(
            Exit::Usage,
            [
                error.to_string(),
                format!("لا يمكن إثبات هذا البند: {error}"),
            ],
            [
                "Finish the batch with the same command first; what was erased cannot be shown any more.",
                "أكمل الدفعة بالأمر نفسه أولًا؛ وما مُحي لا يمكن إظهاره.",
            ],
        ),
        ProofError::Journal(error) => Failure::unavailable(error),
        error => Failure::untrusted(error),
    }
}
