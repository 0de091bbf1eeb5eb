//! Decisions as they would be if agreements stood otherwise: for an auditor who asks what a change would have changed.
//!
//! Takes a registry and a [`Supposition`]. Gives a [`Supposed`], a type of its own: nothing that nobody sealed can stand
//! where a registry is asked for. It decides with [`super::authorise`], the function that the switch decides with.

use super::{Denial, Permission, authorise, locate};
use crate::act::AgreementContent;
use crate::digest::Digest;
use crate::header::RequestHeader;
use crate::refusal::Code;
use crate::registry::Registry;

/// Agreements that are supposed to stand otherwise than they do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supposition {
    /// These count as revoked from the beginning.
    pub revoked: Vec<Digest>,
    /// Of these, the grant with this number (from 1) permits nothing.
    pub without_grant: Vec<(Digest, u32)>,
    /// These count as sealed by both, within the time that they say.
    pub added: Vec<AgreementContent>,
}

/// A registry as it might have been. It only says what it would decide.
#[derive(Debug)]
pub struct Supposed {
    registry: Registry,
    added: Vec<Digest>,
}

/// What would permit a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupposedPermission {
    /// As [`authorise`] gives it. The agreement is no agreement's id where it is one of those supposed.
    pub permission: Permission,
    /// The place in [`Supposition::added`] of the agreement that permits it; `None`: a real one.
    pub added: Option<usize>,
}

impl Supposed {
    /// `registry` with everything changed that is supposed.
    pub fn new(registry: &Registry, supposition: &Supposition) -> Self {
        Self {
            registry: registry.supposing(supposition),
            added: supposition.added.iter().map(AgreementContent::id).collect(),
        }
    }

    /// Decides whether `request` would be permitted at `at_ms`: by the agreement that it names, or else by one of those
    /// that are supposed, which it could not name. A service that could not be found refuses it as it would have.
    ///
    /// # Errors
    /// The denial by the agreement that it names.
    pub fn authorise(
        &self,
        request: &RequestHeader,
        at_ms: u64,
    ) -> Result<SupposedPermission, Denial> {
        let denial = match authorise(&self.registry, request, at_ms) {
            Ok(permission) => {
                return Ok(SupposedPermission {
                    permission,
                    added: None,
                });
            }
            Err(denial) => denial,
        };
        for (place, id) in self.added.iter().enumerate() {
            let named = RequestHeader {
                agreement: Some(*id),
                delegation: Vec::new(),
                ..request.clone()
            };
            if let Ok(permission) = authorise(&self.registry, &named, at_ms) {
                return Ok(SupposedPermission {
                    permission,
                    added: Some(place),
                });
            }
        }
        Err(denial)
    }

    /// As [`locate`]: whether the service could be asked at all.
    ///
    /// # Errors
    /// The refusal's code.
    pub fn locate(&self, request: &RequestHeader) -> Result<(), Code> {
        locate(&self.registry, request).map(drop)
    }
}

#[cfg(test)]
mod tests;
