//! What a service promises, read from what its owner wrote: an OpenAPI 3 document or JSON Schemas.
//!
//! Takes bytes that nobody has checked, gives a [`Contract`]: for every operation the schema of its
//! request and of its answer as self-contained JSON Schema 2020-12, the fields that can be granted
//! and the subjects that are marked. It reads no other document: a reference that leaves the document
//! is refused. What it gives can be compiled ([`Validator`]), compared ([`breaking()`]) and enforced
//! ([`strip()`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `document`, `json`, `yaml` | bytes → one JSON value, bounded, no name twice |
//! | `openapi` | an OpenAPI document → operations |
//! | `bundle`, `keywords` | a schema and what it refers to → one schema with `$defs` |
//! | `record` | fields, subjects, [`strip()`] |
//! | `validator`, `work` | payloads against a schema, with a bound on the work |
//! | `breaking`, `view`, `change` | what a new contract takes from those who use the old one |
//!
//! # Extensions
//! `x-mohawel-subject: SCHEME` on a request property or parameter marks whom a request is about;
//! `x-summary-ar` (or `x-mohawel-ar`) beside `summary` is its Arabic.

mod breaking;
mod bundle;
mod change;
mod document;
mod json;
mod keywords;
mod openapi;
mod patterns;
mod place;
mod record;
mod schemas;
mod validator;
mod view;
mod violation;
mod work;
mod yaml;

#[cfg(test)]
mod tests;

use proto::id::Part;
use proto::limits::{DISPLAY_NAME_BYTES_MAX, FIELDS_MAX, OPERATIONS_MAX};
use serde_json::Value;
use thiserror::Error;

pub use breaking::breaking;
pub use change::{Change, ChangeKind, ChangePart};
pub(crate) use json::read_strictly;
pub use record::{Stripped, strip};
pub use schemas::{OperationSchemas, SchemaSet};
pub use validator::Validator;
pub use violation::Violation;

/// Bytes of a document at most.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Objects and arrays inside each other at most, in a document and in a schema.
pub const DOCUMENT_DEPTH_MAX: usize = 64;
/// Bytes of an operation's two schemas together at most, as compact JSON.
pub const OPERATION_BYTES_MAX: usize = 24 * 1024;
/// References of one schema at most.
pub const REFERENCES_MAX: usize = 256;

/// What a service can be asked and what it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// Ascending by name; 1 to 64, no two equal but for case.
    pub operations: Vec<Operation>,
}

/// One thing a service can be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`: the `operationId`, or method and path template.
    pub name: String,
    /// HTTP method in capitals; only from OpenAPI.
    pub method: Option<String>,
    /// Path template, for example `/persons/{nid}`; only from OpenAPI.
    pub path: Option<String>,
    /// Shown to people, at most 256 bytes.
    pub summary_en: Option<String>,
    /// Shown to people, at most 256 bytes.
    pub summary_ar: Option<String>,
    /// JSON Schema 2020-12 of the payload, self-contained.
    pub request_schema: Value,
    /// JSON Schema 2020-12 of the answer's payload, self-contained.
    pub answer_schema: Value,
    /// Top-level properties of the answer's record, ascending: what can be granted. Of an answer that
    /// is a list these are the properties of its records. Empty only when nothing is answered.
    pub fields: Vec<String>,
    /// Whom a request is about, ascending by pointer.
    pub subjects: Vec<Subject>,
}

/// A property of the request that says whom the request is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// JSON Pointer into the request's payload.
    pub pointer: String,
    /// What kind of number it is, for example `nid`: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub scheme: String,
}

