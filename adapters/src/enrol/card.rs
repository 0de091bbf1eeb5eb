//! A switch's card: the public text that tells newcomers which switch this is and where it enrols.
//!
//! `mohawel-switch-v1.` and base64url of JSON: the two pins of an invitation without its token. It is no secret, but
//! whoever reads a wrong one joins a wrong switch: take it from where the operator publishes it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::digest::Digest;
use proto::id::AgencyId;
use serde::{Deserialize, Serialize};

use super::{Invitation, InvitationError};
use crate::config::is_address;

/// How every card begins.
const PREFIX: &str = "mohawel-switch-v1.";
/// The longest text that is read.
const TEXT_BYTES_MAX: usize = 4_096;

/// A switch's card, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchCard {
    /// SHA-256 of the TLS authority's root certificate.
    pub root_sha256: Digest,
    /// SHA-256 of entry 0.
    pub genesis_sha256: Digest,
    /// host:port of the enrolment door.
    pub enrol: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    root_sha256: String,
    genesis_sha256: String,
    enrol: String,
}

impl SwitchCard {
    /// The text to publish.
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
            root_sha256: self.root_sha256.to_string(),
            genesis_sha256: self.genesis_sha256.to_string(),
            enrol: self.enrol.clone(),
        };
        let json = serde_json::to_vec(&shape)
            .map_err(|_| InvitationError::Content("it cannot be written"))?;
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json)))
    }

    /// Reads the text. Space and line breaks are ignored.
    ///
    /// # Errors
    /// [`InvitationError`].
    pub fn parse(text: &str) -> Result<Self, InvitationError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvitationError::Damaged);
        }
        let text: String = text.split_whitespace().collect();
        let body = text
            .strip_prefix(PREFIX)
            .ok_or(InvitationError::NotCard(PREFIX))?;
        let json = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| InvitationError::Damaged)?;
        let shape: Shape = serde_json::from_slice(&json).map_err(|_| InvitationError::Damaged)?;
        let digest =
            |text: &str, what| Digest::from_hex(text).ok_or(InvitationError::Content(what));
        if !is_address(&shape.enrol) {
            return Err(InvitationError::Content(
                "the enrolment address is not host:port",
            ));
        }
        Ok(Self {
            root_sha256: digest(&shape.root_sha256, "the root's digest is not 64 hex digits")?,
            genesis_sha256: digest(
                &shape.genesis_sha256,
                "the genesis digest is not 64 hex digits",
            )?,
            enrol: shape.enrol,
        })
    }

    /// The card as an invitation of `agency` with a token, good for ever: what an applicant would be invited with.
    pub(super) fn invitation(&self, agency: &AgencyId, token: [u8; 32]) -> Invitation {
        Invitation {
            agency: agency.clone(),
            token,
            expires_at_ms: u64::MAX,
            root_sha256: self.root_sha256,
            genesis_sha256: self.genesis_sha256,
            enrol: self.enrol.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_survives_line_breaks_and_every_cut_is_refused() {
        let card = SwitchCard {
            root_sha256: Digest::of(b"root"),
            genesis_sha256: Digest::of(b"genesis"),
            enrol: "switch.example:7444".to_owned(),
        };
        let text = card.encode().unwrap();
        let (first, second) = text.split_at(50);
        assert_eq!(
            SwitchCard::parse(&format!(" {first}\n{second} ")).unwrap(),
            card
        );
        for end in 0..text.len() {
            assert!(SwitchCard::parse(&text[..end]).is_err(), "cut at {end}");
        }
        assert!(SwitchCard::parse(&"a".repeat(5_000)).is_err());
    }
}
