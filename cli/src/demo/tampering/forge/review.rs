//! A review that nobody gave: the operator says for an agency that it looked at an exchange.

use bytes::Bytes;
use proto::act::{Finding, Review, ReviewedRequest};
use proto::digest::Digest;
use proto::entry::{Draft, Entry, Kind};
use proto::facts::{self, RegistryFacts};
use proto::header::RequestHeader;
use proto::limits::label;
use proto::seal::Seal;

use super::{Forge, stamp_after};
use crate::failure::Failure;

impl Forge {
    /// One entry more: a review of the first exchange, under a key of the forger's own.
    pub(super) fn with_a_review(&self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
        let none = || Failure::unavailable("the story has no exchange");
        let at = entries
            .iter()
            .position(|entry| entry.kind == Kind::Request)
            .ok_or_else(none)?;
        let asked = RequestHeader::open(&entries[at].header).map_err(Failure::unavailable)?;
        let review = Review {
            agency: asked.provider.agency(),
            requests: vec![ReviewedRequest {
                index: at as u64,
                leaf: entries[at].leaf().map_err(Failure::unavailable)?,
            }],
            finding: Finding::Justified,
            reason_sha256: Digest::of(b"nobody looked"),
            issued_at_ms: entries[at].stamp.recorded_at_ms(),
        };
        let header: Bytes = review.encode();
        let seal = Seal::one(label::REVIEW, &self.origin, &header, &self.signer)
            .map_err(Failure::unavailable)?;
        let draft = Draft {
            kind: Kind::Review,
            facts: facts::encode(&RegistryFacts::default()),
            seal: Some(seal),
            header,
        };
        let stamp = stamp_after(&entries, entries[entries.len() - 1].stamp);
        entries.push(Entry::new(draft, stamp));
        Ok(entries)
    }
}
