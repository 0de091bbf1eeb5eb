//! What a system offers.

use bytes::Bytes;
use prost::Message;

use super::{arabic_name, ascending, english_name, optional_part, part, shown_text, system, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{Part, ServiceId, SystemId};
use crate::limits::{
    DISPLAY_NAME_BYTES_MAX, FIELDS_MAX, HEADER_VERSION, OPERATIONS_MAX, REGISTRY_HEADER_BYTES_MAX,
    SUBJECTS_MAX,
};
use crate::wire::registry::v1 as wire;

/// A service as its agency publishes it. Its digest is the contract that requests name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceDefinition {
    /// The system that offers it.
    pub system: SystemId,
    /// Its own name, for example `persons.v1`.
    pub service: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// What it can be asked, ascending by name.
    pub operations: Vec<Operation>,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// Whom to ask about it, shown to people; may be empty.
    pub owner_contact: String,
    /// `public`, `internal`, `personal` or `sensitive`, where it was said.
    pub sensitivity: Option<Part>,
}

/// One thing a service can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in headers.
    pub name: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// Fields it can return, ascending, each once.
    pub fields: Vec<Part>,
    /// The method of the OpenAPI operation it came from; may be empty.
    pub method: String,
    /// The path template of the OpenAPI operation it came from; may be empty.
    pub path: String,
    /// JSON Schema 2020-12 of the request's payload; empty: anything.
    pub request_schema: Bytes,
    /// JSON Schema 2020-12 of the answer's payload; empty: anything.
    pub answer_schema: Bytes,
    /// Where a request names a person, ascending by pointer.
    pub subjects: Vec<SubjectField>,
}

/// A place in a request that names a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectField {
    /// JSON Pointer (RFC 6901) into the request's payload.
    pub pointer: String,
    /// What kind of identifier stands there, for example `nid`.
    pub scheme: Part,
}

impl ServiceDefinition {
    /// The full name.
    pub fn id(&self) -> ServiceId {
        self.system.service(&self.service)
    }

    /// SHA-256 of the canonical bytes: what request headers name as `contract`.
    pub fn contract(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The operation of that name.
    pub fn operation(&self, name: &Part) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.name == *name)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::ServiceDefinition {
            version: HEADER_VERSION,
            system: self.system.to_string(),
            service: self.service.to_string(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            operations: self.operations.iter().map(Operation::to_wire).collect(),
            issued_at_ms: self.issued_at_ms,
            owner_contact: self.owner_contact.clone(),
            sensitivity: self
                .sensitivity
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads canonical bytes.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::ServiceDefinition = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let names_ascend = wire
            .operations
            .windows(2)
            .all(|pair| pair[0].name < pair[1].name);
        if wire.operations.is_empty() || wire.operations.len() > OPERATIONS_MAX || !names_ascend {
            return Err(HeaderError::Malformed(
                "its operations are none, too many, not ascending, or twice the same",
            ));
        }
        Ok(Self {
            system: system(&wire.system)?,
            service: part(&wire.service)?,
            name_ar: arabic_name(wire.name_ar)?,
            name_en: english_name(wire.name_en)?,
            operations: wire
                .operations
                .into_iter()
                .map(Operation::from_wire)
                .collect::<Result<_, _>>()?,
            issued_at_ms: wire.issued_at_ms,
            owner_contact: shown_text(wire.owner_contact)?,
            sensitivity: optional_part(&wire.sensitivity)?,
        })
    }
}

impl Operation {
    /// An operation of which nothing is said but its names and fields.
    pub fn plain(name: Part, name_ar: &str, name_en: &str, fields: Vec<Part>) -> Self {
        Self {
            name,
            name_ar: name_ar.to_owned(),
            name_en: name_en.to_owned(),
            fields,
            method: String::new(),
            path: String::new(),
            request_schema: Bytes::new(),
            answer_schema: Bytes::new(),
            subjects: Vec::new(),
        }
    }

    fn to_wire(&self) -> wire::Operation {
        wire::Operation {
            name: self.name.to_string(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            fields: texts(&self.fields),
            method: self.method.clone(),
            path: self.path.clone(),
            request_schema: self.request_schema.clone(),
            answer_schema: self.answer_schema.clone(),
            subjects: self
                .subjects
                .iter()
                .map(|subject| wire::SubjectField {
                    pointer: subject.pointer.clone(),
                    scheme: subject.scheme.to_string(),
                })
                .collect(),
        }
    }

    fn from_wire(wire: wire::Operation) -> Result<Self, HeaderError> {
        let ascend = wire
            .subjects
            .windows(2)
            .all(|pair| pair[0].pointer < pair[1].pointer);
        let pointers = wire.subjects.iter().all(|subject| {
            subject.pointer.starts_with('/') && subject.pointer.len() <= DISPLAY_NAME_BYTES_MAX
        });
        if wire.subjects.len() > SUBJECTS_MAX || !ascend || !pointers {
            return Err(HeaderError::Malformed(
                "its subjects are too many, not ascending, or no JSON pointers",
            ));
        }
        Ok(Self {
            name: part(&wire.name)?,
            name_ar: arabic_name(wire.name_ar)?,
            name_en: english_name(wire.name_en)?,
            fields: ascending(&wire.fields, FIELDS_MAX)?,
            method: shown_text(wire.method)?,
            path: shown_text(wire.path)?,
            request_schema: wire.request_schema,
            answer_schema: wire.answer_schema,
            subjects: wire
                .subjects
                .iter()
                .map(|subject| {
                    Ok(SubjectField {
                        pointer: subject.pointer.clone(),
                        scheme: part(&subject.scheme)?,
                    })
                })
                .collect::<Result<_, HeaderError>>()?,
        })
    }
}
