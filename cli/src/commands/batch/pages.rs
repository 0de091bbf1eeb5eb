//! This home's batches: how far each is, and where it stands in the log.

use std::path::Path;

use adapters::Home;
use adapters::batch::{Counts, Done, Known, Notebooks};
use serde_json::{Value, json};

use super::{found, of_notebook};
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// Lists all batches, the newest first.
pub(super) fn list(home: &Path, output: Output) -> Result<(), Failure> {
    let home = Home::open(home).map_err(Failure::usage)?;
    let mut all = Notebooks::of(&home).all().map_err(of_notebook)?;
    all.reverse();
    let value: Vec<Value> = all.iter().map(head).collect();
    output.show(&value, || {
        let rows = all.iter().map(|known| {
            [
                known.name().to_owned(),
                time_of_ms(known.begun_ms),
                format!("{} / {}", known.counts().total(), known.cut.total),
                known.out.display().to_string(),
            ]
        });
        let heading = [
            output.say("batch", "الدفعة"),
            output.say("begun", "بدأت"),
            output.say("items done", "البنود المنجزة"),
            output.say("results", "النتائج"),
        ];
        output.table(heading, rows);
    })
}

/// Shows one batch with its segments.
pub(super) fn show(home: &Path, name: &str, output: Output) -> Result<(), Failure> {
    let (_, known) = found(home, name)?;
    let mut value = head(&known);
    value["salt"] = json!(hex::encode(known.case.salt().0));
    value["segments"] = known.done.iter().map(segment).collect();
    output.show(&value, || {
        output.line(format!("{}  {}", known.name(), time_of_ms(known.begun_ms)));
        let rows = known.done.iter().map(|done| {
            let place = known.cut.place(done.segment);
            let last = (place.first + u64::from(known.cut.segment)).min(place.total);
            [
                format!("{}-{last}", place.first + 1),
                done.exchange.to_string(),
                format!("{} + {}", done.request_index, done.closing_index),
                done.counts.answered.to_string(),
                done.counts.not_found.to_string(),
                (done.counts.invalid + done.counts.unfinished()).to_string(),
            ]
        });
        let heading = [
            output.say("items", "البنود"),
            output.say("exchange", "التبادل"),
            output.say("entries, proved", "القيود، مُثبتة"),
            output.say("answered", "أُجيب"),
            output.say("not found", "غير موجود"),
            output.say("no result", "بلا نتيجة"),
        ];
        output.table(heading, rows);
        counts(&known.counts(), output);
        in_the_log(&known, output);
    })
}

/// How the items ended.
pub(super) fn counts(counts: &Counts, output: Output) {
    let rows = [
        (output.say("answered", "أُجيب"), counts.answered),
        (output.say("not found", "غير موجود"), counts.not_found),
        (output.say("invalid", "غير صالح"), counts.invalid),
        (output.say("unavailable", "غير متاح"), counts.unavailable),
        (output.say("failed", "تعطل"), counts.failed),
    ];
    let rows = rows.map(|(what, count)| [what.to_owned(), count.to_string()]);
    let heading = [
        output.say("outcome", "النتيجة"),
        output.say("items", "البنود"),
    ];
    output.table(heading, rows);
}

/// How an auditor finds it.
pub(super) fn in_the_log(known: &Known, output: Output) {
    output.line(format!(
        "{} {}",
        output.say("one root over all items:", "جذر واحد لكل البنود:"),
        known.cut.root
    ));
    output.line(format!(
        "{} {}",
        output.say(
            "in the log, as one thread: mohawel audit find --case",
            "في السجل، خيط واحد: mohawel audit find --case"
        ),
        known.case.commitment(),
    ));
}

/// For machines.
pub(super) fn head(known: &Known) -> Value {
    json!({
        "batch": known.name(),
        "begun": time_of_ms(known.begun_ms),
        "service": known.question.service,
        "operation": known.question.operation,
        "purpose": known.question.purpose,
        "fields": known.question.fields,
        "items": known.cut.total,
        "root": known.cut.root.to_string(),
        "case_reference": known.case.commitment().to_string(),
        "complete": known.is_complete(),
        "done": known.counts().total(),
        "counts": known.counts().to_json(),
        "results": known.out.display().to_string(),
    })
}

fn segment(done: &Done) -> Value {
    json!({
        "segment": done.segment,
        "exchange_id": done.exchange.to_string(),
        "request_index": done.request_index,
        "closing_index": done.closing_index,
        "counts": done.counts.to_json(),
    })
}
