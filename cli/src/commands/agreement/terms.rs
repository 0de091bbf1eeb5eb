//! The TOML file of an agreement's terms. Unknown keys are refused, every problem is told at once, and nothing that
//! grants anything has a default.
//!
//! ```toml
//! consumer = "EG/GOV/MOSS"      # or a class: "EG/GOV/*", or everyone: "EG/*/*"
//! provider = "EG/GOV/CIVIL"
//! days = 365                    # or not_after = "2027-11-22T00:00:00Z"; not_before = … where it is not now
//!
//! [[grants]]
//! system = "registry"
//! service = "persons.v1"
//! operations = ["person"]
//! purposes = ["takaful-eligibility"]
//! fields = ["name", "birth_date"]
//! legal_basis = "Law 12 of 2023, article 4"
//! daily_quota = 10000           # 0: no quota
//! retention_days = 90
//! # The rest may be left out; each narrows or explains, none grants more.
//! rate_per_s = 50
//! licence = "PDPC-2026-0117"
//! sensitivity = "personal"      # public, internal, personal, sensitive; restricted: payloads are sealed; break-glass: and each is reviewed
//! delegation_depth = 1          # how often the consumer may hand it on; 0 when left out
//! [[grants.rows]]               # only records for which every rule holds
//! field = "governorate"
//! equals = "giza"               # or own_value = true: the asking agency's value in the group
//! ```
//!
//! A named group stands in the file itself, so that the provider seals who is in it:
//!
//! ```toml
//! consumer = "@governorates"
//! [[members]]
//! agency = "EG/GOV/GIZA"
//! value = "giza"
//! ```
//!
//! `supersedes = "a1b2c3"` takes the place of an agreement between the same two, without a gap.

use std::fs;
use std::path::Path;

use proto::act::{AgreementContent, ConsumerScope, Grant, GroupMember, RowRule};
use proto::id::{AgencyId, Part, ServiceId};
use proto::limits::{FIELDS_MAX, GRANT_LIST_MAX, GRANTS_MAX, MEMBERS_MAX};
use proto::registry::Registry;
use serde::Deserialize;

use super::template;
use crate::commands::refused::problems;
use crate::commands::service::definition::{parsed, parts};
use crate::commands::switch_dir::in_file;
use crate::commands::toml_keys::{self, Shape};
use crate::failure::Failure;
use validity::validity;

mod validity;

pub use validity::{End, Validity};

/// What grants something must be written down.
const KEYS: Shape = Shape {
    top: &["consumer", "provider", "grants"],
    list: "grants",
    each: &[
        "system",
        "service",
        "operations",
        "purposes",
        "fields",
        "legal_basis",
        "daily_quota",
        "retention_days",
    ],
};

