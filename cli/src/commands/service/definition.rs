//! What a service is, from a TOML file, an OpenAPI document or another agency's definition. Of a TOML file unknown keys
//! are refused and every problem is told at once.
//!
//! ```toml
//! service = "persons.v1"
//! name_ar = "بيانات الأشخاص"
//! name_en = "Persons"
//! owner_contact = "persons@civil.example"     # may be left out
//! sensitivity = "personal"                    # public, internal, personal, sensitive, restricted, break-glass; may be left out
//!
//! [[operations]]
//! name = "person"
//! name_ar = "شخص"
//! name_en = "One person"
//! fields = ["name", "birth_date"]             # may be left out beside an answer_schema: then all of its properties
//! answer_schema = "person.schema.json"        # a path, JSON text or a table; may be left out
//! subjects = [{ pointer = "/nid", scheme = "nid" }]
//!
//! [operations.request_schema]                 # as answer_schema
//! required = ["nid"]
//! properties = { nid = { type = "string", pattern = "^[0-9]{14}$" } }
//! ```

use std::fs;
use std::path::Path;

use adapters::contract::Contract;
use adapters::provider::contract::Enforced;
use proto::act::{BREAK_GLASS, Operation, RESTRICTED, ServiceDefinition};
use proto::id::{Part, SystemId};
use proto::limits::{FIELDS_MAX, OPERATIONS_MAX, REGISTRY_HEADER_BYTES_MAX};
use serde::Deserialize;

use schemas::{Given, GivenSubject};

use crate::commands::refused::problems;
use crate::commands::switch_dir::in_file;
use crate::commands::toml_keys::{self, Shape};
use crate::failure::Failure;

pub(super) mod schemas;

/// The words for `sensitivity`.
const SENSITIVITIES: [&str; 6] = [
    "public",
    "internal",
    "personal",
    "sensitive",
    RESTRICTED,
    BREAK_GLASS,
];

/// What every definition says.
const KEYS: Shape = Shape {
    top: &["service", "name_ar", "name_en", "operations"],
    list: "operations",
    each: &["name", "name_ar", "name_en"],
};

/// A service, not yet any system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its own name, for example `persons.v1`.
    pub service: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// Ascending by name, each once.
    pub operations: Vec<Operation>,
    /// Whom to ask about it; may be empty.
    pub owner_contact: String,
    /// How sensitive its data is, where it was said.
    pub sensitivity: Option<Part>,
}

/// What a document does not say of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Its own name.
    pub service: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// Whom to ask about it.
    pub owner_contact: String,
    /// How sensitive its data is, where it was said.
    pub sensitivity: Option<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: String,
    name_ar: String,
    name_en: String,
    #[serde(default)]
    owner_contact: String,
    sensitivity: Option<String>,
    operations: Vec<FileOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOperation {
    name: String,
    name_ar: String,
    name_en: String,
    fields: Option<Vec<String>>,
    request_schema: Option<Given>,
    answer_schema: Option<Given>,
    #[serde(default)]
    subjects: Vec<GivenSubject>,
}

impl Definition {
    /// Reads the file.
    ///
    /// # Errors
    /// A usage failure with every problem of the file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| in_file(path, error))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        Self::parse_in(&text, dir).map_err(|found| problems(path, &found))
    }

    /// Reads the text; paths of schemas start at the working folder.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        Self::parse_in(text, Path::new(""))
    }

    /// Reads the text; paths of schemas start at `dir`.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    pub fn parse_in(text: &str, dir: &Path) -> Result<Self, Vec<String>> {
        let file: File = toml_keys::read(text, &KEYS)?;
        let mut found = Vec::new();
        let service = parsed("service", &file.service, &mut found);
        let sensitivity = file.sensitivity.as_deref().and_then(|word| {
            if !SENSITIVITIES.contains(&word) {
                found.push(format!("sensitivity: one of {}", SENSITIVITIES.join(", ")));
                return None;
            }
            parsed("sensitivity", word, &mut found)
        });
        let mut operations: Vec<Operation> = file
            .operations
            .into_iter()
            .filter_map(|operation| operation.read(dir, &mut found))
            .collect();
        operations.sort_by(|one, other| one.name.cmp(&other.name));
        if operations
            .windows(2)
            .any(|pair| pair[0].name == pair[1].name)
        {
            found.push("operations: one name stands there twice".to_owned());
        }
        if found.is_empty() && (operations.is_empty() || operations.len() > OPERATIONS_MAX) {
            found.push(format!("operations: 1 to {OPERATIONS_MAX} are needed"));
        }
        let Some(service) = service.filter(|_| found.is_empty()) else {
            return Err(found);
        };
        let definition = Self {
            service,
            name_ar: file.name_ar,
            name_en: file.name_en,
            operations,
            owner_contact: file.owner_contact,
            sensitivity,
        };
        definition.readable()?;
        Ok(definition)
    }

    /// Reads the OpenAPI document in a file.
    ///
    /// # Errors
    /// A usage failure that says what in the document is wrong.
    pub fn load_openapi(path: &Path, naming: Naming) -> Result<Self, Failure> {
        let bytes = schemas::bounded(path).map_err(|error| in_file(path, error))?;
        Self::from_openapi(&bytes, naming).map_err(|problem| in_file(path, problem))
    }

    /// Derives the operations from an OpenAPI 3 document.
    ///
    /// # Errors
    /// What is wrong with it, a sentence.
    pub fn from_openapi(bytes: &[u8], naming: Naming) -> Result<Self, String> {
        let contract = Contract::from_openapi(bytes).map_err(|error| error.to_string())?;
        let mut operations = contract
            .operations
            .iter()
            .map(schemas::from_contract)
            .collect::<Result<Vec<_>, _>>()?;
        operations.sort_by(|one, other| one.name.cmp(&other.name));
        let definition = Self {
            service: naming.service,
            name_ar: naming.name_ar,
            name_en: naming.name_en,
            operations,
            owner_contact: naming.owner_contact,
            sensitivity: naming.sensitivity,
        };
        definition.readable().map_err(|found| found.join("; "))?;
        Ok(definition)
    }

    /// The definition as `system` publishes it at `issued_at_ms`.
    pub fn of_system(&self, system: &SystemId, issued_at_ms: u64) -> ServiceDefinition {
        ServiceDefinition {
            system: system.clone(),
            service: self.service.clone(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            operations: self.operations.clone(),
            issued_at_ms,
            owner_contact: self.owner_contact.clone(),
            sensitivity: self.sensitivity.clone(),
        }
    }

    /// What the protocol itself refuses, such as hidden characters in a name, is told before anything is sealed.
    fn readable(&self) -> Result<(), Vec<String>> {
        let any = SystemId::parse("A/B/C/d").map_err(|error| vec![error.to_string()])?;
        readable(&self.of_system(&any, 1))
    }
}

