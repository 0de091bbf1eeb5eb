//! An invitation: one text that an operator gives to one agency, by a way that both trust.
//!
//! `mohawel-invite-v1.` and base64url of JSON. It carries the one-time token and the two pins with
//! which a newcomer tells this switch from any other: the TLS authority's root and entry 0. Until
//! the agency's key is bound, this text is all that protects it: it is a secret.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::id::AgencyId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::is_address;

/// How every invitation begins.
const PREFIX: &str = "mohawel-invite-v1.";
/// The longest text that is read.
const TEXT_BYTES_MAX: usize = 4_096;

/// An invitation, parsed. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Who is invited.
    pub agency: AgencyId,
    /// 32 random bytes; whoever holds them can enrol as this agency, once.
    pub token: [u8; 32],
    /// Unix time, milliseconds, after which it is worthless.
    pub expires_at_ms: u64,
    /// SHA-256 of the TLS authority's root certificate.
    pub root_sha256: Digest,
    /// SHA-256 of entry 0.
    pub genesis_sha256: Digest,
    /// host:port of the enrolment door.
    pub enrol: String,
}

/// The JSON shape.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    agency: String,
    token: String,
    expires_at_ms: u64,
    root_sha256: String,
    genesis_sha256: String,
    enrol: String,
}

impl Invitation {
    /// A fresh one-time token.
    ///
    /// # Errors
    /// [`InvitationError::NoRandomness`].
    pub fn new_token() -> Result<[u8; 32], InvitationError> {
        Ok(Salt::random().map_err(|_| InvitationError::NoRandomness)?.0)
    }

    /// SHA-256 of the token: all that is ever recorded of it.
    pub fn token_sha256(&self) -> Digest {
        Digest::of(&self.token)
    }

    /// The text to copy.
    ///
    /// # Errors
    /// [`InvitationError::Content`] for an enrolment address that no newcomer could dial.
    pub fn encode(&self) -> Result<String, InvitationError> {
        if !is_address(&self.enrol) {
            return Err(InvitationError::Content(
                "the enrolment address is not host:port",
            ));
        }
        let shape = Shape {
            agency: self.agency.to_string(),
            token: hex::encode(self.token),
            expires_at_ms: self.expires_at_ms,
            root_sha256: self.root_sha256.to_string(),
            genesis_sha256: self.genesis_sha256.to_string(),
            enrol: self.enrol.clone(),
        };
        let json = serde_json::to_vec(&shape)
            .map_err(|_| InvitationError::Content("it cannot be written"))?;
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json)))
    }

    /// Reads the text. Space and line breaks, as mail programs add them, are ignored.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub fn parse(text: &str) -> Result<Self, InvitationError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvitationError::Damaged);
        }
        let text: String = text.split_whitespace().collect();
        let body = text.strip_prefix(PREFIX).ok_or(InvitationError::NotOne)?;
        let json = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| InvitationError::Damaged)?;
        let shape: Shape = serde_json::from_slice(&json).map_err(|_| InvitationError::Damaged)?;
        let mut token = [0; 32];
        hex::decode_to_slice(&shape.token, &mut token)
            .map_err(|_| InvitationError::Content("the token is not 32 bytes"))?;
        if !is_address(&shape.enrol) {
            return Err(InvitationError::Content(
                "the enrolment address is not host:port",
            ));
        }
        let digest =
            |text: &str, what| Digest::from_hex(text).ok_or(InvitationError::Content(what));
        Ok(Self {
            agency: AgencyId::parse(&shape.agency)
                .map_err(|_| InvitationError::Content("the agency is not INSTANCE/CLASS/AGENCY"))?,
            token,
            expires_at_ms: shape.expires_at_ms,
            root_sha256: digest(&shape.root_sha256, "the root's digest is not 64 hex digits")?,
            genesis_sha256: digest(
                &shape.genesis_sha256,
                "the genesis digest is not 64 hex digits",
            )?,
            enrol: shape.enrol,
        })
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Invitation({}, at {}, until {} ms)",
            self.agency, self.enrol, self.expires_at_ms
        )
    }
}

/// Why a text is not an invitation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvitationError {
    /// Some other text.
    #[error("this is not an invitation; it begins with '{PREFIX}'. Copy the operator's whole text")]
    NotOne,
    /// Some other text than a switch's card.
    #[error("this is not a switch's card; it begins with '{0}'. Copy the operator's whole text")]
    NotCard(&'static str),
    /// Cut short or changed on the way.
    #[error("the invitation is damaged; copy the operator's whole text again")]
    Damaged,
    /// A part is not what it must be.
    #[error("the invitation cannot be used: {0}; ask the operator for another")]
    Content(&'static str),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            agency: AgencyId::parse("EG/GOV/MOSS").unwrap(),
            token: Invitation::new_token().unwrap(),
            expires_at_ms: 1_800_000_000_000,
            root_sha256: Digest::of(b"root"),
            genesis_sha256: Digest::of(b"genesis"),
            enrol: "switch.example:7444".to_owned(),
        }
    }

    #[test]
    fn it_survives_the_mail_and_hides_its_token() {
        let invitation = invitation();
        let text = invitation.encode().unwrap();
        let (first, second) = text.split_at(60);
        assert_eq!(
            Invitation::parse(&format!("  {first}\r\n {second}\n")).unwrap(),
            invitation
        );
        assert!(!format!("{invitation:?}").contains(&hex::encode(invitation.token)));
    }

    #[test]
    fn every_cut_and_every_other_text_is_refused() {
        let text = invitation().encode().unwrap();
        assert_eq!(Invitation::parse("hello"), Err(InvitationError::NotOne));
        for end in PREFIX.len()..text.len() {
            assert!(Invitation::parse(&text[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(
            Invitation::parse(&"a".repeat(5_000)),
            Err(InvitationError::Damaged)
        );
        let mut nowhere = invitation();
        nowhere.enrol = "nowhere".to_owned();
        assert!(nowhere.encode().is_err());
    }
}
