//! `mohawel directory`: find what is offered and by whom, and read it whole, in Arabic and English.

use proto::id::ServiceId;
use proto::registry::{Registry, Service};
use serde_json::{Value, json};

use super::registry;
use super::service::service_json;
use crate::args::Directory;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

pub mod search;

use search::{Hit, How, Kind, Place, Query};

/// Runs one of the directory commands.
///
/// # Errors
/// What the command cannot do; a query without a word, or with too much.
pub async fn run(directory: Directory, output: Output) -> Result<(), Failure> {
    match directory {
        Directory::Search {
            words,
            limit,
            source,
        } => {
            // Before anything is read: a query that cannot be is told at once.
            let query = Query::parse(&words)?;
            let registry = registry::read(&source).await?;
            let hits = search::search(&registry, &query);
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            print_hits(&hits, limit, output)
        }
        Directory::Show { service, source } => {
            show(&*registry::read(&source).await?, &service, output)
        }
    }
}

fn print_hits(hits: &[Hit<'_>], limit: usize, output: Output) -> Result<(), Failure> {
    let shown = &hits[..hits.len().min(limit)];
    let value = json!({
        "found": hits.len(),
        "results": shown.iter().map(hit_json).collect::<Vec<_>>(),
    });
    output.show(&value, || {
        if hits.is_empty() {
            return output.line(output.say(
                "Nothing in the directory has all of these words.",
                "لا شيء في الدليل يضم هذه الكلمات كلها.",
            ));
        }
        let heading = [
            output.say("kind", "النوع"),
            output.say("identifier", "المعرّف"),
            "English",
            "العربية",
            output.say("found in", "موضع التطابق"),
        ];
        output.table(heading, shown.iter().map(|hit| hit_row(hit, output)));
        if hits.len() > shown.len() {
            let (some, all) = (shown.len(), hits.len());
            output.line(format!(
                "{some} / {all}: {}",
                output.say("--limit shows more.", "يعرض ‎--limit‎ المزيد.")
            ));
        }
    })
}

fn hit_row(hit: &Hit<'_>, output: Output) -> [String; 5] {
    let thing = &hit.thing;
    let id = thing.operation.map_or_else(
        || thing.id.clone(),
        |operation| format!("{} {operation}", thing.id),
    );
    let mut places: Vec<String> = hit
        .matches
        .iter()
        .map(|matched| {
            let place = place_name(matched.text.place, output);
            format!("{place}: {}", matched.text.shown)
        })
        .collect();
    places.dedup();
    [
        kind_name(thing.kind, output).to_owned(),
        id,
        thing.name_en.to_owned(),
        thing.name_ar.to_owned(),
        places.join("\n"),
    ]
}

fn kind_name(kind: Kind, output: Output) -> &'static str {
    match kind {
        Kind::Agency => output.say("agency", "جهة"),
        Kind::Service => output.say("service", "خدمة"),
        Kind::Operation => output.say("operation", "عملية"),
    }
}

fn place_name(place: Place, output: Output) -> &'static str {
    match place {
        Place::Name => output.say("name", "الاسم"),
        Place::Operation => output.say("operation", "العملية"),
        Place::Field => output.say("field", "الحقل"),
        Place::Agency => output.say("agency", "الجهة"),
    }
}

fn hit_json(hit: &Hit<'_>) -> Value {
    let thing = &hit.thing;
    let matches: Vec<Value> = hit
        .matches
        .iter()
        .map(|matched| {
            let how = match matched.how {
                How::Whole => "whole",
                How::Prefix => "prefix",
                How::Inside => "inside",
            };
            let place = match matched.text.place {
                Place::Name => "name",
                Place::Operation => "operation",
                Place::Field => "field",
                Place::Agency => "agency",
            };
            json!({ "word": matched.word, "how": how, "in": place, "text": matched.text.shown })
        })
        .collect();
    let kind = match thing.kind {
        Kind::Agency => "agency",
        Kind::Service => "service",
        Kind::Operation => "operation",
    };
    json!({
        "kind": kind,
        "id": thing.id,
        "operation": thing.operation.map(ToString::to_string),
        "name_ar": thing.name_ar,
        "name_en": thing.name_en,
        "matches": matches,
    })
}

fn show(registry: &Registry, id: &ServiceId, output: Output) -> Result<(), Failure> {
    let service = registry.service(id).ok_or_else(|| {
        let word = id.service();
        Failure::new(
            Exit::Usage,
            [
                format!("{id} is not published"),
                format!("الخدمة {id} غير منشورة"),
            ],
            [
                format!("`mohawel directory search {word}` looks for it under every name."),
                format!("يبحث عنها بكل الأسماء الأمر mohawel directory search {word}."),
            ],
        )
    })?;
    let mut value = service_json(service);
    let agency = id.system().agency();
    if let Some(agency) = registry.agency(&agency) {
        value["agency"] = json!({
            "agency": agency.id.to_string(),
            "name_ar": agency.name_ar,
            "name_en": agency.name_en,
        });
    }
    output.show(&value, || print_service(registry, service, output))
}

/// Both languages whatever the run's is: who reads a definition compares them.
fn print_service(registry: &Registry, service: &Service, output: Output) {
    let definition = &service.definition;
    let system = &definition.system;
    let heading = ["", "English", "العربية"];
    let row = |what: &str, english: &str, arabic: &str| {
        [what.to_owned(), english.to_owned(), arabic.to_owned()]
    };
    let named = output.say("service", "الخدمة");
    let mut names = vec![row(named, &definition.name_en, &definition.name_ar)];
    if let Some(agency) = registry.agency(&system.agency()) {
        let named = output.say("agency", "الجهة");
        names.push(row(named, &agency.name_en, &agency.name_ar));
    }
    output.line(definition.id().to_string());
    output.table(heading, names);
    let heading = [
        output.say("operation", "العملية"),
        "English",
        "العربية",
        output.say("fields", "الحقول"),
    ];
    let rows = definition.operations.iter().map(|operation| {
        let fields: Vec<_> = operation.fields.iter().map(ToString::to_string).collect();
        [
            operation.name.to_string(),
            operation.name_en.clone(),
            operation.name_ar.clone(),
            fields.join(" "),
        ]
    });
    output.table(heading, rows);
    let contract = service.contract;
    output.line(format!("{}: {contract}", output.say("contract", "العقد")));
    output.line(format!(
        "{} {}, {} {}",
        output.say("sealed at", "خُتمت في"),
        time_of_ms(definition.issued_at_ms),
        output.say("entry", "القيد"),
        service.index
    ));
}

#[cfg(test)]
mod tests;
