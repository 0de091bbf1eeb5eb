//! Acts: what agencies and operators seal into the registry. Parsed strictly, encoded one way.
//!
//! Field meanings stand in `acts.proto`. Who may seal which act, and when it counts, is decided by
//! the fold in [`crate::registry`].

mod agreement;
mod membership;
mod service;

pub use agreement::{AgreementAct, AgreementContent, ConsumerScope, Grant, Step};
pub use membership::{AgencyEnrolment, Genesis, Invitation, KeyBinding, KeyEnd, Operator};
pub use service::{Operation, ServiceDefinition};

use crate::canonical::HeaderError;
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::limits::DISPLAY_NAME_BYTES_MAX;

fn agency(text: &str) -> Result<AgencyId, HeaderError> {
    AgencyId::parse(text)
        .map_err(|_| HeaderError::Malformed("its agency is not INSTANCE/CLASS/AGENCY"))
}

fn system(text: &str) -> Result<SystemId, HeaderError> {
    SystemId::parse(text)
        .map_err(|_| HeaderError::Malformed("its system is not INSTANCE/CLASS/AGENCY/SYSTEM"))
}

fn part(text: &str) -> Result<Part, HeaderError> {
    Part::parse(text).map_err(|_| HeaderError::Malformed("one of its names is not a name part"))
}

/// A list of name parts: at most `max`, ascending, each once.
fn ascending(texts: &[String], max: usize) -> Result<Vec<Part>, HeaderError> {
    if texts.len() > max || !texts.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(HeaderError::Malformed(
            "one of its lists is too long, not ascending, or names one thing twice",
        ));
    }
    texts.iter().map(|text| part(text)).collect()
}

fn texts(parts: &[Part]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

fn digest(bytes: &[u8]) -> Result<Digest, HeaderError> {
    Digest::from_slice(bytes).ok_or(HeaderError::Malformed("one of its digests is not 32 bytes"))
}

fn key(spki: &[u8]) -> Result<PublicKey, HeaderError> {
    PublicKey::from_spki(spki).map_err(|_| {
        HeaderError::Malformed("its key is not an Ed25519 or P-256 key that can be bound")
    })
}

/// A name shown to people: not empty, bounded, without control or direction-changing characters.
fn display_name(text: String) -> Result<String, HeaderError> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.trim().is_empty() || text.len() > DISPLAY_NAME_BYTES_MAX || text.chars().any(hidden) {
        return Err(HeaderError::Malformed(
            "a display name is empty, too long, or has hidden characters",
        ));
    }
    Ok(text)
}
