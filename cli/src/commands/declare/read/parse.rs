//! From the files' texts to types. What no act could hold is told here, not half way through an apply.

use std::collections::{BTreeMap, BTreeSet};

use proto::act::{ConsumerScope, OperatorAct, OperatorDeed, PersonRole, Purpose, TwoOperators};
use proto::canonical::HeaderError;
use proto::digest::Digest;
use proto::id::{AgencyId, Part};
use proto::key::PublicKey;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::super::described::{
    Described, WantedAgency, WantedAgreement, WantedPerson, WantedPurpose, WantedService,
    WantedSystem,
};
use super::super::files::{self, AGENCIES, AGREEMENTS, POLICY, PURPOSES, ROLES};
use super::Problems;

/// Everything that the files say; where they are wrong, `problems` has why.
pub(super) fn all(texts: &BTreeMap<String, String>, problems: &mut Problems) -> Described {
    let mut described = Described::default();
    let mut agencies: Vec<(WantedAgency, &str)> = Vec::new();
    for (name, text) in texts {
        if name == AGENCIES {
            continue;
        }
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                problems.note(name, error);
                continue;
            }
        };
        let mut file = File {
            name,
            table,
            problems,
        };
        match name.as_str() {
            PURPOSES => described.purposes = Some(file.purposes()),
            ROLES => described.people = Some(file.people()),
            POLICY => described.policy = file.policy(),
            AGREEMENTS => described.agreements = Some(file.agreements()),
            _ => agencies.extend(file.agency().map(|agency| (agency, name.as_str()))),
        }
    }
    let mut seen = BTreeMap::new();
    for (agency, name) in &agencies {
        if let Some(other) = seen.insert(agency.id.folded(), *name) {
            problems.note(
                name,
                format!(
                    "{other} describes {} too, if in another case of letters",
                    agency.id
                ),
            );
        }
    }
    if texts.contains_key(AGENCIES) {
        described.agencies = Some(agencies.into_iter().map(|(agency, _)| agency).collect());
    }
    described
}

struct File<'a> {
    name: &'a str,
    table: Table,
    problems: &'a mut Problems,
}

impl File<'_> {
    fn note(&mut self, what: impl std::fmt::Display) {
        self.problems.note(self.name, what);
    }

    /// The items of the list `key`, each read by itself, so that every wrong one is told; `None` without the list.
    fn list<T: DeserializeOwned, U>(
        &mut self,
        key: &str,
        make: impl Fn(T) -> Result<U, String>,
    ) -> Option<Vec<U>> {
        let Value::Array(items) = self.table.remove(key)? else {
            self.note(format!("{key} is no list: write [[{key}]]"));
            return None;
        };
        let mut made = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let read = item.try_into::<T>().map_err(|error| error.to_string());
            match read.and_then(&make) {
                Ok(one) => made.push(one),
                Err(what) => self.note(format!("[[{key}]] number {}: {}", at + 1, what.trim())),
            }
        }
        Some(made)
    }

    fn whole<T: DeserializeOwned>(&mut self) -> Option<T> {
        let table = std::mem::take(&mut self.table);
        table.try_into().map_err(|error| self.note(error)).ok()
    }

    fn nothing_else(&mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            self.note(format!("unknown key '{key}'"));
        }
    }

    fn once<T: Ord + Clone + std::fmt::Display>(
        &mut self,
        what: &str,
        all: impl IntoIterator<Item = T>,
    ) {
        let mut seen = BTreeSet::new();
        for one in all {
            if !seen.insert(one.clone()) {
                self.note(format!("{what} {one} stands there twice"));
            }
        }
    }

    fn purposes(&mut self) -> Vec<WantedPurpose> {
        let purposes = self.list("purposes", purpose).unwrap_or_default();
        self.nothing_else();
        self.once(
            "the purpose",
            purposes.iter().map(|wanted| &wanted.purpose.code),
        );
        purposes
    }

    fn people(&mut self) -> Vec<WantedPerson> {
        let people = self.list("people", person).unwrap_or_default();
        self.nothing_else();
        self.once(
            "the person",
            people
                .iter()
                .map(|person| format!("{} {}", person.role, person.name)),
        );
        // The same person or key twice could be both seals of one act.
        let sealing = || {
            people
                .iter()
                .filter(|person| person.role.seals() && !person.ended)
        };
        let names: Vec<_> = sealing()
            .map(|person| person.name.as_str().to_ascii_lowercase())
            .collect();
        let kids: Vec<_> = sealing().filter_map(|person| person.kid).collect();
        self.once("among operators and approvers the name", names);
        self.once("the key", kids);
        people
    }

    fn policy(&mut self) -> Option<TwoOperators> {
        let file: files::Policy = self.whole()?;
        let mut names = Vec::new();
        for name in &file.two_operators {
            match Part::parse(name) {
                Ok(part) if TwoOperators::NAMES.contains(&part.as_str()) => names.push(part),
                _ => self.note(format!(
                    "no act is named '{name}': there are {}",
                    TwoOperators::NAMES.join(", ")
                )),
            }
        }
        names.sort();
        self.once("the act", &names);
        Some(TwoOperators(names))
    }

    fn agreements(&mut self) -> Vec<WantedAgreement> {
        let agreements = self.list("agreements", agreement).unwrap_or_default();
        self.nothing_else();
        self.once(
            "the agreement",
            agreements
                .iter()
                .map(|wanted| format!("{} → {}", wanted.consumer, wanted.provider)),
        );
        agreements
    }

    fn agency(&mut self) -> Option<WantedAgency> {
        let systems = self.list("systems", system);
        let services = self.list("services", service);
        let file: files::Agency = self.whole()?;
        let id = AgencyId::parse(&file.agency)
            .map_err(|error| self.note(error))
            .ok()?;
        for text in [&file.name_ar, &file.name_en, &file.reason]
            .into_iter()
            .flatten()
        {
            if let Err(what) = sealable(OperatorDeed::SuspendAgency {
                agency: id.clone(),
                lifted: false,
                reason: text.clone(),
            }) {
                self.note(what);
            }
        }
        if file.suspended == Some(true) && file.reason.is_none() {
            self.note("suspended = true needs a reason");
        }
        for one in systems.iter().flatten() {
            self.once(
                &format!("the adapter of {}", one.name),
                one.adapters.iter().map(folded),
            );
        }
        self.once(
            "the system",
            systems.iter().flatten().map(|one| folded(&one.name)),
        );
        self.once(
            "the service",
            services
                .iter()
                .flatten()
                .map(|one| format!("{}/{}", folded(&one.system), folded(&one.name))),
        );
        Some(WantedAgency {
            id,
            name_ar: file.name_ar,
            name_en: file.name_en,
            suspended: file.suspended,
            reason: file.reason,
            daily_quota: file.daily_quota,
            systems,
            services,
        })
    }
}

