//! The fold: one registry entry in, the next registry out, or the reason why it may not stand.
//!
//! The broker runs it before it records an act, every mirror and every replay after. An act that the
//! fold refuses can therefore never be in an honest log.
//!
//! | file | what it folds |
//! |---|---|
//! | `joining` | invitations, applications, enrolments |
//! | `keys` | seal keys and certificates |
//! | `encryption` | what payloads are sealed to |
//! | `log_keys` | the log's next key |
//! | `agencies` | what agencies do to themselves, services |
//! | `operators` | what operators do, and the second seal |
//! | `agreements` | agreements and delegations |
//! | `border` | members abroad, and what is opened to them |

use std::sync::Arc;

use super::Registry;
use crate::act::Genesis;
use crate::canonical::HeaderError;
use crate::digest::Digest;
use crate::entry::{Entry, Kind};
use crate::id::AgencyId;
use crate::key::PublicKey;
use crate::limits::{REGISTRY_HEADER_BYTES_MAX, label};
use crate::seal::Seal;

mod agencies;
mod agreements;
mod border;
mod encryption;
mod error;
mod joining;
mod keys;
mod log_keys;
mod operators;

pub use error::{BorderFault, FoldError, LogKeyFault};

/// An act as the fold sees it: the parts of a registry entry that decide.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Log index of the entry; the next free one when judged before it is recorded.
    pub index: u64,
    /// Unix time, milliseconds, of recording.
    pub recorded_at_ms: u64,
    /// The entry's kind.
    pub kind: Kind,
    /// Facts, header and seal of the entry.
    pub facts: &'a [u8],
    /// The sealed header.
    pub header: &'a [u8],
    /// The seal; absent on certificate entries.
    pub seal: Option<&'a Seal>,
}

