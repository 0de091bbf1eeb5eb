//! What an agency does to itself: its systems, certificates, authority key, operations, administrators.

use bytes::Bytes;
use prost::Message;

use super::{agency, digest, optional_part, part, possession, public_key, shown_text, system};
use crate::canonical::{HeaderError, decode_header};
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::limits::{HEADER_VERSION, REGISTRY_HEADER_BYTES_MAX};
use crate::wire::registry::v1 as wire;
use wire::agency_act::Act;

/// An act of an agency on itself, sealed by its authority key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyAct {
    /// Who acts.
    pub agency: AgencyId,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// What is done.
    pub deed: AgencyDeed,
}

/// What an agency does to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgencyDeed {
    /// A system is over, with all its keys and certificates.
    EndSystem {
        /// The system.
        system: SystemId,
        /// A stable word: retired, compromised, court_order.
        reason: Part,
    },
    /// A TLS certificate counts no longer.
    EndCertificate {
        /// SHA-256 of the certificate.
        sha256: Digest,
        /// A stable word.
        reason: Part,
    },
    /// A TLS certificate of an outside authority speaks for a system.
    BindCertificate(OutsideCertificate),
    /// The next authority key, from now on.
    Succeed {
        /// The new authority key.
        key: PublicKey,
        /// COSE_Sign1 of the new key over [`AgencyAct::possession_bytes`].
        possession: Bytes,
    },
    /// The authority key is not lost: ends the replacement that the operators' act began.
    Object {
        /// SHA-256 of the operators' act.
        act: Digest,
    },
    /// An operation or a whole service is switched off or on again.
    Notice(OperationNotice),
    /// A person may carry the agency's acts with a certificate of their own, or no longer.
    Administrator {
        /// The name in the certificate.
        name: Part,
        /// No longer.
        ended: bool,
    },
}

/// A TLS certificate of an outside authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideCertificate {
    /// The system it speaks for.
    pub system: SystemId,
    /// SHA-256 of the certificate.
    pub sha256: Digest,
    /// Unix time, seconds.
    pub not_before: u64,
    /// Unix time, seconds.
    pub not_after: u64,
}

/// An operation or service that is switched off or on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationNotice {
    /// The system that offers it.
    pub system: SystemId,
    /// The service's own name.
    pub service: Part,
    /// The operation; `None`: the whole service.
    pub operation: Option<Part>,
    /// Off, or on again.
    pub disabled: bool,
    /// Why and until when, shown to whoever asks.
    pub notice_ar: String,
    /// Why and until when, shown to whoever asks.
    pub notice_en: String,
}

