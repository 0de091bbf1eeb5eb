//! Where a parameter's value comes from: an input, another part's field, the file itself, or a text with places.

use std::collections::BTreeSet;

use proto::id::Part as Name;
use serde_json::Value;
use toml::Spanned;

use super::{INPUT, Reading};
use crate::compose::Source;
use crate::compose::problem::What;
use crate::compose::shape::{FileSource, Text};
use crate::compose::template::{self, Chunk, Written};

impl Reading<'_> {
    /// Where a parameter's value comes from; what it needs goes into `needs`.
    pub(super) fn source(
        &mut self,
        name: &str,
        written: &Spanned<FileSource>,
        needs: &mut BTreeSet<usize>,
    ) -> Option<Source> {
        let source = written.get_ref();
        match source {
            FileSource {
                input: Some(input),
                part: None,
                field: None,
                value: None,
                text: None,
            } => self.given(input, input.get_ref()).map(Source::Input),
            FileSource {
                input: None,
                part: Some(part),
                field: Some(field),
                value: None,
                text: None,
            } => {
                let place = self.other(part, part.get_ref())?;
                needs.insert(place);
                self.taken(field, place, part.get_ref(), field.get_ref())
                    .map(|field| Source::Field(place, field))
            }
            FileSource {
                input: None,
                part: None,
                field: None,
                value: Some(value),
                text: None,
            } => json(value).map(Source::Value).or_else(|| {
                let why = "TOML's times and numbers beyond JSON's are written as text".to_owned();
                self.say(
                    self.lines.at(written.span().start),
                    What::NotOne { key: "value", why },
                );
                None
            }),
            FileSource {
                input: None,
                part: None,
                field: None,
                value: None,
                text: Some(text),
            } => self.template(text, needs),
            _ => {
                let at = self.lines.at(written.span().start);
                self.say(at, What::Source(name.to_owned()));
                None
            }
        }
    }

    fn template(&mut self, text: &Text, needs: &mut BTreeSet<usize>) -> Option<Source> {
        let written = template::parse(text.get_ref());
        let written = written
            .map_err(|why| self.say(self.at(text), What::NotOne { key: "text", why }))
            .ok()?;
        let mut chunks = Vec::new();
        let mut whole = true;
        for piece in written {
            let chunk = match piece {
                Written::Literal(literal) => Some(Chunk::Literal(literal)),
                Written::Place(of, name) if of == INPUT => {
                    self.given(text, &name).map(Chunk::Input)
                }
                Written::Place(of, name) => self.other(text, &of).and_then(|place| {
                    needs.insert(place);
                    let field = self.taken(text, place, &of, &name)?;
                    Some(Chunk::Field(place, field))
                }),
            };
            whole &= chunk.is_some();
            chunks.extend(chunk);
        }
        whole.then_some(Source::Text(chunks))
    }

    /// The place of the input `name`.
    fn given(&mut self, at: &Text, name: &str) -> Option<usize> {
        let place = self.inputs.get(name).copied();
        if place.is_none() {
            self.say(self.at(at), What::NoInput(name.to_owned()));
        }
        place
    }

    /// The place of the part `name`.
    pub(super) fn other(&mut self, at: &Text, name: &str) -> Option<usize> {
        let place = self.parts.get(name).copied();
        if place.is_none() {
            self.say(self.at(at), What::NoPart(name.to_owned()));
        }
        place
    }

    /// The field `field` of the part at `place`, which takes it.
    fn taken(&mut self, at: &Text, place: usize, part: &str, field: &str) -> Option<Name> {
        if self
            .taken
            .get(place)
            .is_some_and(|taken| taken.contains(field))
        {
            return Name::parse(field).ok();
        }
        let (part, field) = (part.to_owned(), field.to_owned());
        self.say(self.at(at), What::NotTaken { part, field });
        None
    }
}

/// TOML as JSON; `None` for what JSON has no form for.
fn json(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::String(text) => Some(text.as_str().into()),
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number).map(Value::Number),
        toml::Value::Boolean(yes) => Some((*yes).into()),
        toml::Value::Array(values) => Option::from_iter(values.iter().map(json)).map(Value::Array),
        toml::Value::Table(table) => {
            let members = table
                .iter()
                .map(|(key, value)| Some((key.clone(), json(value)?)));
            Option::from_iter(members).map(Value::Object)
        }
        toml::Value::Datetime(_) => None,
    }
}