/// Whether the registry takes `service`, and an adapter can serve it.
///
/// # Errors
/// Why not: the service's own problem and every operation's at once.
pub fn readable(service: &ServiceDefinition) -> Result<(), Vec<String>> {
    let bytes = service.encode();
    if bytes.len() > REGISTRY_HEADER_BYTES_MAX {
        return Err(vec![too_large(service, bytes.len())]);
    }
    let open = |definition: &ServiceDefinition| ServiceDefinition::open(&definition.encode());
    let mut found = Vec::new();
    let harmless = Operation::plain(service.service.clone(), "ا", "a", Vec::new());
    let bare = ServiceDefinition {
        operations: vec![harmless],
        ..service.clone()
    };
    found.extend(open(&bare).err().map(|error| error.to_string()));
    for operation in &service.operations {
        let alone = ServiceDefinition {
            name_ar: "ا".to_owned(),
            name_en: "a".to_owned(),
            owner_contact: String::new(),
            operations: vec![operation.clone()],
            ..service.clone()
        };
        let problem = open(&alone).err();
        found.extend(problem.map(|error| format!("operation {}: {error}", operation.name)));
    }
    if !found.is_empty() {
        return Err(found);
    }
    open(service).map_err(|error| vec![error.to_string()])?;
    Enforced::of(service).map_err(|error| vec![error.to_string()])?;
    Ok(())
}

fn too_large(service: &ServiceDefinition, bytes: usize) -> String {
    let weight = |operation: &Operation| {
        let fields: usize = operation.fields.iter().map(|f| f.as_str().len() + 2).sum();
        operation.request_schema.len() + operation.answer_schema.len() + fields
    };
    let biggest = service.operations.iter().max_by_key(|one| weight(one));
    let (name, weight) = biggest.map_or(("", 0), |one| (one.name.as_str(), weight(one)));
    format!(
        "the definition has {bytes} bytes, and {REGISTRY_HEADER_BYTES_MAX} fit into an entry of the log; the biggest operation is '{name}' with {weight}: drop what its schemas need not say, or publish it as a service of its own"
    )
}

impl FileOperation {
    fn read(self, dir: &Path, found: &mut Vec<String>) -> Option<Operation> {
        let name = parsed("operations.name", &self.name, found);
        if self.fields.is_none() && self.answer_schema.is_none() {
            found.push(format!(
                "operations.fields: missing for '{}'; name them, or give an answer_schema",
                self.name
            ));
        }
        let given = self.fields.unwrap_or_default();
        let fields = parts("operations.fields", &given, FIELDS_MAX, found);
        let mut operation = Operation::plain(name?, &self.name_ar, &self.name_en, fields);
        let schemas = [self.request_schema, self.answer_schema];
        let described = schemas::describe(&mut operation, schemas, dir)
            .and_then(|()| schemas::add_subjects(&mut operation, self.subjects));
        if let Err(problem) = described {
            found.push(format!("operations.{}: {problem}", operation.name));
        }
        Some(operation)
    }
}

/// One name part, or a problem.
pub(crate) fn parsed(key: &str, text: &str, found: &mut Vec<String>) -> Option<Part> {
    Part::parse(text)
        .map_err(|error| found.push(format!("{key}: {error}")))
        .ok()
}

/// A list of name parts, sorted, each once.
pub(crate) fn parts(key: &str, texts: &[String], max: usize, found: &mut Vec<String>) -> Vec<Part> {
    let mut parts: Vec<Part> = texts
        .iter()
        .filter_map(|text| parsed(key, text, found))
        .collect();
    parts.sort();
    parts.dedup();
    if parts.len() > max {
        found.push(format!(
            "{key}: {} are too many, the limit is {max}",
            parts.len()
        ));
    }
    parts
}

#[cfg(test)]
mod tests;
