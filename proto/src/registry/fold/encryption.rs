//! What payloads for a system are sealed to.

use std::sync::Arc;

use super::{Act, FoldError};
use crate::act::EncryptionKeyBinding;
use crate::limits::label;
use crate::registry::{EncryptionKeyRecord, Registry};

impl Registry {
    /// By the agency's authority key. The newest one counts; a key counts for one system, and never again once another
    /// followed it, so an act that was held back cannot bring it back.
    pub(super) fn bind_encryption_key(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let binding = EncryptionKeyBinding::open(act.header)?;
        self.sealed_by_standing_agency(act, label::ENCRYPTION_KEY, &binding.system.agency())?;
        let system = &binding.system;
        match self.system(system) {
            None => return Err(FoldError::UnknownSystem(system.clone())),
            Some(known) if known.ended.is_some() => {
                return Err(FoldError::SystemEnded(system.clone()));
            }
            Some(_) => {}
        }
        let kid = binding.key.kid();
        if self.kids.contains(&kid) {
            return Err(FoldError::KeyReused);
        }
        self.kids.insert(kid);
        self.encryption_keys.insert(
            system.clone(),
            Arc::new(EncryptionKeyRecord {
                binding,
                index: act.index,
            }),
        );
        Ok(())
    }
}
