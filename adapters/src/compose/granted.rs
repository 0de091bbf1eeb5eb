//! The registry asked beforehand: does each part's service exist, does it take what the part sends, would it be permitted?
//!
//! Takes a composition, a registry and who would ask. Gives what would be refused, with its place in the file. Decides
//! nothing: [`proto::authorise::explain`] says what the deciding function would say.

use proto::authorise::{Change, Question, explain};
use proto::id::SystemId;
use proto::registry::Registry;

use super::problem::{At, Problem, What};
use super::promised::broken;
use super::{Composition, Part};

/// Everything that `consumer` would be refused at `at_ms`, in the order of the file.
pub fn problems_in(
    composition: &Composition,
    registry: &Registry,
    consumer: &SystemId,
    at_ms: u64,
) -> Vec<Problem> {
    let parts = composition.parts.iter();
    let mut problems: Vec<Problem> = parts
        .flat_map(|part| of_part(composition, part, registry, consumer, at_ms))
        .collect();
    problems.sort_by_key(|problem| problem.at);
    problems
}

fn of_part(
    composition: &Composition,
    part: &Part,
    registry: &Registry,
    consumer: &SystemId,
    at_ms: u64,
) -> Vec<Problem> {
    let places = &part.places;
    let one = |at, what| vec![Problem { at, what }];
    let Some(service) = registry.service(&part.service) else {
        return one(places.service, What::NoService(part.service.to_string()));
    };
    let Some(operation) = service.definition.operation(&part.operation) else {
        return one(
            places.operation,
            What::NoOperation(part.operation.to_string()),
        );
    };
    let fields = part.fields.iter().zip(&places.fields);
    let unknown: Vec<Problem> = fields
        .filter(|(field, _)| !operation.fields.contains(field))
        .map(|(field, at)| Problem {
            at: *at,
            what: What::NoField(field.to_string()),
        })
        .collect();
    if !unknown.is_empty() {
        return unknown;
    }
    let question = Question {
        consumer: consumer.clone(),
        service: part.service.clone(),
        operation: part.operation.clone(),
        purpose: part.purpose.clone(),
        fields: part.fields.clone(),
    };
    let mut found = broken(composition, part, operation);
    let explained = explain(registry, &question, at_ms);
    let Some(code) = explained.code() else {
        return found;
    };
    let denied = |change: Option<Change>| Problem {
        at: change
            .as_ref()
            .map_or(places.service, |change| at(part, change)),
        what: What::Denied {
            part: part.name.to_string(),
            code,
            change,
        },
    };
    if explained.changes.is_empty() {
        found.push(denied(None));
    }
    let changes = explained.changes.into_iter();
    found.extend(changes.map(|change| denied(Some(change))));
    found
}

/// Where the file says what the change is about.
fn at(part: &Part, change: &Change) -> At {
    let places = &part.places;
    match change {
        Change::AddField { field, .. } => {
            let place = part.fields.iter().position(|taken| taken == field);
            place
                .and_then(|place| places.fields.get(place))
                .copied()
                .unwrap_or(places.service)
        }
        Change::AddPurpose { .. } | Change::ListPurpose(_) => places.purpose,
        Change::AddOperation { .. } | Change::PublishOperation { .. } => places.operation,
        _ => places.service,
    }
}
