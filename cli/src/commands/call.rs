//! `mohawel call`: ask a service once, and print the answer with its proof.

use std::io::Read as _;
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::checkpoints::SeenError;
use adapters::consumer::Answer;
use adapters::subjects;
use audit::receipt::Receipt;
use audit::receipt::tlog_proof::TlogProof;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::envelope::Envelope;
use proto::limits::PAYLOAD_BYTES_MAX;
use proto::registry::Registry;
use serde_json::{Value, json};

use super::new_file::NewFile;
use super::{act, agreement};
use crate::args::Call;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

mod attempt;
mod saved;
pub(super) mod told;
mod uploaded;

pub use told::failure;

/// How long an answer is held back until what an earlier run was promised is proved.
const SETTLE_WAIT: Duration = Duration::from_secs(5);

/// Asks and prints.
///
/// # Errors
/// A refusal ends with 3, an answer that is not trusted with 4, a switch that is not reached with 5.
pub async fn run(call: Call, output: Output) -> Result<(), Failure> {
    let data = data(&call.data)?;
    let first = call.attempt_of.map(|id| attempt::kept(&call.home, id));
    let first = first.transpose()?;
    let receipt = call.receipt.as_deref();
    let receipt = receipt.map(|path| NewFile::at(path, 0o644)).transpose()?;
    let adapter = act::connect(&call.home).await?;
    let consumer = adapter.consumer();
    let mut ask = consumer
        .ask(call.service.as_str())
        .operation(call.operation.as_str())
        .purpose(call.purpose.as_str())
        .fields(call.fields.iter().map(|field| field.as_str()))
        .deadline(Duration::from_millis(u64::from(call.deadline_ms)))
        .retries(call.retries);
    if let Some(id) = &call.agreement {
        ask = ask.agreement(named(&adapter.mirror().snapshot(), id)?);
    }
    let actor = call.actor.as_ref();
    let actor = actor.map(|name| subjects::clerk(adapter.home(), name));
    let actor = actor.transpose().map_err(Failure::usage)?;
    if let Some(case) = call.case {
        ask = ask.case_reference(case);
    }
    if let Some(actor) = actor {
        ask = ask.actor(actor);
    }
    if let Some(first) = first {
        ask = ask.attempt_of(first);
    }
    if let Some(path) = &call.upload {
        let sending = uploaded::Sending {
            adapter: &adapter,
            path,
            content_type: &call.content_type,
            receipt,
            actor,
        };
        return Box::pin(sending.run(ask, output)).await;
    }
    ask = ask.payload("application/json", data);
    if let Some(path) = &call.output {
        let saving = saved::Saving {
            adapter: &adapter,
            path,
            receipt,
            actor,
        };
        return Box::pin(saving.run(ask, output)).await;
    }
    match Box::pin(ask.send()).await {
        Ok(answer) => {
            settle(&adapter, output).await?;
            kept(&adapter, output).await;
            // The answer was given and is on record: whatever becomes of the file, it is shown.
            let written =
                receipt.map(|file| file.write(&proof(&answer.receipt, &answer.envelope)?));
            print(&answer, actor, output)?;
            written.transpose().map(drop)
        }
        Err(error) => {
            kept(&adapter, output).await;
            let again = attempt::keep(&call.home, &error);
            if output.json {
                output.show(&told::error_json(&error, again), || {})?;
            }
            Err(told::failure_after(&error, again))
        }
    }
}

/// Remembers what the answer's receipt promises, and compares the log with what earlier runs were promised.
pub(super) async fn settle(adapter: &Adapter, output: Output) -> Result<(), Failure> {
    let checkpoints = adapter.checkpoints();
    // What was promised a moment ago may honestly be published a moment later; the next run looks again.
    let wait = match checkpoints.is_overdue() {
        true => SETTLE_WAIT,
        false => Duration::ZERO,
    };
    match checkpoints.settled(adapter.connection(), wait).await {
        Ok(_) => Ok(()),
        Err(SeenError::Distrust(reason)) => Err(Failure::untrusted(reason)),
        Err(error) => {
            output.note(format!(
                "{}: {error}",
                output.say(
                    "The answer is proved, but the log was not compared with earlier receipts this time",
                    "الإجابة ثابتة، لكن تعذرت هذه المرة مقارنة السجل بالإيصالات السابقة",
                )
            ));
            Ok(())
        }
    }
}

/// Waits until the journal holds what just happened: it is shown only after it can be proved later.
pub(super) async fn kept(adapter: &Adapter, output: Output) {
    if let Err(error) = adapter.journal().synced().await {
        output.note(format!(
            "{}: {error}",
            output.say(
                "The receipt is not in this home's journal; keep one with --receipt",
                "الإيصال غير محفوظ في دفتر هذا المجلد؛ احفظه بالخيار ‎--receipt‎",
            )
        ));
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
pub(super) fn data(text: &str) -> Result<Vec<u8>, Failure> {
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

fn print(answer: &Answer, actor: Option<Digest>, output: Output) -> Result<(), Failure> {
    let (value, pretty) = shown(answer, actor)?;
    output.show(&value, || {
        output.line(pretty);
        proved(answer, output);
    })
}

/// An answer for machines, and its payload for people.
pub(super) fn shown(answer: &Answer, actor: Option<Digest>) -> Result<(Value, String), Failure> {
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
        "actor": actor.map(|actor| actor.to_string()),
    });
    let pretty = match &json {
        Some(json) => serde_json::to_string_pretty(json).map_err(Failure::unavailable)?,
        None => String::from_utf8_lossy(&answer.payload).into_owned(),
    };
    Ok((value, pretty))
}

/// Where it stands in the log.
pub(super) fn proved(answer: &Answer, output: Output) {
    output.line(format!(
        "{} {}  {} {} + {}  {}",
        output.say("exchange", "التبادل"),
        answer.exchange_id,
        output.say("entries", "القيدان"),
        answer.request_index,
        answer.closing_index,
        output.say("proof verified", "تم التحقق من الإثبات"),
    ));
}

/// The proof of the entry that ended it as a C2SP tlog-proof, with the entry itself as its extra data.
pub(super) fn proof(receipt: &Receipt, sealed: &Envelope) -> Result<Vec<u8>, Failure> {
    let entry = Entry {
        kind: receipt.kind,
        stamp: receipt.stamp,
        facts: receipt.facts.clone(),
        header: sealed.header.clone(),
        seal: Some(sealed.seal.clone()),
    };
    let proof = TlogProof {
        extra: Some(entry.encode().map_err(Failure::untrusted)?),
        index: receipt.index,
        proof: receipt.proof.clone(),
        checkpoint: receipt.checkpoint.clone(),
    };
    Ok(proof.to_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

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
