//! One part's request, from what was given and what others answered.
//!
//! Takes a part, the inputs and the outcomes so far. Gives the payload, or why the part cannot be asked: never a guess
//! for a value that is not there, and never one of several.

use proto::commitment::{Commitment, Salt};
use proto::digest::Digest;
use proto::id::Part as Name;
use serde_json::{Map, Value, json};

use super::inputs::Inputs;
use super::outcome::{End, NotAsked, Outcome};
use super::template::Chunk;
use super::{Composition, Part, Source};

/// What a question is made from.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) composition: &'a Composition,
    pub(super) inputs: &'a Inputs,
    pub(super) outcomes: &'a [Option<Outcome>],
}

impl Known<'_> {
    /// The payload of `part`.
    pub(super) fn payload(self, part: &Part) -> Result<Vec<u8>, NotAsked> {
        for other in &part.needs {
            if !self.outcome(*other).is_some_and(Outcome::is_done) {
                return Err(NotAsked::Needs(self.name(*other)));
            }
        }
        let mut parameters = Map::new();
        for (name, source) in &part.parameters {
            parameters.insert(name.clone(), self.value(source)?);
        }
        let parameters = Value::Object(parameters);
        let payload = match part.plain {
            true => parameters,
            false => json!({ "operation": part.operation.as_str(), "parameters": parameters }),
        };
        Ok(payload.to_string().into_bytes())
    }

    fn value(self, source: &Source) -> Result<Value, NotAsked> {
        match source {
            Source::Input(place) => Ok(self.inputs.value(*place).clone()),
            Source::Field(place, field) => self.field(*place, field),
            Source::Value(value) => Ok(value.clone()),
            Source::Text(chunks) => {
                let mut text = String::new();
                for chunk in chunks {
                    match chunk {
                        Chunk::Literal(literal) => text.push_str(literal),
                        Chunk::Input(place) => text.push_str(&written(self.inputs.value(*place))),
                        Chunk::Field(place, field) => {
                            text.push_str(&written(&self.field(*place, field)?))
                        }
                    }
                }
                Ok(text.into())
            }
        }
    }

    /// The one value that the part at `place` gave for `field`.
    fn field(self, place: usize, field: &Name) -> Result<Value, NotAsked> {
        let of = || (self.name(place), field.to_string());
        let outcome = self.outcome(place);
        let rows = match outcome.map(|outcome| &outcome.end) {
            Some(End::Answered { rows, .. } | End::Earlier { rows, .. }) => rows.as_ref(),
            _ => None,
        };
        match rows.map(|rows| &rows.rows[..]) {
            Some([row]) => match row.get(field.as_str()) {
                None | Some(Value::Null) => Err(NotAsked::NoValue(of())),
                Some(value) => Ok(value.clone()),
            },
            Some([]) | None => Err(NotAsked::NoValue(of())),
            Some(rows) => Err(NotAsked::ManyRows(of(), rows.len())),
        }
    }

    fn outcome(&self, place: usize) -> Option<&Outcome> {
        self.outcomes.get(place).and_then(Option::as_ref)
    }

    fn name(self, place: usize) -> String {
        let part = self.composition.parts.get(place);
        part.map(|part| part.name.to_string()).unwrap_or_default()
    }
}

/// A value inside a text.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What makes two questions of one part the same, hidden under the salt of the first.
pub(super) fn digest(part: &Part, payload: &[u8], salt: &Salt) -> Digest {
    let fields: Vec<&str> = part.fields.iter().map(Name::as_str).collect();
    let asked = json!([
        part.service.as_str(),
        part.operation.as_str(),
        part.purpose.as_str(),
        fields
    ]);
    let whole = [asked.to_string().as_bytes(), b"\n", payload].concat();
    Commitment::new("", &whole, salt).hmac
}