impl Registry {
    /// Folds one registry entry. On error the registry is unchanged.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Result<(), FoldError> {
        self.apply_act(Act {
            index,
            recorded_at_ms: entry.stamp.recorded_at_ms(),
            kind: entry.kind,
            facts: &entry.facts,
            header: &entry.header,
            seal: entry.seal.as_ref(),
        })?;
        if entry.kind == Kind::Genesis {
            self.genesis_sha256 = Digest::of(&entry.encode()?);
        }
        Ok(())
    }

    /// Folds an act, recorded or about to be. On error the registry is unchanged.
    pub fn apply_act(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        if act.header.len() > REGISTRY_HEADER_BYTES_MAX {
            return Err(HeaderError::TooLarge {
                len: act.header.len(),
                max: REGISTRY_HEADER_BYTES_MAX,
            }
            .into());
        }
        if (act.kind == Kind::Genesis) != self.genesis.is_none() {
            return Err(FoldError::Genesis);
        }
        // A replacement that is due counts before the act is judged: the order of other acts plays no part.
        if self.is_replacement_due(act.recorded_at_ms) {
            let mut next = self.clone();
            next.mature(act.recorded_at_ms);
            next.judge(act)?;
            *self = next;
        } else {
            self.judge(act)?;
        }
        self.size += 1;
        Ok(())
    }

    fn judge(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        match act.kind {
            Kind::Genesis => self.begin(act),
            Kind::Invitation => self.invite(act),
            Kind::Application => self.apply_to_join(act),
            Kind::Agency => self.enrol(act),
            Kind::KeyBound => self.bind(act),
            Kind::KeySucceeded => self.succeed_key(act),
            Kind::KeyEnded => self.end_key(act),
            Kind::Certificate => self.note_certificate(act),
            Kind::Service => self.publish(act),
            Kind::AgencyAct => self.once(act, Self::agency_acts),
            Kind::OperatorAct => self.once(act, Self::operator_acts),
            Kind::Approval => self.once(act, Self::approve),
            Kind::AgreementAct => self.agree(act),
            Kind::LogKeySucceeded => self.succeed_log_key(act),
            Kind::EncryptionKeyBound => self.bind_encryption_key(act),
            Kind::BorderAct => self.once(act, Self::border_acts),
            Kind::Epoch
            | Kind::Request
            | Kind::Closing
            | Kind::Refusal
            | Kind::Late
            | Kind::Dispute
            | Kind::Opening
            | Kind::Trailer
            | Kind::Upload
            | Kind::UploadTrailer
            | Kind::Access
            | Kind::Hold
            | Kind::Erasure
            | Kind::Witnesses
            | Kind::Review
            | Kind::Event
            | Kind::Subscription
            | Kind::EventOutcome
            | Kind::SubscriptionEnd => Err(FoldError::NotRegistry),
        }
    }

    /// Folds an act that could take effect again if it stood in the log twice, like lifting a suspension. Every
    /// other kind uses up what it names: a token, a key, a place in an agreement.
    fn once(
        &mut self,
        act: Act<'_>,
        fold: impl FnOnce(&mut Self, Act<'_>) -> Result<(), FoldError>,
    ) -> Result<(), FoldError> {
        let id = Digest::of(act.header);
        if self.once.contains(&id) {
            return Err(FoldError::Replayed);
        }
        fold(self, act)?;
        self.once.insert(id);
        Ok(())
    }

    fn begin(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let genesis = Genesis::open(act.header)?;
        sealed(act, label::GENESIS, &genesis.origin, &genesis.log_key)?;
        let genesis = Arc::new(genesis);
        let mut next = Self {
            genesis: Some(Arc::clone(&genesis)),
            ..Self::default()
        };
        for operator in &genesis.operators {
            next.seat_first_operator(operator, act.index)?;
        }
        for purpose in &genesis.purposes {
            next.note_purpose(purpose.clone(), act.index);
        }
        *self = next;
        Ok(())
    }

    /// The seal is that of the agency's authority key.
    fn sealed_by_agency(
        &self,
        act: Act<'_>,
        label: &str,
        agency: &AgencyId,
    ) -> Result<(), FoldError> {
        let known = self
            .agencies
            .get(agency)
            .ok_or_else(|| FoldError::UnknownAgency(agency.clone()))?;
        sealed(act, label, self.origin(), &known.authority_key)
    }

    /// As [`Registry::sealed_by_agency`], for what a suspended agency, or one of a withdrawn instance, may not do.
    fn sealed_by_standing_agency(
        &self,
        act: Act<'_>,
        label: &str,
        agency: &AgencyId,
    ) -> Result<(), FoldError> {
        self.sealed_by_agency(act, label, agency)?;
        self.stands(agency)
    }

    /// Neither suspended, nor of a withdrawn instance.
    fn stands(&self, agency: &AgencyId) -> Result<(), FoldError> {
        if self.is_suspended(agency) {
            Err(FoldError::Suspended(agency.clone()))
        } else if self.is_withdrawn(agency) {
            Err(BorderFault::Withdrawn(agency.clone()).into())
        } else {
            Ok(())
        }
    }

    fn free_name(&self, folded: &str) -> Result<(), FoldError> {
        if self.names.contains(folded) {
            Err(FoldError::NameTaken(folded.to_owned()))
        } else {
            Ok(())
        }
    }

    /// Takes a key for one use, for ever; refuses one that was taken before, for whatever use.
    fn new_key(&self, key: &PublicKey) -> Result<Digest, FoldError> {
        let kid = key.kid();
        let log_key = self
            .genesis
            .as_deref()
            .is_some_and(|genesis| genesis.log_key.kid() == kid);
        if log_key || self.kids.contains(&kid) {
            Err(FoldError::KeyReused)
        } else {
            Ok(kid)
        }
    }

    /// Verifies that the holder of a new key asked for its binding.
    fn proves_itself(
        &self,
        key: &PublicKey,
        possession: &bytes::Bytes,
        over: &[u8],
    ) -> Result<(), FoldError> {
        let proof = Seal {
            cose: possession.clone(),
            leaf_index: 0,
            tree_size: 1,
            path: Vec::new(),
        };
        proof
            .verify(label::POSSESSION, self.origin(), over, key)
            .map_err(|_| FoldError::NoPossession)
    }
}

fn sealed(act: Act<'_>, label: &str, origin: &str, key: &PublicKey) -> Result<(), FoldError> {
    act.seal
        .ok_or(FoldError::Unsealed)?
        .verify(label, origin, act.header, key)
        .map_err(FoldError::Seal)
}
