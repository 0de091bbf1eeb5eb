//! From TOML to a composition, with every mistake at its place.
//!
//! Takes the bytes of a file. Gives the composition, or all that is wrong with it, in the order of the file. Knows no
//! registry: whether the services exist and who may ask them is `granted`'s to say.

use std::collections::{BTreeSet, HashMap};

use proto::id::{Part as Name, ServiceId};
use proto::limits::{DEADLINE_MS_DEFAULT, DEADLINE_MS_MAX, DISPLAY_NAME_BYTES_MAX, FIELDS_MAX};
use toml::Spanned;

use super::inputs::Kind;
use super::problem::{At, Lines, Problem, What};
use super::shape::{File, FileInput, FilePart, Text};
use super::{Composition, FILE_BYTES_MAX, Input, PARTS_MAX, Part, Places, order};

mod sources;

/// The first half of a place in a text that names an input, and so no part's name.
const INPUT: &str = "input";
/// Tries after the first, of each part.
const RETRIES_MAX: i64 = 16;

/// Reads a file's bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Composition, Vec<Problem>> {
    let nowhere = |what| {
        vec![Problem {
            at: At::default(),
            what,
        }]
    };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(nowhere(What::Large(FILE_BYTES_MAX)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| nowhere(What::NotText))?;
    let lines = Lines(text);
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error
            .span()
            .map(|span| lines.at(span.start))
            .unwrap_or_default();
        let what = What::Syntax(error.message().to_owned());
        vec![Problem { at, what }]
    })?;
    let mut reading = Reading {
        lines,
        problems: Vec::new(),
        inputs: HashMap::new(),
        parts: HashMap::new(),
        taken: Vec::new(),
    };
    let composition = reading.composition(file);
    reading.problems.sort_by_key(|problem| problem.at);
    match (composition, reading.problems) {
        (Some(composition), problems) if problems.is_empty() => Ok(composition),
        (_, problems) => Err(problems),
    }
}

struct Reading<'a> {
    lines: Lines<'a>,
    problems: Vec<Problem>,
    /// Places of inputs and parts by name.
    inputs: HashMap<String, usize>,
    parts: HashMap<String, usize>,
    /// The fields that each part takes.
    taken: Vec<BTreeSet<String>>,
}

