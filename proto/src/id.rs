//! Names and ids: parsed once into a type, printed one way (`docs/protocol.md`, "Names").

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use crate::limits::PART_BYTES_MAX;
use crate::registry::Names;

/// One part of a name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}` without `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(Arc<str>);

impl Part {
    /// Parses one part.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        part(text)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn share(&mut self, names: &mut Names) {
        names.share(&mut self.0);
    }
}

/// Generates a name made of a fixed number of parts joined by `/`.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $parts:literal, $shape:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Parses the one text form.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let parts = text.split('/').map(part).collect::<Result<Vec<_>, _>>()?;
                if parts.len() == $parts {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError::Shape { text: shown(text), shape: $shape })
                }
            }

            /// The text, as parsed.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part at `index`, from 0; empty outside.
            pub fn part(&self, index: usize) -> &str {
                self.0.split('/').nth(index).unwrap_or_default()
            }

            #[allow(dead_code, reason = "not every name stands in agreements")]
            pub(crate) fn share(&mut self, names: &mut Names) {
                names.share(&mut self.0);
            }

            /// What two names that differ only in case share.
            pub fn folded(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
    };
}

name!(
    /// `INSTANCE/CLASS/AGENCY`: a registered public body.
    AgencyId, 3, "INSTANCE/CLASS/AGENCY, for example EG/GOV/MOSS"
);
name!(
    /// `INSTANCE/CLASS/AGENCY/SYSTEM`: an information system of an agency.
    SystemId, 4, "INSTANCE/CLASS/AGENCY/SYSTEM, for example EG/GOV/MOSS/takaful"
);
name!(
    /// `INSTANCE/CLASS/AGENCY/SYSTEM/service`: what a system offers.
    ServiceId, 5, "INSTANCE/CLASS/AGENCY/SYSTEM/service, for example EG/GOV/CIVIL/registry/persons.v1"
);

macro_rules! shown_as_text {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
shown_as_text!(Part, AgencyId, SystemId, ServiceId);

impl AgencyId {
    /// The instance part.
    pub fn instance(&self) -> &str {
        self.part(0)
    }

    /// The class part.
    pub fn class(&self) -> &str {
        self.part(1)
    }

    /// A system of this agency.
    pub fn system(&self, system: &Part) -> SystemId {
        SystemId(format!("{self}/{system}").into())
    }
}

impl SystemId {
    /// The agency that answers for this system.
    pub fn agency(&self) -> AgencyId {
        let end = self.0.rfind('/').unwrap_or(self.0.len());
        AgencyId(self.0[..end].into())
    }

    /// A service of this system.
    pub fn service(&self, service: &Part) -> ServiceId {
        ServiceId(format!("{self}/{service}").into())
    }

    /// Whether `agency` answers for this system.
    pub fn belongs_to(&self, agency: &AgencyId) -> bool {
        self.0
            .strip_prefix(agency.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl ServiceId {
    /// The system that offers it.
    pub fn system(&self) -> SystemId {
        let end = self.0.rfind('/').unwrap_or(self.0.len());
        SystemId(self.0[..end].into())
    }

    /// The service's own name, the last part.
    pub fn service(&self) -> Part {
        Part(self.part(4).into())
    }
}

/// One event of a publisher's system: a UUIDv7 made by it.
pub type EventId = ExchangeId;

/// One subscription of a subscriber's system: a UUIDv7 made by it.
pub type SubscriptionId = ExchangeId;

/// One exchange: a UUIDv7 made by the consumer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId([u8; 16]);

impl ExchangeId {
    /// The id of a request that is judged and never sent.
    pub(crate) const UNSENT: Self = Self([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);

    /// Takes 16 bytes that are a UUIDv7; anything else is `None`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let uuid = Uuid::from_slice(bytes).ok()?;
        let rfc_4122 = bytes[8] & 0xc0 == 0x80;
        (uuid.get_version_num() == 7 && rfc_4122).then(|| Self(*uuid.as_bytes()))
    }

    /// Wraps a UUIDv7 that the caller made with its own clock.
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        Self::from_slice(uuid.as_bytes())
    }

    /// Reads the hyphenated text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_uuid(Uuid::parse_str(text).ok()?)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_bytes(self.0), f)
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn part(text: &str) -> Result<&str, NameError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let good = !text.is_empty()
        && text.len() <= PART_BYTES_MAX
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(allowed)
        && !text.contains("..");
    if good {
        Ok(text)
    } else {
        Err(NameError::Part(shown(text)))
    }
}

/// What of a hostile text an error repeats: short and printable.
fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .flat_map(char::escape_default)
        .collect()
}

/// Why a text is not a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// A part is empty, too long, or has other characters.
    #[error(
        "'{0}' is not a name part: letters, digits, '.', '_' and '-', 1 to 64, first a letter or digit, no '..'"
    )]
    Part(String),
    /// The number of parts is wrong.
    #[error("'{text}' is not of the form {shape}")]
    Shape {
        /// What was given.
        text: String,
        /// What was expected.
        shape: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_parsed_and_know_their_parts() {
        let service = ServiceId::parse("EG/GOV/CIVIL/registry/persons.v1").unwrap();
        assert_eq!(service.to_string(), "EG/GOV/CIVIL/registry/persons.v1");
        assert_eq!(service.system().to_string(), "EG/GOV/CIVIL/registry");
        assert_eq!(service.service().as_str(), "persons.v1");
        let agency = service.system().agency();
        assert_eq!(agency.to_string(), "EG/GOV/CIVIL");
        assert!(service.system().belongs_to(&agency));
        assert!(
            !SystemId::parse("EG/GOV/CIVILIAN/x")
                .unwrap()
                .belongs_to(&agency)
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "a".repeat(65);
        for bad in [
            "",
            "EG",
            "EG/GOV",
            "EG//MOSS",
            "EG/GOV/MO..SS",
            "EG/GOV/.x",
            "EG/GOV/م",
            "EG/GOV/a b",
            "EG/GOV/MOSS/",
            &format!("EG/GOV/{long}"),
        ] {
            assert!(AgencyId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_version_7_of_the_rfc_variant_is_an_exchange_id() {
        assert!(ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").is_some());
        assert!(ExchangeId::parse("0190a1b2-c3d4-4e5f-8a6b-0c1d2e3f4a5b").is_none());
        assert!(ExchangeId::parse("0190a1b2-c3d4-7e5f-0a6b-0c1d2e3f4a5b").is_none());
        assert!(ExchangeId::from_slice(&[7; 15]).is_none());
    }
}
