//! Trust domains and SPIFFE names: text that is parsed once and printed one way.
//!
//! Specification: `docs/protocol.md` §1 (names, TLS key).

use std::fmt;
use std::str::FromStr;

/// The longest trust domain, in bytes. It also stands in the authority's subject, whose field ends there.
pub const TRUST_DOMAIN_MAX: usize = 64;
/// The longest part of a name, in bytes.
pub const PART_MAX: usize = 64;
/// The longest SPIFFE name: scheme, trust domain, the longest word for a role, and four parts with their slashes.
pub const URI_MAX: usize =
    SCHEME.len() + TRUST_DOMAIN_MAX + 1 + ADMINISTRATOR.len() + 4 * (1 + PART_MAX);

const SCHEME: &str = "spiffe://";
const ADMINISTRATOR: &str = "administrator";

/// A trust domain: labels of lower-case letters, digits and inner hyphens, joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError::TrustDomain {
            text: excerpt(text),
        };
        if text.is_empty() || text.len() > TRUST_DOMAIN_MAX {
            return Err(refuse());
        }
        for label in text.split('.') {
            let inner = label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if label.is_empty() || !inner || label.starts_with('-') || label.ends_with('-') {
                return Err(refuse());
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a peer is, as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerRole {
    /// A system of an agency: `INSTANCE/CLASS/AGENCY/SYSTEM`.
    System {
        /// The switch's instance, for example `EG`.
        instance: String,
        /// The class of the agency, for example `GOV`.
        class: String,
        /// The agency, for example `MOSS`.
        agency: String,
        /// The system, for example `takaful`.
        system: String,
    },
    /// A person who runs the switch: `operator/NAME`.
    Operator(String),
    /// A person whose consent an operator's act needs: `approver/NAME`.
    Approver(String),
    /// A person who checks the switch: `auditor/NAME`.
    Auditor(String),
    /// A data-protection officer: `dpo/NAME`.
    Dpo(String),
    /// A person who binds an agency: `administrator/INSTANCE/CLASS/AGENCY/NAME`.
    Administrator {
        /// The switch's instance, for example `EG`.
        instance: String,
        /// The class of the agency, for example `GOV`.
        class: String,
        /// The agency, for example `MOSS`.
        agency: String,
        /// The person.
        name: String,
    },
    /// A broker of the switch: `broker/NAME`.
    Broker(String),
}

impl PeerRole {
    /// Whether the name is a person's: everybody but systems and brokers.
    #[must_use]
    pub fn is_person(&self) -> bool {
        match self {
            Self::Operator(_)
            | Self::Approver(_)
            | Self::Auditor(_)
            | Self::Dpo(_)
            | Self::Administrator { .. } => true,
            Self::System { .. } | Self::Broker(_) => false,
        }
    }

    /// The last part of the name, which is what people read.
    #[must_use]
    pub fn last_part(&self) -> &str {
        match self {
            Self::System { system, .. } => system,
            Self::Administrator { name, .. }
            | Self::Operator(name)
            | Self::Approver(name)
            | Self::Auditor(name)
            | Self::Dpo(name)
            | Self::Broker(name) => name,
        }
    }
}

impl fmt::Display for PeerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System {
                instance,
                class,
                agency,
                system,
            } => write!(f, "{instance}/{class}/{agency}/{system}"),
            Self::Administrator {
                instance,
                class,
                agency,
                name,
            } => write!(f, "{ADMINISTRATOR}/{instance}/{class}/{agency}/{name}"),
            Self::Operator(name) => write!(f, "operator/{name}"),
            Self::Approver(name) => write!(f, "approver/{name}"),
            Self::Auditor(name) => write!(f, "auditor/{name}"),
            Self::Dpo(name) => write!(f, "dpo/{name}"),
            Self::Broker(name) => write!(f, "broker/{name}"),
        }
    }
}

/// A whole SPIFFE name: trust domain and role. Prints as the URI it was parsed from, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerName {
    trust_domain: TrustDomain,
    role: PeerRole,
}

impl PeerName {
    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &PeerRole {
        &self.role
    }