/// Names are compared without regard to case, as the registry does.
fn folded(part: &Part) -> String {
    part.as_str().to_ascii_lowercase()
}

fn part(text: &str) -> Result<Part, String> {
    Part::parse(text).map_err(|error| error.to_string())
}

fn parts(texts: &[String]) -> Result<Vec<Part>, String> {
    texts.iter().map(|text| part(text)).collect()
}

/// Whether an act of this deed can be written at all: texts not empty, not too long, without hidden characters.
fn sealable(deed: OperatorDeed) -> Result<(), String> {
    let act = OperatorAct {
        operator: part("operator")?,
        issued_at_ms: 0,
        deed,
    };
    OperatorAct::open(&act.encode()).map(drop).map_err(in_words)
}

/// Why it cannot be written, without the words that only fit what was received.
fn in_words(error: HeaderError) -> String {
    match error {
        HeaderError::Malformed(what) => what.to_owned(),
        other => other.to_string(),
    }
}

fn purpose(file: files::Purpose) -> Result<WantedPurpose, String> {
    let purpose = Purpose {
        code: part(&file.code)?,
        name_ar: file.name_ar,
        name_en: file.name_en,
        legal_basis_ar: file.legal_basis_ar,
        legal_basis_en: file.legal_basis_en,
        ended: file.ended.unwrap_or(false),
    };
    sealable(OperatorDeed::SetPurpose(purpose.clone()))?;
    Ok(WantedPurpose {
        purpose,
        ended: file.ended,
    })
}

fn person(file: files::Person) -> Result<WantedPerson, String> {
    let role = PersonRole::parse(&file.role)
        .ok_or_else(|| format!("'{}' is not operator, approver, auditor or dpo", file.role))?;
    let key = file
        .key
        .as_deref()
        .map(|text| {
            let spki = hex::decode(text.trim()).map_err(|_| "key is not hex".to_owned())?;
            PublicKey::from_spki(&spki).map_err(|error| error.to_string())
        })
        .transpose()?;
    let fingerprint = file
        .fingerprint
        .as_deref()
        .map(|text| {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            Digest::from_hex(&digits.to_ascii_lowercase())
                .ok_or_else(|| "fingerprint is not 64 hex digits".to_owned())
        })
        .transpose()?;
    if !role.seals() && (key.is_some() || fingerprint.is_some()) {
        return Err(format!(
            "{role} seals nothing: leave key and fingerprint out"
        ));
    }
    let kid = key.as_ref().map(PublicKey::kid);
    if let (Some(kid), Some(fingerprint)) = (kid, fingerprint)
        && kid != fingerprint
    {
        return Err("key and fingerprint are not of the same key".to_owned());
    }
    Ok(WantedPerson {
        role,
        name: part(&file.name)?,
        key,
        kid: kid.or(fingerprint),
        ended: file.ended.unwrap_or(false),
    })
}

fn agreement(file: files::Agreement) -> Result<WantedAgreement, String> {
    let consumer = match file.consumer.strip_prefix('@') {
        Some(group) => format!("@{}", part(group)?),
        None => ConsumerScope::parse(&file.consumer)
            .map_err(in_words)?
            .to_string(),
    };
    let provider = AgencyId::parse(&file.provider).map_err(|error| error.to_string())?;
    Ok(WantedAgreement { consumer, provider })
}

fn system(file: files::System) -> Result<WantedSystem, String> {
    Ok(WantedSystem {
        name: part(&file.name)?,
        adapters: parts(&file.adapters)?,
    })
}

fn service(file: files::Service) -> Result<WantedService, String> {
    Ok(WantedService {
        system: part(&file.system)?,
        name: part(&file.name)?,
        operations: parts(&file.operations)?,
    })
}