/// What is proposed, apart from the origin and the random part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who may ask.
    pub consumer: ConsumerScope,
    /// Who answers.
    pub provider: AgencyId,
    /// When it counts.
    pub validity: Validity,
    /// The permissions; lists ascending, each once.
    pub grants: Vec<Grant>,
    /// The first digits of the agreement that it takes the place of.
    pub supersedes: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    consumer: String,
    provider: String,
    days: Option<u32>,
    not_before: Option<String>,
    not_after: Option<String>,
    supersedes: Option<String>,
    #[serde(default)]
    members: Vec<FileMember>,
    grants: Vec<FileGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMember {
    agency: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    field: String,
    equals: Option<String>,
    #[serde(default)]
    own_value: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileGrant {
    system: String,
    service: String,
    operations: Vec<String>,
    purposes: Vec<String>,
    fields: Vec<String>,
    legal_basis: String,
    daily_quota: u64,
    retention_days: u32,
    #[serde(default)]
    rate_per_s: u32,
    #[serde(default)]
    licence: String,
    sensitivity: Option<String>,
    #[serde(default)]
    delegation_depth: u32,
    #[serde(default)]
    rows: Vec<FileRow>,
}

impl Terms {
    /// Reads the file; `set` gives values for its `${NAME}` placeholders, each `NAME=VALUE`.
    ///
    /// # Errors
    /// A usage failure with every problem of the file.
    pub fn load(path: &Path, set: &[String]) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| in_file(path, error))?;
        let text = template::filled(&text, set).map_err(|found| problems(path, &found))?;
        Self::parse(&text).map_err(|found| problems(path, &found))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let file: File = toml_keys::read(text, &KEYS)?;
        let mut found = Vec::new();
        let consumer = consumer(&file.consumer, &file.members, &mut found);
        let provider = AgencyId::parse(&file.provider)
            .map_err(|error| found.push(format!("provider: {error}")))
            .ok();
        let validity = validity(&file, &mut found);
        if file.grants.is_empty() || file.grants.len() > GRANTS_MAX {
            found.push(format!("grants: 1 to {GRANTS_MAX} are needed"));
        }
        // Without a provider that can be read, the grants' own problems are told all the same.
        let any = AgencyId::parse("A/B/C").map_err(|error| vec![error.to_string()])?;
        let of = provider.as_ref().unwrap_or(&any);
        let read = file
            .grants
            .into_iter()
            .filter_map(|grant| grant.read(of, &mut found));
        let grants: Vec<Grant> = read.collect();
        let (Some(consumer), Some(provider), Some(validity)) = (consumer, provider, validity)
        else {
            return Err(found);
        };
        if !found.is_empty() {
            return Err(found);
        }
        let terms = Self {
            consumer,
            provider,
            validity,
            grants,
            supersedes: file.supersedes,
        };
        terms.readable()?;
        Ok(terms)
    }

    /// What these terms permit and `registry` does not know (yet): services, operations, fields. A sentence each, in
    /// English and Arabic. Nothing forbids to agree before the service is published; a slip of the pen looks the same.
    pub fn unknown(&self, registry: &Registry) -> Vec<[String; 2]> {
        let mut found = Vec::new();
        let mut missing = |what: [&str; 2], name: &str, service: &ServiceId| {
            found.push([
                format!("Look again: {} {name} of {service} is not published; the agreement permits nothing for it until it is.", what[0]),
                format!("راجع: {} {name} للخدمة {service} غير منشور، ولا تتيحه الاتفاقية قبل نشره.", what[1]),
            ]);
        };
        for grant in &self.grants {
            let id = grant.system.service(&grant.service);
            let Some(service) = registry.service(&id) else {
                missing(["the service", "اسم الخدمة"], grant.service.as_str(), &id);
                continue;
            };
            let operations = &service.definition.operations;
            let mut fields = Vec::new();
            for name in &grant.operations {
                match operations.iter().find(|operation| operation.name == *name) {
                    Some(operation) => fields.extend(&operation.fields),
                    None => missing(["the operation", "العملية"], name.as_str(), &id),
                }
            }
            for field in grant.fields.iter().filter(|field| !fields.contains(field)) {
                missing(["the field", "الحقل"], field.as_str(), &id);
            }
        }
        found
    }

    /// What the protocol itself refuses, such as hidden characters, is told before anything is sealed: every grant's
    /// problem at once.
    fn readable(&self) -> Result<(), Vec<String>> {
        let all = |grants: &[Grant]| self.content(grants).map_err(|problem| vec![problem]);
        let mut found = Vec::new();
        for (place, grant) in (1..).zip(&self.grants) {
            if let Err(problem) = self.content(std::slice::from_ref(grant)) {
                found.push(format!("grant {place}: {problem}"));
            }
        }
        match found.is_empty() {
            true => all(&self.grants),
            false => Err(found),
        }
    }

    fn content(&self, grants: &[Grant]) -> Result<(), String> {
        let (not_before_ms, not_after_ms) = self.validity.at(0);
        let content = AgreementContent {
            nonce: [0; 16],
            origin: String::new(),
            consumer: self.consumer.clone(),
            provider: self.provider.clone(),
            grants: grants.to_vec(),
            not_before_ms,
            not_after_ms,
            supersedes: None,
        };
        AgreementContent::open(&content.encode())
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

impl FileGrant {
    fn read(self, provider: &AgencyId, found: &mut Vec<String>) -> Option<Grant> {
        let system = parsed("grants.system", &self.system, found);
        let service = parsed("grants.service", &self.service, found);
        let operations = parts("grants.operations", &self.operations, GRANT_LIST_MAX, found);
        let purposes = parts("grants.purposes", &self.purposes, GRANT_LIST_MAX, found);
        let fields = parts("grants.fields", &self.fields, FIELDS_MAX, found);
        for (key, list) in [
            ("grants.operations", &self.operations),
            ("grants.purposes", &self.purposes),
        ] {
            if list.is_empty() {
                found.push(format!("{key}: a grant without any permits nothing"));
            }
        }
        Some(Grant {
            system: provider.system(&system?),
            service: service?,
            operations,
            purposes,
            fields,
            legal_basis: self.legal_basis,
            daily_quota: self.daily_quota,
            retention_days: self.retention_days,
            rate_per_s: self.rate_per_s,
            row_scope: self
                .rows
                .into_iter()
                .filter_map(|row| row.read(found))
                .collect(),
            delegation_depth: self.delegation_depth,
            licence: self.licence,
            sensitivity: match self.sensitivity {
                Some(text) => Some(parsed("grants.sensitivity", &text, found)?),
                None => None,
            },
        })
    }
}

impl FileRow {
    fn read(self, found: &mut Vec<String>) -> Option<RowRule> {
        let field = parsed("grants.rows.field", &self.field, found)?;
        let equals = self.equals.filter(|text| !text.is_empty());
        if equals.is_some() == self.own_value {
            found.push(format!(
                "grants.rows: for '{field}' say either equals or own_value = true"
            ));
            return None;
        }
        Some(RowRule { field, equals })
    }
}

fn consumer(text: &str, members: &[FileMember], found: &mut Vec<String>) -> Option<ConsumerScope> {
    let Some(name) = text.strip_prefix('@') else {
        if !members.is_empty() {
            found.push("members: they belong to a named group, consumer = \"@NAME\"".to_owned());
        }
        return ConsumerScope::parse(text)
            .map_err(|_| {
                found.push(format!(
                    "consumer: '{text}' is not INSTANCE/CLASS/AGENCY, INSTANCE/CLASS/*, INSTANCE/*/* or @NAME"
                ))
            })
            .ok();
    };
    let name = Part::parse(name)
        .map_err(|error| found.push(format!("consumer: {error}")))
        .ok();
    let mut group = Vec::with_capacity(members.len());
    for member in members {
        match AgencyId::parse(&member.agency) {
            Ok(agency) => group.push(GroupMember {
                agency,
                value: member.value.clone(),
            }),
            Err(error) => found.push(format!("members.agency: {error}")),
        }
    }
    group.sort_by(|one, other| one.agency.cmp(&other.agency));
    for pair in group.windows(2) {
        if pair[0].agency == pair[1].agency {
            found.push(format!("members: {} stands there twice", pair[0].agency));
        }
    }
    if members.is_empty() || members.len() > MEMBERS_MAX {
        found.push(format!(
            "members: 1 to {MEMBERS_MAX} are needed for a group"
        ));
    }
    Some(ConsumerScope::Group {
        name: name?,
        members: group,
    })
}

#[cfg(test)]
mod tests;