impl Reading<'_> {
    fn composition(&mut self, file: File) -> Option<Composition> {
        let name = self.name("composition", &file.composition);
        let titles = self.titles(&file.name_en, &file.name_ar);
        let deadline = i64::from(DEADLINE_MS_DEFAULT);
        let deadline_ms = self.number(
            "deadline_ms",
            file.deadline_ms.as_ref(),
            deadline,
            DEADLINE_MS_MAX.into(),
        );
        let retries = self.number("retries", file.retries.as_ref(), 1, RETRIES_MAX);
        for (what, count, at) in [
            (
                "inputs",
                file.inputs.len(),
                file.inputs.get(PARTS_MAX).map(|input| &input.name),
            ),
            (
                "parts",
                file.parts.len(),
                file.parts.get(PARTS_MAX).map(|part| &part.name),
            ),
        ] {
            if count > PARTS_MAX {
                let at = at.map(|at| self.at(at)).unwrap_or_default();
                self.say(
                    at,
                    What::TooMany {
                        what,
                        max: PARTS_MAX,
                    },
                );
                return None;
            }
        }
        if file.parts.is_empty() {
            self.say(At::default(), What::Empty);
        }
        self.names(&file);
        let inputs = file.inputs.iter().map(|input| self.input(input)).collect();
        let parts: Vec<Option<Part>> = file.parts.iter().map(|part| self.part(part)).collect();
        // A part that could not be read waits for nobody: circles among the others are told all the same.
        let needs: Vec<BTreeSet<usize>> = parts
            .iter()
            .map(|part| {
                part.as_ref()
                    .map(|part| part.needs.clone())
                    .unwrap_or_default()
            })
            .collect();
        if let Some(circle) = order::circle(&needs) {
            let first = circle
                .first()
                .map(|place| self.at(&file.parts[*place].name))
                .unwrap_or_default();
            let names = circle
                .iter()
                .map(|place| file.parts[*place].name.get_ref().clone());
            let circle = names.collect();
            self.say(first, What::Circle(circle));
        }
        Some(Composition {
            name: name?,
            titles,
            deadline_ms: u32::try_from(deadline_ms).ok()?,
            retries: u32::try_from(retries).ok()?,
            actor_required: file.actor_required,
            inputs: Option::from_iter::<Vec<Option<Input>>>(inputs)?,
            parts: Option::from_iter(parts)?,
        })
    }

    /// Notes which names there are, each once.
    fn names(&mut self, file: &File) {
        for (place, input) in file.inputs.iter().enumerate() {
            let name = input.name.get_ref().clone();
            if self.inputs.insert(name.clone(), place).is_some() {
                self.say(
                    self.at(&input.name),
                    What::Twice {
                        what: "inputs",
                        name,
                    },
                );
            }
        }
        for (place, part) in file.parts.iter().enumerate() {
            let name = part.name.get_ref().clone();
            if self.parts.insert(name.clone(), place).is_some() {
                self.say(
                    self.at(&part.name),
                    What::Twice {
                        what: "parts",
                        name: name.clone(),
                    },
                );
            }
            if name == INPUT || name.contains('.') {
                let why = "a part is not called 'input', and its name has no dot".to_owned();
                self.say(self.at(&part.name), What::NotOne { key: "name", why });
            }
            self.taken.push(
                part.fields
                    .iter()
                    .map(|field| field.get_ref().clone())
                    .collect(),
            );
        }
    }

    fn input(&mut self, input: &FileInput) -> Option<Input> {
        let name = self.name("name", &input.name);
        let titles = self.titles(&input.name_en, &input.name_ar);
        let kind = match &input.kind {
            None => Some(Kind::Text),
            Some(text) => {
                let kind = Kind::parse(text.get_ref());
                if kind.is_none() {
                    let why = format!(
                        "'{}' is none of text, integer, bool, date, nid",
                        text.get_ref()
                    );
                    self.say(self.at(text), What::NotOne { key: "kind", why });
                }
                kind
            }
        };
        Some(Input {
            name: name?,
            titles,
            kind: kind?,
        })
    }

    fn part(&mut self, part: &FilePart) -> Option<Part> {
        let name = self.name("name", &part.name);
        let titles = self.titles(&part.name_en, &part.name_ar);
        let service = ServiceId::parse(part.service.get_ref());
        let service = service
            .map_err(|error| self.not_one("service", &part.service, &error))
            .ok();
        let operation = self.name("operation", &part.operation);
        let purpose = self.name("purpose", &part.purpose);
        let fields = self.fields(part);
        if part.parameters.len() > PARTS_MAX {
            self.say(
                self.at(&part.name),
                What::TooMany {
                    what: "parameters",
                    max: PARTS_MAX,
                },
            );
        }
        let mut needs = BTreeSet::new();
        let (mut parameters, mut parameter_places) = (Vec::new(), Vec::new());
        for (name, source) in &part.parameters {
            let at = self.lines.at(source.span().start);
            if let Some(source) = self.source(name, source, &mut needs) {
                parameter_places.push(at);
                parameters.push((name.clone(), source));
            }
        }
        for other in &part.after {
            needs.extend(self.other(other, other.get_ref()));
        }
        let most = i64::from(DEADLINE_MS_MAX);
        let deadline_ms = part.deadline_ms.as_ref();
        let deadline_ms = deadline_ms.map(|ms| self.number("deadline_ms", Some(ms), 0, most));
        let plain = self.plain(part.payload.as_ref());
        let places = Places {
            service: self.at(&part.service),
            operation: self.at(&part.operation),
            purpose: self.at(&part.purpose),
            fields: fields.iter().map(|(_, at)| *at).collect(),
            parameters: parameter_places,
        };
        Some(Part {
            name: name?,
            titles,
            service: service?,
            operation: operation?,
            purpose: purpose?,
            fields: fields.into_iter().map(|(field, _)| field).collect(),
            parameters,
            needs,
            deadline_ms: deadline_ms.and_then(|ms| u32::try_from(ms).ok()),
            once: part.once,
            plain: plain.unwrap_or(false),
            places,
        })
    }

    /// Whether the parameters are the whole payload.
    fn plain(&mut self, payload: Option<&Text>) -> Option<bool> {
        let text = payload?;
        match text.get_ref().as_str() {
            "stock" => Some(false),
            "plain" => Some(true),
            _ => {
                let why = "it is neither \"stock\" nor \"plain\"".to_owned();
                self.say(
                    self.at(text),
                    What::NotOne {
                        key: "payload",
                        why,
                    },
                );
                None
            }
        }
    }

    /// The fields with their places, ascending.
    fn fields(&mut self, part: &FilePart) -> Vec<(Name, At)> {
        if part.fields.len() > FIELDS_MAX {
            let at = self.at(&part.fields[FIELDS_MAX]);
            self.say(
                at,
                What::TooMany {
                    what: "fields",
                    max: FIELDS_MAX,
                },
            );
        }
        let mut fields = Vec::new();
        for text in &part.fields {
            let Some(field) = self.name("fields", text) else {
                continue;
            };
            if fields.iter().any(|(known, _)| *known == field) {
                let name = field.to_string();
                self.say(
                    self.at(text),
                    What::Twice {
                        what: "fields",
                        name,
                    },
                );
            }
            fields.push((field, self.at(text)));
        }
        fields.sort();
        fields
    }

    fn name(&mut self, key: &'static str, text: &Text) -> Option<Name> {
        Name::parse(text.get_ref())
            .map_err(|error| self.not_one(key, text, &error))
            .ok()
    }

    /// What people are shown, English then Arabic.
    fn titles(&mut self, english: &Text, arabic: &Text) -> [String; 2] {
        for (key, text) in [("name_en", english), ("name_ar", arabic)] {
            let title = text.get_ref();
            if title.trim().is_empty()
                || title.len() > DISPLAY_NAME_BYTES_MAX
                || title.chars().any(char::is_control)
            {
                let why = format!("1 to {DISPLAY_NAME_BYTES_MAX} bytes on one line");
                self.say(self.at(text), What::NotOne { key, why });
            }
        }
        [english.get_ref().clone(), arabic.get_ref().clone()]
    }

    fn number(
        &mut self,
        key: &'static str,
        value: Option<&Spanned<i64>>,
        default: i64,
        max: i64,
    ) -> i64 {
        let Some(value) = value else { return default };
        let least = i64::from(key != "retries");
        if !(least..=max).contains(value.get_ref()) {
            let why = format!("{} is not within {least} and {max}", value.get_ref());
            self.say(self.lines.at(value.span().start), What::NotOne { key, why });
        }
        *value.get_ref()
    }

    fn at(&self, text: &Text) -> At {
        self.lines.at(text.span().start)
    }

    fn not_one(&mut self, key: &'static str, text: &Text, why: &dyn std::fmt::Display) {
        self.say(
            self.at(text),
            What::NotOne {
                key,
                why: why.to_string(),
            },
        );
    }

    fn say(&mut self, at: At, what: What) {
        self.problems.push(Problem { at, what });
    }
}
