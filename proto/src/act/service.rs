//! What a system offers.

use bytes::Bytes;
use prost::Message;

use super::{ascending, display_name, part, system, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{Part, ServiceId, SystemId};
use crate::limits::{FIELDS_MAX, HEADER_VERSION, OPERATIONS_MAX, REGISTRY_HEADER_BYTES_MAX};
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
            operations: self
                .operations
                .iter()
                .map(|operation| wire::Operation {
                    name: operation.name.to_string(),
                    name_ar: operation.name_ar.clone(),
                    name_en: operation.name_en.clone(),
                    fields: texts(&operation.fields),
                })
                .collect(),
            issued_at_ms: self.issued_at_ms,
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
            name_ar: display_name(wire.name_ar)?,
            name_en: display_name(wire.name_en)?,
            operations: wire
                .operations
                .into_iter()
                .map(operation)
                .collect::<Result<_, _>>()?,
            issued_at_ms: wire.issued_at_ms,
        })
    }
}

fn operation(wire: wire::Operation) -> Result<Operation, HeaderError> {
    Ok(Operation {
        name: part(&wire.name)?,
        name_ar: display_name(wire.name_ar)?,
        name_en: display_name(wire.name_en)?,
        fields: ascending(&wire.fields, FIELDS_MAX)?,
    })
}
