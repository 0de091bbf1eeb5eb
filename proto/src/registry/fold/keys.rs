//! Seal keys and certificates.

use std::sync::Arc;

use super::{Act, FoldError, sealed};
use crate::act::{KeyBinding, KeyEnd, KeySuccession, OutsideCertificate};
use crate::digest::Digest;
use crate::facts;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::limits::label;
use crate::registry::{BoundKey, Certificate, Registry, System};
use crate::seal::Seal;

/// A new seal key and where it came from.
struct NewKey {
    key: PublicKey,
    system: SystemId,
    adapter: Part,
    follows: Option<Digest>,
}

impl Registry {
    pub(super) fn bind(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let binding = KeyBinding::open(act.header)?;
        self.sealed_by_standing_agency(act, label::AUTHORITY, &binding.system.agency())?;
        self.proves_itself(
            &binding.key,
            &binding.possession,
            &binding.possession_bytes(),
        )?;
        self.add_key(
            act,
            NewKey {
                key: binding.key,
                system: binding.system,
                adapter: binding.adapter,
                follows: None,
            },
        )
    }

    pub(super) fn succeed_key(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let succession = KeySuccession::open(act.header)?;
        let older = self
            .keys
            .get(&succession.predecessor)
            .filter(|older| older.ended.is_none())
            .ok_or(FoldError::UnknownKey)?;
        sealed(act, label::SUCCESSION, self.origin(), &older.key)?;
        // A key endorses its own successor and nobody else's.
        if older.system != succession.system || older.adapter != succession.adapter {
            return Err(FoldError::UnknownKey);
        }
        let agency = succession.system.agency();
        self.stands(&agency)?;
        let followed = |key: &Arc<BoundKey>| key.follows == Some(succession.predecessor);
        if self.keys.values().any(followed) {
            return Err(FoldError::NoChange);
        }
        self.proves_itself(
            &succession.key,
            &succession.possession,
            &succession.possession_bytes(),
        )?;
        self.add_key(
            act,
            NewKey {
                key: succession.key,
                system: succession.system,
                adapter: succession.adapter,
                follows: Some(succession.predecessor),
            },
        )
    }

    fn add_key(&mut self, act: Act<'_>, new: NewKey) -> Result<(), FoldError> {
        let kid = self.new_key(&new.key)?;
        let system = match self.systems.get(&new.system) {
            Some(system) if system.ended.is_some() => {
                return Err(FoldError::SystemEnded(new.system));
            }
            Some(system) => {
                let mut system = (**system).clone();
                system.keys.push(kid);
                system
            }
            None => {
                self.free_name(&new.system.folded())?;
                System {
                    id: new.system.clone(),
                    index: act.index,
                    keys: vec![kid],
                    ended: None,
                }
            }
        };
        self.kids.insert(kid);
        self.names.insert(new.system.folded());
        self.systems.insert(new.system.clone(), Arc::new(system));
        let bound = BoundKey {
            key: new.key,
            system: new.system,
            adapter: new.adapter,
            index: act.index,
            follows: new.follows,
            ended: None,
        };
        self.keys.insert(kid, Arc::new(bound));
        Ok(())
    }

    /// By the agency's authority key, or by the key that followed it.
    pub(super) fn end_key(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let end = KeyEnd::open(act.header)?;
        let sealer = act.seal.ok_or(FoldError::Unsealed).map(Seal::open)??.kid();
        let follower = self.keys.get(&sealer).filter(|key| {
            key.follows == Some(end.kid) && key.system == end.system && key.ended.is_none()
        });
        match follower {
            Some(follower) => sealed(act, label::SUCCESSION, self.origin(), &follower.key)?,
            None => self.sealed_by_agency(act, label::AUTHORITY, &end.system.agency())?,
        }
        let bound = self.keys.get(&end.kid).ok_or(FoldError::UnknownKey)?;
        if bound.system != end.system || bound.ended.is_some() {
            return Err(FoldError::UnknownKey);
        }
        self.finish_key(end.kid, act.index, &end.reason);
        Ok(())
    }