impl AgencyAct {
    /// SHA-256 of the canonical bytes.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let act = match &self.deed {
            AgencyDeed::EndSystem { system, reason } => Act::SystemEnd(wire::SystemEnd {
                system: system.to_string(),
                reason: reason.to_string(),
            }),
            AgencyDeed::EndCertificate { sha256, reason } => {
                Act::CertificateEnd(wire::CertificateEnd {
                    sha256: sha256.0.to_vec().into(),
                    reason: reason.to_string(),
                })
            }
            AgencyDeed::BindCertificate(outside) => {
                Act::OutsideCertificate(wire::OutsideCertificate {
                    system: outside.system.to_string(),
                    sha256: outside.sha256.0.to_vec().into(),
                    not_before: outside.not_before,
                    not_after: outside.not_after,
                })
            }
            AgencyDeed::Succeed { key, possession } => {
                Act::AuthoritySuccession(wire::AuthoritySuccession {
                    key: key.spki().to_vec().into(),
                    possession: possession.clone(),
                })
            }
            AgencyDeed::Object { act } => Act::AuthorityObjection(wire::AuthorityObjection {
                act: act.0.to_vec().into(),
            }),
            AgencyDeed::Notice(notice) => Act::OperationNotice(notice.to_wire()),
            AgencyDeed::Administrator { name, ended } => Act::Administrator(wire::Administrator {
                name: name.to_string(),
                ended: *ended,
            }),
        };
        wire::AgencyAct {
            version: HEADER_VERSION,
            agency: self.agency.to_string(),
            issued_at_ms: self.issued_at_ms,
            act: Some(act),
        }
        .encode_to_vec()
        .into()
    }

    /// What the new authority key of a succession seals under `mohawel/possession/v1`.
    pub fn possession_bytes(&self) -> Bytes {
        let mut bare = self.clone();
        if let AgencyDeed::Succeed { possession, .. } = &mut bare.deed {
            *possession = Bytes::new();
        }
        bare.encode()
    }

    /// Reads canonical bytes. What it names belongs to the agency that acts.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::AgencyAct = decode_header(bytes, REGISTRY_HEADER_BYTES_MAX)?;
        let agency = agency(&wire.agency)?;
        let act = wire
            .act
            .ok_or(HeaderError::Malformed("it says not what is done"))?;
        let deed = deed(act)?;
        let foreign = match &deed {
            AgencyDeed::EndSystem { system, .. } => !system.belongs_to(&agency),
            AgencyDeed::BindCertificate(outside) => !outside.system.belongs_to(&agency),
            AgencyDeed::Notice(notice) => !notice.system.belongs_to(&agency),
            AgencyDeed::EndCertificate { .. }
            | AgencyDeed::Succeed { .. }
            | AgencyDeed::Object { .. }
            | AgencyDeed::Administrator { .. } => false,
        };
        if foreign {
            return Err(HeaderError::Malformed(
                "it names a system of another agency",
            ));
        }
        Ok(Self {
            agency,
            issued_at_ms: wire.issued_at_ms,
            deed,
        })
    }
}

fn deed(act: Act) -> Result<AgencyDeed, HeaderError> {
    Ok(match act {
        Act::SystemEnd(end) => AgencyDeed::EndSystem {
            system: system(&end.system)?,
            reason: part(&end.reason)?,
        },
        Act::CertificateEnd(end) => AgencyDeed::EndCertificate {
            sha256: digest(&end.sha256)?,
            reason: part(&end.reason)?,
        },
        Act::OutsideCertificate(outside) => {
            if outside.not_before >= outside.not_after {
                return Err(HeaderError::Malformed("it ends before it begins"));
            }
            AgencyDeed::BindCertificate(OutsideCertificate {
                system: system(&outside.system)?,
                sha256: digest(&outside.sha256)?,
                not_before: outside.not_before,
                not_after: outside.not_after,
            })
        }
        Act::AuthoritySuccession(succession) => AgencyDeed::Succeed {
            key: public_key(&succession.key)?,
            possession: possession(succession.possession)?,
        },
        Act::AuthorityObjection(objection) => AgencyDeed::Object {
            act: digest(&objection.act)?,
        },
        Act::OperationNotice(notice) => AgencyDeed::Notice(OperationNotice::from_wire(notice)?),
        Act::Administrator(administrator) => AgencyDeed::Administrator {
            name: part(&administrator.name)?,
            ended: administrator.ended,
        },
    })
}

impl OperationNotice {
    fn to_wire(&self) -> wire::OperationNotice {
        wire::OperationNotice {
            system: self.system.to_string(),
            service: self.service.to_string(),
            operation: self
                .operation
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            disabled: self.disabled,
            notice_ar: self.notice_ar.clone(),
            notice_en: self.notice_en.clone(),
        }
    }

    fn from_wire(wire: wire::OperationNotice) -> Result<Self, HeaderError> {
        if wire.disabled == wire.notice_ar.is_empty() || wire.disabled == wire.notice_en.is_empty()
        {
            return Err(HeaderError::Malformed(
                "what is switched off has a notice in both languages, what is on has none",
            ));
        }
        Ok(Self {
            system: system(&wire.system)?,
            service: part(&wire.service)?,
            operation: optional_part(&wire.operation)?,
            disabled: wire.disabled,
            notice_ar: shown_text(wire.notice_ar)?,
            notice_en: shown_text(wire.notice_en)?,
        })
    }
}
