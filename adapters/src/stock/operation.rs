//! Operations of a stock service: parameters in, fields out, whatever answers in between.
//!
//! Takes a request that passed the adapter's checks. Gives the bound arguments and the columns of
//! exactly the fields that were asked for. Never gives a field that was not asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::id::Part;
use proto::limits::FIELDS_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};
use time::Date;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use super::file::{Names, Reading};
use super::payload::{JSON, Question, Rows};
use crate::provider::{Failure, Reply, Request};

/// Bytes of one text argument.
const TEXT_BYTES_MAX: usize = 4_096;

/// ISO 8601, as in question and answer.
pub(super) const DATE: StaticFormatDescription = format_description!("[year]-[month]-[day]");

/// What a parameter must be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ParameterType {
    Text,
    Integer,
    Real,
    Bool,
    Date,
}

/// What a parameter is, in one request.
#[derive(Clone, PartialEq)]
pub(super) enum Argument {
    Text(String),
    Integer(i64),
    Real(f64),
    Bool(bool),
    /// `YYYY-MM-DD`, a day that exists.
    Date(String),
}

impl Argument {
    fn read(kind: ParameterType, value: &Value) -> Option<Self> {
        match kind {
            ParameterType::Text => {
                let text = value.as_str()?;
                let holds = text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
                holds.then(|| Self::Text(text.to_owned()))
            }
            ParameterType::Integer => value.as_i64().map(Self::Integer),
            ParameterType::Real => value
                .as_f64()
                .filter(|real| real.is_finite())
                .map(Self::Real),
            ParameterType::Bool => value.as_bool().map(Self::Bool),
            ParameterType::Date => {
                let text = value.as_str()?;
                let holds = text.len() == 10 && Date::parse(text, DATE).is_ok();
                holds.then(|| Self::Date(text.to_owned()))
            }
        }
    }

    /// As it stands in a URL.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Text(text) | Self::Date(text) => text.clone(),
            Self::Integer(integer) => integer.to_string(),
            Self::Real(real) => real.to_string(),
            Self::Bool(yes) => yes.to_string(),
        }
    }

    /// As it stands in a JSON body.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Date(text) => text.as_str().into(),
            Self::Integer(integer) => (*integer).into(),
            Self::Real(real) => (*real).into(),
            Self::Bool(yes) => (*yes).into(),
        }
    }
}

/// What happens without a row.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Empty {
    #[default]
    NotFound,
    Answer,
}

/// One operation; `way` is what its kind needs to answer it.
#[derive(Debug)]
pub(super) struct Operation<T> {
    pub(super) parameters: BTreeMap<String, ParameterType>,
    /// Field and where its value comes from.
    pub(super) fields: Vec<(Part, String)>,
    pub(super) empty: Empty,
    pub(super) way: T,
}

/// All operations of a service.
#[derive(Debug)]
pub(super) struct Operations<T> {
    by_name: BTreeMap<String, Operation<T>>,
    max_rows: usize,
    timeout: Duration,
}

/// A request, opened.
pub(super) struct Asked<'a, T> {
    pub(super) way: &'a T,
    pub(super) arguments: BTreeMap<&'a str, Argument>,
    pub(super) wanted: Vec<(&'a Part, &'a str)>,
    pub(super) rows: Rows,
    /// The fields of the request's row rules, and where their values come from.
    scope: Vec<(&'a Part, &'a str)>,
    request: &'a Request,
    /// What is left: the operation's timeout or the consumer's deadline, whichever is nearer.
    pub(super) within: Duration,
    empty: Empty,
}

