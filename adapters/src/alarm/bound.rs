//! What the log binds to one agency: keys, certificates, its authority, its administrators, each with a fingerprint.
//!
//! Pure: a registry in, a list out.

use std::collections::BTreeSet;

use proto::act::{AgencyAct, AgencyDeed, EncryptionKeyBinding, KeyBinding, KeySuccession};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::{AgencyId, Part};
use proto::registry::Registry;

/// What is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A key that seals for a system of the agency.
    SealKey,
    /// A key that others seal to, for a system of the agency.
    EncryptionKey,
    /// The key of a TLS certificate that speaks for the agency.
    Certificate,
    /// The agency's authority key, or one that operators put in its place.
    AuthorityKey,
    /// A person who may carry the agency's acts.
    Administrator,
}

impl What {
    /// Every one, in order.
    pub const ALL: [Self; 5] = [
        Self::SealKey,
        Self::EncryptionKey,
        Self::Certificate,
        Self::AuthorityKey,
        Self::Administrator,
    ];

    /// A stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::SealKey => "seal_key",
            Self::EncryptionKey => "encryption_key",
            Self::Certificate => "certificate",
            Self::AuthorityKey => "authority_key",
            Self::Administrator => "administrator",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }
}

/// One thing that the log binds to the agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What it is.
    pub what: What,
    /// SHA-256 of the key; of a certificate whose entry does not say its key, of the certificate; of an administrator,
    /// of agency and name.
    pub fingerprint: Digest,
    /// Whom it speaks for, for people.
    pub subject: String,
    /// The log index that made it so, where the registry remembers it.
    pub index: Option<u64>,
}

/// Everything that the log binds to `agency`, ended keys and certificates included.
pub fn bound(registry: &Registry, agency: &AgencyId) -> Vec<Bound> {
    let mut all = Vec::new();
    let keys = registry.keys().filter(|key| key.system.belongs_to(agency));
    all.extend(keys.map(|key| Bound {
        what: What::SealKey,
        fingerprint: key.key.kid(),
        subject: format!("{} {}", key.system, key.adapter),
        index: Some(key.index),
    }));
    let open = registry
        .encryption_keys()
        .map(|record| (&record.binding, record.index));
    let own = open.filter(|(binding, _)| binding.system.belongs_to(agency));
    all.extend(own.map(|(binding, index)| Bound {
        what: What::EncryptionKey,
        fingerprint: binding.key.kid(),
        subject: binding.system.to_string(),
        index: Some(index),
    }));
    let mut seen = BTreeSet::new();
    for certificate in registry.certificates() {
        if !names(&certificate.uri, agency) {
            continue;
        }
        // Renewals show the same key again and again.
        let fingerprint = certificate.key_sha256.unwrap_or(certificate.sha256);
        if seen.insert(fingerprint) {
            all.push(Bound {
                what: What::Certificate,
                fingerprint,
                subject: certificate.uri.clone(),
                index: Some(certificate.index),
            });
        }
    }
    let Some(record) = registry.agency(agency) else {
        return all;
    };
    all.push(Bound {
        what: What::AuthorityKey,
        fingerprint: record.authority_key.kid(),
        subject: agency.to_string(),
        index: None,
    });
    if let Some(replacement) = &record.replacement {
        all.push(Bound {
            what: What::AuthorityKey,
            fingerprint: replacement.key.kid(),
            subject: agency.to_string(),
            index: Some(replacement.index),
        });
    }
    all.extend(record.administrators.iter().map(|name| Bound {
        what: What::Administrator,
        fingerprint: administrator(agency, name),
        subject: format!("{agency} {name}"),
        index: None,
    }));
    all
}

/// What an act of the agency is about to bind, so that its own adapter does not raise an alarm over it.
pub(super) fn by_act(kind: Kind, header: &[u8]) -> Option<Digest> {
    match kind {
        Kind::KeyBound => Some(KeyBinding::open(header).ok()?.key.kid()),
        Kind::EncryptionKeyBound => Some(EncryptionKeyBinding::open(header).ok()?.key.kid()),
        Kind::KeySucceeded => Some(KeySuccession::open(header).ok()?.key.kid()),
        Kind::AgencyAct => {
            let act = AgencyAct::open(header).ok()?;
            match act.deed {
                AgencyDeed::Succeed { key, .. } => Some(key.kid()),
                AgencyDeed::BindCertificate(certificate) => Some(certificate.sha256),
                AgencyDeed::Administrator { name, ended: false } => {
                    Some(administrator(&act.agency, &name))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn administrator(agency: &AgencyId, name: &Part) -> Digest {
    Digest::of(format!("administrator/{agency}/{name}").as_bytes())
}

/// Whether a SPIFFE URI names a system or an administrator of `agency`.
fn names(uri: &str, agency: &AgencyId) -> bool {
    let path = uri
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'))
        .map_or("", |(_, path)| path);
    let path = path.strip_prefix("administrator/").unwrap_or(path);
    path.strip_prefix(agency.as_str())
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_the_agency_are_told_from_those_of_others() {
        let agency = AgencyId::parse("EG/GOV/MOSS").unwrap();
        for (uri, is_own) in [
            ("spiffe://bus/EG/GOV/MOSS/takaful", true),
            ("spiffe://bus/administrator/EG/GOV/MOSS/nour", true),
            ("spiffe://bus/EG/GOV/MOSSAD/takaful", false),
            ("spiffe://bus/EG/GOV/MOSS", false),
            ("spiffe://bus/operator/EG/GOV/MOSS/x", false),
            ("spiffe://EG/GOV/MOSS/takaful", false),
            ("EG/GOV/MOSS/takaful", false),
        ] {
            assert_eq!(names(uri, &agency), is_own, "{uri}");
        }
    }
}
