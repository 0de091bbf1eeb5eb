//! What a verifier that is not ours needs of a seal: the exact bytes that were signed, the raw signature, its DER form,
//! the key as PEM. Everything here is made from entries; nothing here decides whether a seal holds.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::Digest;
use proto::act::{
    AgencyAct, AgencyDeed, AgencyEnrolment, Application, Genesis, KeyBinding, KeySuccession,
    LogKeySuccession, OperatorAct, OperatorDeed,
};
use proto::entry::{Entry, Kind};
use proto::key::{Algorithm, PublicKey};
use proto::limits::label;

/// Characters of base64 in one line of PEM.
const PEM_LINE: usize = 64;

/// Keys that the entries name, by kid.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(BTreeMap<Digest, PublicKey>);

impl Keys {
    /// Takes every key that `entry` names.
    pub(super) fn note(&mut self, entry: &Entry) {
        for key in keys_in(entry) {
            self.0.insert(key.kid(), key);
        }
    }

    pub(super) fn key(&self, kid: &Digest) -> Option<&PublicKey> {
        self.0.get(kid)
    }
}

/// Every key that a registry entry introduces.
fn keys_in(entry: &Entry) -> Vec<PublicKey> {
    let header = &entry.header;
    match entry.kind {
        Kind::Genesis => Genesis::open(header).map_or_else(
            |_| Vec::new(),
            |genesis| {
                let operators = genesis.operators.into_iter().map(|operator| operator.key);
                operators.chain([genesis.log_key]).collect()
            },
        ),
        Kind::Agency => one(AgencyEnrolment::open(header).map(|act| act.authority_key)),
        Kind::Application => one(Application::open(header).map(|act| act.authority_key)),
        Kind::KeyBound => one(KeyBinding::open(header).map(|act| act.key)),
        Kind::KeySucceeded => one(KeySuccession::open(header).map(|act| act.key)),
        Kind::LogKeySucceeded => one(LogKeySuccession::open(header).map(|act| act.key)),
        Kind::AgencyAct => match AgencyAct::open(header).map(|act| act.deed) {
            Ok(AgencyDeed::Succeed { key, .. }) => vec![key],
            Ok(_) | Err(_) => Vec::new(),
        },
        Kind::OperatorAct => match OperatorAct::open(header).map(|act| act.deed) {
            Ok(OperatorDeed::ReplaceAuthority { key, .. }) => vec![key],
            Ok(OperatorDeed::SetRole { key, .. }) => key.into_iter().collect(),
            Ok(_) | Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn one<E>(key: Result<PublicKey, E>) -> Vec<PublicKey> {
    key.into_iter().collect()
}

/// The labels under which an entry of this kind can be sealed.
pub(super) fn labels(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Genesis => &[label::GENESIS],
        Kind::Invitation | Kind::OperatorAct | Kind::Approval => &[label::OPERATOR],
        Kind::Agency | Kind::Application | Kind::KeyBound | Kind::Service | Kind::AgencyAct => {
            &[label::AUTHORITY]
        }
        // By the agency's authority, or by the key that followed.
        Kind::KeyEnded => &[label::AUTHORITY, label::SUCCESSION],
        Kind::KeySucceeded => &[label::SUCCESSION],
        Kind::LogKeySucceeded => &[label::LOG_KEY],
        Kind::EncryptionKeyBound => &[label::ENCRYPTION_KEY],
        Kind::AgreementAct => &[label::ACT],
        Kind::BorderAct => &[label::BORDER],
        Kind::Request => &[label::REQUEST],
        Kind::Upload => &[label::UPLOAD],
        // Of either form.
        Kind::Refusal => &[label::REQUEST, label::UPLOAD],
        Kind::UploadTrailer => &[label::UPLOAD_TRAILER],
        Kind::Closing | Kind::Late | Kind::Opening => &[label::ANSWER],
        Kind::Trailer => &[label::TRAILER],
        Kind::Dispute => &[label::DISPUTE],
        Kind::Hold => &[label::HOLD],
        Kind::Erasure => &[label::ERASURE],
        Kind::Review => &[label::REVIEW],
        Kind::Event => &[label::EVENT],
        Kind::Subscription => &[label::SUBSCRIPTION],
        Kind::SubscriptionEnd => &[label::SUBSCRIPTION_END],
        Kind::EventOutcome => &[label::EVENT_RECEIPT],
        Kind::Epoch | Kind::Certificate | Kind::Access | Kind::Witnesses => &[],
    }
}

/// One seal, taken apart.
#[derive(Clone, Debug)]
pub(super) struct SealParts {
    /// The key that it names.
    pub(super) kid: Digest,
    /// COSE `Sig_structure`.
    pub(super) signed: Vec<u8>,
    /// 64 bytes.
    pub(super) signature: Vec<u8>,
    /// The same signature as openssl reads ECDSA; only of P-256 keys.
    pub(super) der: Option<Vec<u8>>,
}

/// The seal of `entry` in a log named `origin`, taken apart; `None` when it has none that can be read.
pub(super) fn seal_parts(entry: &Entry, origin: &str, keys: &Keys) -> Option<SealParts> {
    let open = entry.seal.as_ref()?.open().ok()?;
    let labels = labels(entry.kind);
    let kid = open.kid();
    let holds = |label: &&&str| {
        let key = keys.key(&kid);
        key.is_some_and(|key| open.verify(label, origin, &entry.header, key, None).is_ok())
    };
    let label = labels.iter().find(holds).or(labels.first())?;
    Some(SealParts {
        kid,
        signed: open.signed_bytes(label, origin, &entry.header)?,
        signature: open.signature().to_vec(),
        der: (open.algorithm() == Algorithm::Es256).then(|| der(open.signature())),
    })
}

/// r‖s as a DER sequence of two integers.
fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [der_integer(r), der_integer(s)].concat();
    // At most 70 bytes.
    [&[0x30, body.len() as u8], &body[..]].concat()
}

/// A positive integer of at most 32 bytes: no leading zero but the one that keeps it positive.
fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut digits = bytes[zeros.min(bytes.len().saturating_sub(1))..].to_vec();
    if digits.first().is_some_and(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    // At most 33 bytes.
    [&[0x02, digits.len() as u8], &digits[..]].concat()
}

/// A public key as openssl reads it.
pub(super) fn pem(key: &PublicKey) -> String {
    let text = STANDARD.encode(key.spki());
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_short_and_positive() {
        assert_eq!(der_integer(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(der_integer(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(der_integer(&[0, 0, 0]), [2, 1, 0]);
        assert_eq!(der(&[0xff; 64]).len(), 2 + 2 * 35);
    }
}
