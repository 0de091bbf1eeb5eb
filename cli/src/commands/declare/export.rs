//! Writes a registry as a directory that describes it, so that a plan of it shows no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use audit::clock::Clock;
use certs::Fingerprint;
use proto::id::{AgencyId, Part};
use proto::registry::{Person, PurposeRecord, Registry};
use serde::Serialize;

use super::apply::file_name;
use super::difference::in_force;
use super::files::{self, AGENCIES, AGREEMENTS, POLICY, PURPOSES, ROLES, WholeAgency};
use crate::commands::switch_dir::in_file;
use crate::failure::Failure;

/// Writes `registry` into the new or empty folder `dir`; gives the number of files.
///
/// # Errors
/// A usage failure for a folder that is not empty or cannot be written.
pub fn write(registry: &Registry, dir: &Path) -> Result<usize, Failure> {
    fs::create_dir_all(dir).map_err(|error| in_file(dir, error))?;
    let mut there = fs::read_dir(dir).map_err(|error| in_file(dir, error))?;
    if there.next().is_some() {
        return Err(in_file(dir, "the folder is not empty: name a new one"));
    }
    fs::create_dir(dir.join(AGENCIES)).map_err(|error| in_file(dir, error))?;
    let purposes = files::Purposes {
        purposes: registry.purposes().map(purpose).collect(),
    };
    let people = files::People {
        people: registry.people().map(person).collect(),
    };
    let policy = files::Policy {
        two_operators: texts(registry.policy().0.iter()),
    };
    let agreements = files::Agreements {
        agreements: in_force(registry, Clock::System.now_ms())
            .into_iter()
            .map(|(consumer, provider)| files::Agreement {
                consumer,
                provider: provider.to_string(),
            })
            .collect(),
    };
    put(&dir.join(PURPOSES), "The catalogue of purposes.", &purposes)?;
    put(&dir.join(ROLES), "People and their roles.", &people)?;
    put(&dir.join(POLICY), "Acts that need two seals.", &policy)?;
    put(
        &dir.join(AGREEMENTS),
        "Agreements that both agencies sealed.",
        &agreements,
    )?;
    let mut written = 4;
    for agency in agencies(registry) {
        let id = AgencyId::parse(&agency.agency.agency).map_err(Failure::unavailable)?;
        let path = dir.join(AGENCIES).join(format!("{}.toml", file_name(&id)));
        let title = "What operators decide about an agency, and what it is expected to offer.";
        put(&path, title, &agency)?;
        written += 1;
    }
    Ok(written)
}

fn put<T: Serialize>(path: &Path, title: &str, value: &T) -> Result<(), Failure> {
    let body = toml::to_string(value).map_err(|error| in_file(path, error))?;
    let text = format!("# {title} docs/operating.md explains every key.\n\n{body}");
    certs::key_files::replace_public(path, text.as_bytes()).map_err(Failure::usage)
}

fn texts<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<String> {
    parts.map(ToString::to_string).collect()
}

fn purpose(record: &PurposeRecord) -> files::Purpose {
    let purpose = record.purpose.clone();
    files::Purpose {
        code: purpose.code.to_string(),
        name_ar: purpose.name_ar,
        name_en: purpose.name_en,
        legal_basis_ar: purpose.legal_basis_ar,
        legal_basis_en: purpose.legal_basis_en,
        ended: Some(purpose.ended),
    }
}

fn person(person: &Person) -> files::Person {
    let key = person.key.as_ref();
    files::Person {
        role: person.role.name().to_owned(),
        name: person.name.to_string(),
        fingerprint: key.map(|key| Fingerprint::of_kid(key.kid().0).to_string()),
        key: key.map(|key| hex::encode(key.spki())),
        ended: person.ended.map(|_| true),
    }
}

fn agencies(registry: &Registry) -> Vec<WholeAgency> {
    let mut adapters: BTreeMap<_, BTreeSet<&Part>> = BTreeMap::new();
    for key in registry.keys().filter(|key| key.ended.is_none()) {
        adapters
            .entry(&key.system)
            .or_default()
            .insert(&key.adapter);
    }
    let mut systems: BTreeMap<AgencyId, Vec<_>> = BTreeMap::new();
    for system in registry.systems().filter(|one| one.ended.is_none()) {
        let of = systems.entry(system.id.agency()).or_default();
        of.push(files::System {
            name: system.id.part(3).to_owned(),
            adapters: adapters
                .get(&system.id)
                .map(|all| texts(all.iter().copied()))
                .unwrap_or_default(),
        });
    }
    let mut services: BTreeMap<AgencyId, Vec<_>> = BTreeMap::new();
    for service in registry.services() {
        let definition = &service.definition;
        let of = services.entry(definition.system.agency()).or_default();
        of.push(files::Service {
            system: definition.system.part(3).to_owned(),
            name: definition.service.to_string(),
            operations: texts(definition.operations.iter().map(|one| &one.name)),
        });
    }
    let mut whole = |agency: &proto::registry::Agency| WholeAgency {
        agency: files::Agency {
            agency: agency.id.to_string(),
            name_ar: Some(agency.name_ar.clone()),
            name_en: Some(agency.name_en.clone()),
            suspended: Some(agency.suspended.is_some()),
            reason: agency.suspended.as_ref().map(|(_, reason)| reason.clone()),
            daily_quota: Some(agency.daily_quota),
        },
        systems: systems.remove(&agency.id).unwrap_or_default(),
        services: services.remove(&agency.id).unwrap_or_default(),
    };
    registry.agencies().map(&mut whole).collect()
}