impl<T> Operations<T> {
    /// Reads all operations of `place` with `read`, which tells `reading` what is wrong with one.
    pub(super) fn read(
        place: &str,
        tables: BTreeMap<String, toml::Table>,
        limits: (usize, Duration),
        reading: &mut Reading,
        mut read: impl FnMut(&str, toml::Table, &mut Reading) -> Option<Operation<T>>,
    ) -> Self {
        if tables.is_empty() {
            reading.say(place, "has no operation");
        }
        let mut by_name = BTreeMap::new();
        for (name, table) in tables {
            let place = format!("{place}.operation.{name}");
            if let Err(error) = Part::parse(&name) {
                reading.say(&place, error);
            }
            if let Some(operation) = read(&place, table, reading) {
                for parameter in operation
                    .parameters
                    .keys()
                    .filter(|name| !is_parameter(name))
                {
                    reading.say(
                        &place,
                        format_args!("parameter '{parameter}' is not a name like national_id"),
                    );
                }
                by_name.insert(name, operation);
            }
        }
        Self {
            by_name,
            max_rows: limits.0,
            timeout: limits.1,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Operation<T>)> {
        self.by_name
            .iter()
            .map(|(name, operation)| (name.as_str(), operation))
    }

    /// Each operation with its fields.
    pub(super) fn list(&self) -> Vec<(&str, Vec<&Part>)> {
        self.iter()
            .map(|(name, operation)| {
                (
                    name,
                    operation.fields.iter().map(|(field, _)| field).collect(),
                )
            })
            .collect()
    }

    /// Opens a request's payload and binds it to its operation.
    pub(super) fn open<'a>(&'a self, request: &'a Request) -> Result<Asked<'a, T>, Failure> {
        let question = Question::open(request)?;
        let operation = self
            .by_name
            .get(request.operation.as_str())
            .ok_or_else(|| Failure::failed("the stock file has no such operation"))?;
        Ok(Asked {
            way: &operation.way,
            arguments: operation.arguments(&question.parameters)?,
            wanted: operation.wanted(&request.fields)?,
            scope: operation.scope(request)?,
            request,
            rows: Rows::new(self.max_rows),
            within: self.timeout.min(request.remaining),
            empty: operation.empty,
        })
    }
}

impl<T> Operation<T> {
    fn arguments(&self, given: &Map<String, Value>) -> Result<BTreeMap<&str, Argument>, Failure> {
        if let Some(unknown) = given
            .keys()
            .find(|name| !self.parameters.contains_key(*name))
        {
            return Err(Failure::InvalidRequest(format!(
                "unknown parameter '{unknown}'"
            )));
        }
        let mut arguments = BTreeMap::new();
        for (name, kind) in &self.parameters {
            let value = given
                .get(name)
                .ok_or_else(|| Failure::InvalidRequest(format!("parameter '{name}' is missing")))?;
            let argument = Argument::read(*kind, value).ok_or_else(|| {
                Failure::InvalidRequest(format!("parameter '{name}' is not {kind:?}"))
            })?;
            arguments.insert(name.as_str(), argument);
        }
        Ok(arguments)
    }

    fn scope<'a>(&'a self, request: &Request) -> Result<Vec<(&'a Part, &'a str)>, Failure> {
        let fields: Vec<Part> = request.rows.iter().map(|row| row.field.clone()).collect();
        self.wanted(&fields)
    }

    fn wanted(&self, asked: &[Part]) -> Result<Vec<(&Part, &str)>, Failure> {
        asked
            .iter()
            .map(|field| {
                let found = self.fields.iter().find(|(name, _)| name == field);
                found
                    .map(|(name, source)| (name, source.as_str()))
                    .ok_or_else(|| {
                        Failure::failed(format_args!(
                            "the stock file maps nothing to field '{field}'"
                        ))
                    })
            })
            .collect()
    }
}

impl<T> Asked<'_, T> {
    /// Whether rows outside the grant are left out.
    pub(super) fn is_scoped(&self) -> bool {
        !self.scope.is_empty()
    }

    /// Adds a row. `value` gives what its kind finds at a field's source. `false`: no more rows.
    pub(super) fn push(
        &mut self,
        mut value: impl FnMut(&str) -> Result<Value, Failure>,
    ) -> Result<bool, Failure> {
        let mut judged = Map::new();
        for (field, source) in &self.scope {
            judged.insert(field.as_str().to_owned(), value(source)?);
        }
        // A row outside the grant is as if it were not there.
        if !self.request.covers(|field| judged.get(field).cloned())? {
            return Ok(true);
        }
        let mut row = Map::new();
        for (field, source) in &self.wanted {
            row.insert(field.as_str().to_owned(), value(source)?);
        }
        self.rows.push(&row)
    }

    /// The answer.
    pub(super) fn reply(self) -> Result<Reply, Failure> {
        let none = self.rows.is_empty();
        if none && self.empty == Empty::NotFound {
            return Err(Failure::NotFound);
        }
        let fields = if none { Vec::new() } else { self.wanted };
        Ok(Reply {
            fields: fields.into_iter().map(|(field, _)| field.clone()).collect(),
            content_type: JSON.to_owned(),
            payload: self.rows.finish(),
            rows_applied: true,
        })
    }
}

/// Reads which field comes from where.
pub(super) fn fields(place: &str, names: Names, reading: &mut Reading) -> Vec<(Part, String)> {
    if names.0.len() > FIELDS_MAX {
        reading.say(place, format_args!("more than {FIELDS_MAX} fields"));
    }
    let mut seen = BTreeSet::new();
    let mut fields = Vec::new();
    for (name, source) in names.0 {
        if !seen.insert(name.clone()) {
            reading.say(place, format_args!("field '{name}' stands twice"));
        }
        match Part::parse(&name) {
            Ok(field) => fields.push((field, source)),
            Err(error) => reading.say(place, format_args!("field '{name}': {error}")),
        }
    }
    fields
}

/// Whether `name` can be a parameter: what can follow `:` in a query.
fn is_parameter(name: &str) -> bool {
    let plain = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    plain && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}