    /// `spiffe://TRUST-DOMAIN/broker/NAME`.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn broker(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self::new(trust_domain, PeerRole::Broker(part(name)?)))
    }

    /// `spiffe://TRUST-DOMAIN/operator/NAME`.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn operator(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self::new(trust_domain, PeerRole::Operator(part(name)?)))
    }

    /// `spiffe://TRUST-DOMAIN/approver/NAME`.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn approver(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self::new(trust_domain, PeerRole::Approver(part(name)?)))
    }

    /// `spiffe://TRUST-DOMAIN/auditor/NAME`.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn auditor(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self::new(trust_domain, PeerRole::Auditor(part(name)?)))
    }

    /// `spiffe://TRUST-DOMAIN/dpo/NAME`: a data-protection officer.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn dpo(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self::new(trust_domain, PeerRole::Dpo(part(name)?)))
    }

    /// `spiffe://TRUST-DOMAIN/administrator/INSTANCE/CLASS/AGENCY/NAME` from the agency's own text,
    /// `INSTANCE/CLASS/AGENCY`.
    ///
    /// # Errors
    /// [`NameError::Shape`] unless `agency` has three parts, [`NameError::Part`] when one or `name` is outside the
    /// alphabet.
    pub fn administrator(
        trust_domain: &TrustDomain,
        agency: &str,
        name: &str,
    ) -> Result<Self, NameError> {
        let parts: Vec<&str> = agency.splitn(4, '/').collect();
        let [instance, class, agency] = parts[..] else {
            return Err(NameError::Shape {
                text: excerpt(agency),
            });
        };
        let role = PeerRole::Administrator {
            instance: part(instance)?,
            class: part(class)?,
            agency: part(agency)?,
            name: part(name)?,
        };
        Ok(Self::new(trust_domain, role))
    }

    /// `spiffe://TRUST-DOMAIN/INSTANCE/CLASS/AGENCY/SYSTEM` from the system's own text, `INSTANCE/CLASS/AGENCY/SYSTEM`.
    ///
    /// # Errors
    /// [`NameError::Shape`] unless there are four parts, [`NameError::Part`] when one is outside the alphabet.
    pub fn system(trust_domain: &TrustDomain, system: &str) -> Result<Self, NameError> {
        let role = role(system)?;
        if matches!(role, PeerRole::System { .. }) {
            Ok(Self::new(trust_domain, role))
        } else {
            Err(NameError::Shape {
                text: excerpt(system),
            })
        }
    }

    fn new(trust_domain: &TrustDomain, role: PeerRole) -> Self {
        Self {
            trust_domain: trust_domain.clone(),
            role,
        }
    }
}

impl FromStr for PeerName {
    type Err = NameError;

    fn from_str(uri: &str) -> Result<Self, NameError> {
        if uri.len() > URI_MAX {
            return Err(NameError::TooLong { bytes: uri.len() });
        }
        let rest = uri
            .strip_prefix(SCHEME)
            .ok_or_else(|| NameError::Scheme { text: excerpt(uri) })?;
        let (domain, path) = rest
            .split_once('/')
            .ok_or_else(|| NameError::Shape { text: excerpt(uri) })?;
        Ok(Self {
            trust_domain: domain.parse()?,
            role: role(path)?,
        })
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.trust_domain, self.role)
    }
}

/// Two parts are a person or a broker, four are a system, five an agency's administrator; the counts never overlap.
fn role(path: &str) -> Result<PeerRole, NameError> {
    let parts: Vec<&str> = path.splitn(6, '/').collect();
    match parts.as_slice() {
        ["operator", name] => Ok(PeerRole::Operator(part(name)?)),
        ["approver", name] => Ok(PeerRole::Approver(part(name)?)),
        ["auditor", name] => Ok(PeerRole::Auditor(part(name)?)),
        ["dpo", name] => Ok(PeerRole::Dpo(part(name)?)),
        [ADMINISTRATOR, instance, class, agency, name] => Ok(PeerRole::Administrator {
            instance: part(instance)?,
            class: part(class)?,
            agency: part(agency)?,
            name: part(name)?,
        }),
        ["broker", name] => Ok(PeerRole::Broker(part(name)?)),
        [instance, class, agency, system] => Ok(PeerRole::System {
            instance: part(instance)?,
            class: part(class)?,
            agency: part(agency)?,
            system: part(system)?,
        }),
        _ => Err(NameError::Shape {
            text: excerpt(path),
        }),
    }
}

fn part(text: &str) -> Result<String, NameError> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if first && rest && text.len() <= PART_MAX && !text.contains("..") {
        Ok(text.to_owned())
    } else {
        Err(NameError::Part {
            text: excerpt(text),
        })
    }
}

/// Names come from strangers: what an error repeats is short and printable.
fn excerpt(text: &str) -> String {
    text.chars()
        .take(48)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}

/// Why a name is no name. Texts are shortened and printable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is longer than [`URI_MAX`].
    #[error("a name of {bytes} bytes; the longest has {URI_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The name does not begin with `spiffe://`.
    #[error("`{text}` does not begin with {SCHEME}")]
    Scheme {
        /// The beginning of the name.
        text: String,
    },
    /// The trust domain is empty, too long, or not lower case.
    #[error(
        "`{text}` is no trust domain: lower-case letters, digits, dots and inner hyphens, up to {TRUST_DOMAIN_MAX}"
    )]
    TrustDomain {
        /// The beginning of the domain.
        text: String,
    },
    /// The path is none of the shapes of a [`PeerRole`].
    #[error(
        "`{text}` is none of INSTANCE/CLASS/AGENCY/SYSTEM, operator/NAME, approver/NAME, auditor/NAME, dpo/NAME, \
         administrator/INSTANCE/CLASS/AGENCY/NAME, broker/NAME"
    )]
    Shape {
        /// The beginning of the path.
        text: String,
    },
    /// A part is outside the alphabet `[A-Za-z0-9][A-Za-z0-9._-]{0,63}` or holds `..`.
    #[error("`{text}` is no part of a name: [A-Za-z0-9][A-Za-z0-9._-]{{0,63}} without `..`")]
    Part {
        /// The beginning of the part.
        text: String,
    },
}

#[cfg(test)]
mod tests;
