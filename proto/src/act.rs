//! Acts: what agencies and operators seal into the registry. Parsed strictly, encoded one way.
//!
//! Field meanings stand in `acts.proto`. Who may seal which act, and when it counts, is decided by
//! the fold in [`crate::registry`].

mod agency;
mod agreement;
mod border;
mod delegation;
mod encryption;
mod genesis;
mod grant;
mod key;
mod log_key;
mod membership;
mod operator;
mod oversight;
mod review;
mod scope;
mod service;

pub use agency::{AgencyAct, AgencyDeed, OperationNotice, OutsideCertificate};
pub use agreement::{AgreementAct, AgreementContent, Step};
pub use border::{BorderAct, BorderDeed, InstanceAdmission, OpeningAbroad};
pub use delegation::Delegation;
pub use encryption::EncryptionKeyBinding;
pub use genesis::{Genesis, Operator, Purpose};
pub use grant::{BREAK_GLASS, Grant, RESTRICTED, RowRule};
pub use key::{KeyBinding, KeyEnd, KeySuccession};
pub use log_key::LogKeySuccession;
pub use membership::{AgencyEnrolment, Application, Invitation};
pub use operator::{Approval, OperatorAct, OperatorDeed, PersonRole, TwoOperators};
pub use oversight::{Erased, Erasure, Hold};
pub use review::{Finding, Review, ReviewedRequest};
pub use scope::{ConsumerScope, GroupMember};
pub use service::{Operation, ServiceDefinition, SubjectField};

use bytes::Bytes;

use crate::canonical::HeaderError;
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::limits::{DISPLAY_NAME_BYTES_MAX, SEAL_BYTES_MAX};
use crate::text::{Script, display_name_fault};

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

fn public_key(spki: &[u8]) -> Result<PublicKey, HeaderError> {
    PublicKey::from_spki(spki).map_err(|_| {
        HeaderError::Malformed("its key is not an Ed25519 or P-256 key that can be bound")
    })
}

/// A text shown to people that may be absent: bounded, without control or direction-changing characters.
fn shown_text(text: String) -> Result<String, HeaderError> {
    if text.is_empty() {
        Ok(text)
    } else {
        display_name(text)
    }
}

/// A name part that may be absent.
fn optional_part(text: &str) -> Result<Option<Part>, HeaderError> {
    if text.is_empty() {
        Ok(None)
    } else {
        part(text).map(Some)
    }
}

/// A digest that may be absent.
fn optional_digest(bytes: &[u8]) -> Result<Option<Digest>, HeaderError> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        digest(bytes).map(Some)
    }
}

fn possession(bytes: Bytes) -> Result<Bytes, HeaderError> {
    if bytes.len() > SEAL_BYTES_MAX {
        Err(HeaderError::Malformed(
            "its proof of possession is too long",
        ))
    } else {
        Ok(bytes)
    }
}

/// A name in Arabic or Latin letters, shown to people: one that looks like another is refused.
fn script_name(text: String, script: Script) -> Result<String, HeaderError> {
    let text = display_name(text)?;
    match display_name_fault(&text, script) {
        None => Ok(text),
        Some(fault) => Err(HeaderError::Malformed(fault)),
    }
}

fn arabic_name(text: String) -> Result<String, HeaderError> {
    script_name(text, Script::Arabic)
}

fn english_name(text: String) -> Result<String, HeaderError> {
    script_name(text, Script::Latin)
}

/// A text shown to people: not empty, bounded, without control or direction-changing characters.
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