impl Contract {
    /// Reads an OpenAPI 3.0 or 3.1 document, JSON or YAML by its content.
    ///
    /// `get`, `put`, `post`, `delete` and `patch` become operations. A request is one JSON object:
    /// path and query parameters beside the properties of the JSON body. A payload is always sent, so
    /// what a body requires is required whether or not the document calls the body itself required.
    /// The answer is the JSON content of the first of 200, 201, 202, 203 and 2XX that has any.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn from_openapi(bytes: &[u8]) -> Result<Self, ContractError> {
        let document = document::read(bytes)?;
        Self::of(openapi::operations(&document)?)
    }

    /// Takes one request and one answer schema (JSON Schema 2020-12) for each operation.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn from_schemas(set: &SchemaSet) -> Result<Self, ContractError> {
        Self::of(schemas::operations(set)?)
    }

    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.name == name)
    }

    fn of(mut operations: Vec<Operation>) -> Result<Self, ContractError> {
        if operations.is_empty() {
            return Err(ContractError::NoOperation);
        }
        if operations.len() > OPERATIONS_MAX {
            return Err(ContractError::TooMany {
                what: "operations",
                max: OPERATIONS_MAX,
            });
        }
        operations.sort_by(|a, b| a.name.cmp(&b.name));
        let mut folded: Vec<_> = operations
            .iter()
            .map(|operation| operation.name.to_ascii_lowercase())
            .collect();
        folded.sort();
        if let Some(pair) = folded.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ContractError::Twice {
                what: "operation",
                name: pair[0].clone(),
            });
        }
        Ok(Self { operations })
    }
}

/// What was read of an operation before its schemas were looked at.
struct Draft {
    name: String,
    method: Option<String>,
    path: Option<String>,
    summary_en: Option<String>,
    summary_ar: Option<String>,
    request_schema: Value,
    answer_schema: Value,
    /// Nothing is answered, so nothing can be granted.
    silent: bool,
}

impl Draft {
    /// Everything that holds for every operation, wherever it was read from. `pointer` says where.
    fn complete(self, pointer: &str) -> Result<Operation, ContractError> {
        if Part::parse(&self.name).is_err() {
            return Err(ContractError::Name {
                pointer: pointer.to_owned(),
                what: "an operation's name",
                name: place::shown(&self.name),
            });
        }
        for summary in self.summary_en.iter().chain(&self.summary_ar) {
            legible(summary, pointer)?;
        }
        let operation = &self.name;
        let bytes = self.request_schema.to_string().len() + self.answer_schema.to_string().len();
        if bytes > OPERATION_BYTES_MAX {
            return Err(ContractError::OperationBytes {
                operation: operation.clone(),
                bytes,
            });
        }
        for (part, schema) in [
            ("request", &self.request_schema),
            ("answer", &self.answer_schema),
        ] {
            Validator::new(schema).map_err(|error| error.of(operation, part))?;
        }
        let fields = record::fields(&self.answer_schema);
        if fields.is_empty() && !self.silent {
            return Err(ContractError::NoField(operation.clone()));
        }
        if fields.len() > FIELDS_MAX {
            return Err(ContractError::TooMany {
                what: "fields in one answer",
                max: FIELDS_MAX,
            });
        }
        if let Some(name) = fields.iter().find(|name| Part::parse(name).is_err()) {
            return Err(ContractError::Name {
                pointer: pointer.to_owned(),
                what: "a field of the answer",
                name: place::shown(name),
            });
        }
        let subjects = record::subjects(&self.request_schema)
            .map_err(|error| error.of(operation, "request"))?;
        Ok(Operation {
            fields: fields.into_iter().collect(),
            subjects,
            name: self.name,
            method: self.method,
            path: self.path,
            summary_en: self.summary_en,
            summary_ar: self.summary_ar,
            request_schema: self.request_schema,
            answer_schema: self.answer_schema,
        })
    }
}

/// Text for people: bounded, without control and direction-changing characters, as `proto` wants it.
fn legible(text: &str, pointer: &str) -> Result<(), ContractError> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.trim().is_empty() || text.len() > DISPLAY_NAME_BYTES_MAX || text.chars().any(hidden) {
        return Err(ContractError::Summary(pointer.to_owned()));
    }
    Ok(())
}