    fn finish_key(&mut self, kid: Digest, index: u64, reason: &Part) {
        if let Some(bound) = self.keys.get_mut(&kid)
            && bound.ended.is_none()
        {
            *bound = Arc::new(BoundKey {
                ended: Some((index, reason.clone())),
                ..(**bound).clone()
            });
        }
    }

    /// Ends a system with all its keys and certificates.
    pub(super) fn end_system(
        &mut self,
        act: Act<'_>,
        id: &SystemId,
        reason: &Part,
    ) -> Result<(), FoldError> {
        let system = self
            .systems
            .get(id)
            .ok_or_else(|| FoldError::UnknownSystem(id.clone()))?;
        if system.ended.is_some() {
            return Err(FoldError::SystemEnded(id.clone()));
        }
        let mut system = (**system).clone();
        system.ended = Some((act.index, reason.clone()));
        for kid in &system.keys {
            self.finish_key(*kid, act.index, reason);
        }
        let uri = self.uri_of(id);
        let own: Vec<Digest> = self
            .certificates
            .values()
            .filter(|certificate| certificate.uri == uri && certificate.revoked.is_none())
            .map(|certificate| certificate.sha256)
            .collect();
        for sha256 in own {
            self.revoke_certificate(&sha256, act.index, reason);
        }
        self.systems.insert(id.clone(), Arc::new(system));
        Ok(())
    }

    /// `by`: the agency that acts; `None` for an operator, who may end anybody's.
    pub(super) fn end_certificate(
        &mut self,
        act: Act<'_>,
        sha256: &Digest,
        reason: &Part,
        by: Option<&AgencyId>,
    ) -> Result<(), FoldError> {
        let known = self
            .certificates
            .get(sha256)
            .filter(|certificate| certificate.revoked.is_none())
            .ok_or(FoldError::UnknownCertificate)?;
        let own = by.is_none_or(|agency| self.is_uri_of_agency(&known.uri, agency));
        if !own {
            return Err(FoldError::UnknownCertificate);
        }
        self.revoke_certificate(sha256, act.index, reason);
        Ok(())
    }

    fn revoke_certificate(&mut self, sha256: &Digest, index: u64, reason: &Part) {
        if let Some(certificate) = self.certificates.get_mut(sha256) {
            *certificate = Arc::new(Certificate {
                revoked: Some((index, reason.clone())),
                ..(**certificate).clone()
            });
        }
    }

    pub(super) fn bind_certificate(
        &mut self,
        act: Act<'_>,
        outside: &OutsideCertificate,
    ) -> Result<(), FoldError> {
        let system = self
            .systems
            .get(&outside.system)
            .ok_or_else(|| FoldError::UnknownSystem(outside.system.clone()))?;
        if system.ended.is_some() {
            return Err(FoldError::SystemEnded(outside.system.clone()));
        }
        if self.certificates.contains_key(&outside.sha256) {
            return Err(FoldError::NoChange);
        }
        let record = Certificate {
            uri: self.uri_of(&outside.system),
            sha256: outside.sha256,
            key_sha256: None,
            not_before: outside.not_before,
            not_after: outside.not_after,
            index: act.index,
            outside: true,
            revoked: None,
        };
        self.certificates.insert(outside.sha256, Arc::new(record));
        Ok(())
    }

    pub(super) fn note_certificate(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let issued = facts::registry(act.facts)?
            .certificate
            .ok_or(FoldError::NoCertificate)?;
        if !act.header.is_empty() || act.seal.is_some() {
            return Err(FoldError::NoCertificate);
        }
        let sha256 = Digest::from_slice(&issued.sha256).ok_or(FoldError::NoCertificate)?;
        if self.certificates.contains_key(&sha256) {
            return Err(FoldError::NoChange);
        }
        let said = (!issued.key_sha256.is_empty()).then_some(&issued.key_sha256);
        let key_sha256 = said
            .map(|key| Digest::from_slice(key).ok_or(FoldError::NoCertificate))
            .transpose()?;
        let record = Certificate {
            uri: issued.uri,
            sha256,
            key_sha256,
            not_before: issued.not_before,
            not_after: issued.not_after,
            index: act.index,
            outside: false,
            revoked: None,
        };
        self.certificates.insert(sha256, Arc::new(record));
        Ok(())
    }
}
