//! Trust domains and SPIFFE names: text that is parsed once and printed one way.
//!
//! Specification: `docs/protocol.md` §1 (names, TLS key).

use std::fmt;
use std::str::FromStr;

/// The longest trust domain, in bytes. It also stands in the authority's subject, whose field ends there.
pub const TRUST_DOMAIN_MAX: usize = 64;
/// The longest part of a name, in bytes.
pub const PART_MAX: usize = 64;
/// The longest SPIFFE name: scheme, trust domain, and four parts with their slashes.
pub const URI_MAX: usize = SCHEME.len() + TRUST_DOMAIN_MAX + 4 * (1 + PART_MAX);

const SCHEME: &str = "spiffe://";

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
    /// A person who checks the switch: `auditor/NAME`.
    Auditor(String),
    /// A broker of the switch: `broker/NAME`.
    Broker(String),
}

impl PeerRole {
    /// The last part of the name, which is what people read.
    #[must_use]
    pub fn last_part(&self) -> &str {
        match self {
            Self::System { system, .. } => system,
            Self::Operator(name) | Self::Auditor(name) | Self::Broker(name) => name,
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
            Self::Operator(name) => write!(f, "operator/{name}"),
            Self::Auditor(name) => write!(f, "auditor/{name}"),
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
        Ok(Self {
            trust_domain: trust_domain.clone(),
            role: PeerRole::Broker(part(name)?),
        })
    }

    /// `spiffe://TRUST-DOMAIN/operator/NAME`.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn operator(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self {
            trust_domain: trust_domain.clone(),
            role: PeerRole::Operator(part(name)?),
        })
    }

    /// `spiffe://TRUST-DOMAIN/auditor/NAME`.
    ///
    /// # Errors
    /// [`NameError::Part`] when `name` is outside the alphabet.
    pub fn auditor(trust_domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
        Ok(Self {
            trust_domain: trust_domain.clone(),
            role: PeerRole::Auditor(part(name)?),
        })
    }

    /// `spiffe://TRUST-DOMAIN/INSTANCE/CLASS/AGENCY/SYSTEM` from the system's own text, `INSTANCE/CLASS/AGENCY/SYSTEM`.
    ///
    /// # Errors
    /// [`NameError::Shape`] unless there are four parts, [`NameError::Part`] when one is outside the alphabet.
    pub fn system(trust_domain: &TrustDomain, system: &str) -> Result<Self, NameError> {
        let role = role(system)?;
        match role {
            PeerRole::System { .. } => Ok(Self {
                trust_domain: trust_domain.clone(),
                role,
            }),
            PeerRole::Operator(_) | PeerRole::Auditor(_) | PeerRole::Broker(_) => {
                Err(NameError::Shape {
                    text: excerpt(system),
                })
            }
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

/// Two parts are a person or a broker, four are a system; the counts never overlap.
fn role(path: &str) -> Result<PeerRole, NameError> {
    let parts: Vec<&str> = path.splitn(5, '/').collect();
    match parts.as_slice() {
        ["operator", name] => Ok(PeerRole::Operator(part(name)?)),
        ["auditor", name] => Ok(PeerRole::Auditor(part(name)?)),
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
    /// The path is neither `INSTANCE/CLASS/AGENCY/SYSTEM` nor `operator|auditor|broker/NAME`.
    #[error(
        "`{text}` is neither INSTANCE/CLASS/AGENCY/SYSTEM nor operator/NAME, auditor/NAME, broker/NAME"
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
mod tests {
    use super::*;

    #[test]
    fn names_print_as_they_were_read() {
        for uri in [
            "spiffe://switch.gov.eg/EG/GOV/MOSS/takaful",
            "spiffe://switch.gov.eg/operator/amal",
            "spiffe://switch.gov.eg/auditor/CAO-7",
            "spiffe://s/broker/b.1_x",
            "spiffe://s/operator/x/broker/y",
        ] {
            assert_eq!(uri.parse::<PeerName>().unwrap().to_string(), uri);
        }
        let longest = format!(
            "spiffe://{}{}",
            "d".repeat(64),
            format!("/{}", "p".repeat(64)).repeat(4)
        );
        assert_eq!(longest.len(), URI_MAX);
        assert!(longest.parse::<PeerName>().is_ok());
        assert_eq!(
            format!("{longest}p").parse::<PeerName>(),
            Err(NameError::TooLong { bytes: URI_MAX + 1 })
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for uri in [
            "",
            "spiffe://",
            "spiffe:///EG/GOV/MOSS/takaful",
            "https://s/EG/GOV/MOSS/takaful",
            "SPIFFE://s/EG/GOV/MOSS/takaful",
            "spiffe://S/EG/GOV/MOSS/takaful",
            "spiffe://s:443/EG/GOV/MOSS/takaful",
            "spiffe://u@s/EG/GOV/MOSS/takaful",
            "spiffe://s./EG/GOV/MOSS/takaful",
            "spiffe://-s/EG/GOV/MOSS/takaful",
            "spiffe://s",
            "spiffe://s/",
            "spiffe://s/EG/GOV/MOSS",
            "spiffe://s/EG/GOV/MOSS/takaful/",
            "spiffe://s/EG/GOV/MOSS/takaful/more",
            "spiffe://s//GOV/MOSS/takaful",
            "spiffe://s/EG/GOV/MO..SS/takaful",
            "spiffe://s/EG/GOV/.MOSS/takaful",
            "spiffe://s/EG/GOV/MOSS/taka%66ul",
            "spiffe://s/EG/GOV/MOSS/takaful?x",
            "spiffe://s/EG/GOV/MOSS/takaful#x",
            "spiffe://s/EG/GOV/MOSS/taka ful",
            "spiffe://s/EG/GOV/MOSS/تكافل",
            "spiffe://s/EG/GOV/MOSS/takaful\0",
            "spiffe://s/agency/x",
            "spiffe://s/Operator/x",
            "spiffe://s/operator/",
        ] {
            assert!(uri.parse::<PeerName>().is_err(), "{uri}");
        }
        let long = format!("spiffe://s/operator/{}", "p".repeat(65));
        assert!(matches!(
            long.parse::<PeerName>(),
            Err(NameError::Part { .. })
        ));
        let domain = "s".parse().unwrap();
        assert!(PeerName::system(&domain, "operator/x").is_err());
        assert!(PeerName::broker(&domain, "a/b").is_err());
    }
}