/// Why a document is not a contract. Every pointer is a JSON Pointer into what was given; what is
/// repeated of a hostile text is short and printable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ContractError {
    /// Larger than is read.
    #[error(
        "the document has {0} bytes, {DOCUMENT_BYTES_MAX} at most; publish its parts as services of their own"
    )]
    DocumentBytes(usize),
    /// Neither JSON nor YAML that is read here.
    #[error("the document cannot be read: {0}")]
    Syntax(String),
    /// OpenAPI 2.
    #[error(
        "this is Swagger 2.0; convert it to OpenAPI 3 (most editors do, for example 'swagger2openapi FILE') and publish that"
    )]
    Swagger,
    /// No OpenAPI document, or a version that is not read.
    #[error("'{0}' is not a version that is read here; write openapi: 3.0.x or 3.1.x")]
    Version(String),
    /// Something that has to be there is not, or has another shape.
    #[error("{pointer}: {what}")]
    Shape {
        /// Where.
        pointer: String,
        /// What it has to be.
        what: &'static str,
    },
    /// A reference to another document or by another way than a JSON Pointer.
    #[error(
        "{pointer}: '{reference}' is not followed; put the schema into this document and refer to it as #/components/schemas/NAME (in JSON Schemas #/$defs/NAME)"
    )]
    Remote {
        /// Where the reference stands.
        pointer: String,
        /// The reference.
        reference: String,
    },
    /// A local reference to nothing.
    #[error("{pointer}: '{reference}' refers to nothing; write what it refers to, or correct it")]
    Dangling {
        /// Where the reference stands.
        pointer: String,
        /// The reference.
        reference: String,
    },
    /// References that go round and say nothing.
    #[error("{pointer}: its references go round in a circle and never reach a schema; break it")]
    Circle {
        /// A place on the way.
        pointer: String,
    },
    /// A keyword that is not used here.
    #[error("{pointer}: '{keyword}' is not used here: {remedy}")]
    Keyword {
        /// Where.
        pointer: String,
        /// The keyword.
        keyword: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// The same name from two places.
    #[error(
        "{pointer}: '{name}' is both a parameter and another parameter or a property of the body; a request is one object, so rename one"
    )]
    Clash {
        /// Where the second stands.
        pointer: String,
        /// The name.
        name: String,
    },
    /// A name outside the alphabet.
    #[error(
        "{pointer}: '{name}' cannot be {what}: 1 to 64 letters, digits, '.', '_' and '-', first a letter or digit, no '..'"
    )]
    Name {
        /// Where.
        pointer: String,
        /// What was named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Equal, or equal but for case.
    #[error("the {what} '{name}' is there twice (case does not count); rename one")]
    Twice {
        /// What was named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing to ask.
    #[error("no operation was found; an operation is a get, put, post, delete or patch of a path")]
    NoOperation,
    /// More than is read.
    #[error("more than {max} {what}; divide the service")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// Schemas too large for the registry.
    #[error(
        "the schemas of operation '{operation}' have {bytes} bytes, {OPERATION_BYTES_MAX} at most; drop what the answer does not need"
    )]
    OperationBytes {
        /// The operation.
        operation: String,
        /// Of both schemas.
        bytes: usize,
    },
    /// An answer that names no property.
    #[error(
        "the answer of operation '{0}' names no property, so no field could be granted; describe an object, or a list of objects, with properties"
    )]
    NoField(String),
    /// A summary that cannot be shown.
    #[error(
        "{0}: a summary is at most {DISPLAY_NAME_BYTES_MAX} bytes, not empty, without control or direction-changing characters; shorten it"
    )]
    Summary(String),
    /// A schema that cannot be compiled.
    #[error("{pointer}: {what}")]
    Schema {
        /// Where in the schema.
        pointer: String,
        /// Why not.
        what: String,
    },
}

impl ContractError {
    /// The same, its pointer made to start at the operation's request or answer schema.
    fn of(self, operation: &str, part: &str) -> Self {
        let place = |pointer: String| format!("{operation}, {part} schema, {pointer}");
        match self {
            Self::Schema { pointer, what } => Self::Schema {
                pointer: place(pointer),
                what,
            },
            Self::Shape { pointer, what } => Self::Shape {
                pointer: place(pointer),
                what,
            },
            Self::Circle { pointer } => Self::Circle {
                pointer: place(pointer),
            },
            other => other,
        }
    }
}
