//! Forgeries of the newer ways to exchange, with the key of an agency that lends it where one is needed.
//!
//! Takes the honest entries. Gives them changed, moved or repeated, with every index behind the change mended.

use std::path::{Path, PathBuf};

use adapters::FileSigner;
use bytes::Bytes;
use proto::act::{AgreementAct, EncryptionKeyBinding, Step};
use proto::commitment::Form;
use proto::digest::Digest;
use proto::entry::{Draft, Entry, Kind};
use proto::facts::{self, ExchangeFacts, RegistryFacts};
use proto::header::{Outcome, RequestHeader, TrailerHeader};
use proto::limits::label;
use proto::seal::Seal;
use proto::sealed::EncryptionKey;

use super::{Forge, stamp_after};
use crate::demo::tampering::rows::Way;
use crate::demo::world::WITHIN_S;
use crate::failure::Failure;

/// How long after the end of its time a submission's answer is recorded: more than a replay forgives.
const LATE_MS: u64 = 61_000;

/// How long after the end of its agreement: as much as a replay forgives to what was under way, and a little.
const OUTLIVED_MS: u64 = 181_000;

/// The keys of the agencies that lend theirs.
#[derive(Debug)]
pub(super) struct Lent {
    homes: PathBuf,
}

impl Lent {
    pub(super) fn new(homes: PathBuf) -> Self {
        Self { homes }
    }

    fn key(&self, file: &Path) -> Result<FileSigner, Failure> {
        FileSigner::load(&self.homes.join(file)).map_err(Failure::unavailable)
    }

    /// Of who asks.
    fn consumer(&self) -> Result<FileSigner, Failure> {
        self.key(Path::new("moss/seal.key"))
    }

    /// Of who answers.
    fn provider(&self) -> Result<FileSigner, Failure> {
        self.key(Path::new("archive/seal.key"))
    }
}

/// The entries, each with where the honest log has it; nowhere: it is made up.
struct Placed(Vec<(Option<usize>, Entry)>);

impl Forge {
    /// The log with one thing forged.
    pub(super) fn in_a_way(&self, way: Way) -> Result<Vec<Entry>, Failure> {
        let honest = self.entries.iter().cloned().enumerate();
        let mut log = Placed(honest.map(|(at, entry)| (Some(at), entry)).collect());
        match way {
            Way::TrailerCount | Way::TrailerLength | Way::TrailerRoot => {
                self.other_trailer(&mut log, way)?;
            }
            Way::TrailerUnopened => drop(log.take(log.nth(Kind::Opening, 0)?)),
            Way::TrailerElsewhere => log.exchange_seals(Kind::Trailer)?,
            Way::TrailerInAClosing => {
                let opening = log.take(log.nth(Kind::Opening, 0)?);
                let at = log.nth(Kind::Trailer, 0)?;
                let trailer = log.entry(at);
                (trailer.kind, trailer.header, trailer.seal) =
                    (Kind::Closing, opening.header, opening.seal);
            }
            Way::EndedTwice => log.again_at_end(log.nth(Kind::Trailer, 0)?)?,
            Way::Manifest => {
                let at = log.asked(Form::Items, false)?;
                self.other_request(&mut log, at, |header| {
                    header.payload.hmac = Digest::of(b"another manifest");
                })?;
            }
            Way::ItemsElsewhere => {
                let asked = log.asked(Form::Items, false)?;
                let first = log.end_of(asked)?;
                // Segments are asked one after the other.
                log.exchange_seals_of(first, first + 2);
            }
            Way::Unsealed => {
                let at = log.asked(Form::Sealed, false)?;
                self.other_request(&mut log, at, |header| header.payload.form = Form::Whole)?;
            }
            Way::KeyOfAnother => self.bind_for_another(&mut log)?,
            Way::AnswerLate | Way::CutShort | Way::SubmissionTwice => submission(&mut log, way)?,
            Way::Outlived => self.outlive(&mut log)?,
            Way::UploadUntrailed => drop(log.take(log.nth(Kind::UploadTrailer, 0)?)),
            Way::UploadElsewhere => log.exchange_seals(Kind::UploadTrailer)?,
            Way::UploadTwice => {
                let at = log.nth(Kind::UploadTrailer, 0)?;
                let twin = log.entry(at).clone();
                log.0.insert(at + 1, (None, twin));
            }
        }
        log.mended()
    }

    /// The first answer's trailer, saying something else under its provider's seal.
    fn other_trailer(&self, log: &mut Placed, way: Way) -> Result<(), Failure> {
        let at = log.nth(Kind::Trailer, 0)?;
        let entry = log.entry(at);
        let mut trailer = TrailerHeader::open(&entry.header).map_err(Failure::unavailable)?;
        match way {
            Way::TrailerCount => trailer.count += 1,
            Way::TrailerLength => trailer.length -= 1,
            _ => trailer.root = Digest::of(b"something else"),
        }
        entry.header = trailer.encode();
        let signer = self.lent.provider()?;
        entry.seal = Some(self.sealed(label::TRAILER, &entry.header, &signer)?);
        Ok(())
    }

    /// A request that says something else under its consumer's seal.
    fn other_request(
        &self,
        log: &mut Placed,
        at: usize,
        change: impl FnOnce(&mut RequestHeader),
    ) -> Result<(), Failure> {
        let entry = log.entry(at);
        let mut header = RequestHeader::open(&entry.header).map_err(Failure::unavailable)?;
        change(&mut header);
        entry.header = header.encode();
        let signer = self.lent.consumer()?;
        entry.seal = Some(self.sealed(header.label(), &entry.header, &signer)?);
        Ok(())
    }

    /// A key of the forger's own for the archive's system, sealed by the authority of another agency.
    fn bind_for_another(&self, log: &mut Placed) -> Result<(), Failure> {
        let bound = log.nth(Kind::EncryptionKeyBound, 0)?;
        let honest = EncryptionKeyBinding::open(&log.entry(bound).header);
        let honest = honest.map_err(Failure::unavailable)?;
        // The base point: its secret is 1, so whoever likes opens what is sealed to it.
        let mut key = [0; 32];
        key[0] = 9;
        let binding = EncryptionKeyBinding {
            key: EncryptionKey::from_slice(&key).map_err(Failure::unavailable)?,
            ..honest
        };
        let header = binding.encode();
        let signer = self.lent.key(Path::new("MOSS.authority.key"))?;
        let draft = Draft {
            kind: Kind::EncryptionKeyBound,
            facts: facts::encode(&RegistryFacts::default()),
            seal: Some(self.sealed(label::ENCRYPTION_KEY, &header, &signer)?),
            header,
        };
        let last = log.0[log.0.len() - 1].1.stamp;
        log.0.push((None, Entry::new(draft, last)));
        Ok(())
    }

    /// The provider revokes the agreement under which a submission waits, and the switch lets it be answered all the same.
    fn outlive(&self, log: &mut Placed) -> Result<(), Failure> {
        let asked = log.asked(Form::Sealed, true)?;
        let header = RequestHeader::open(&log.entry(asked).header).map_err(Failure::unavailable)?;
        let of_it = |(_, entry): &(Option<usize>, Entry)| {
            let act = AgreementAct::open(&entry.header).ok()?;
            let is_it = entry.kind == Kind::AgreementAct && Some(act.agreement) == header.agreement;
            is_it.then_some(act)
        };
        let accepted = log.0.iter().filter_map(of_it).next_back();
        let accepted = accepted.ok_or_else(|| Failure::unavailable("no agreement in this log"))?;
        let revoked_ms = log.0[log.0.len() - 1].1.stamp.recorded_at_ms();
        let revoke = AgreementAct {
            step: Step::Revoke,
            agreement: accepted.agreement,
            previous: Some(accepted.id()),
            agency: header.provider.agency(),
            issued_at_ms: revoked_ms,
            content: Bytes::new(),
        };
        let bytes = revoke.encode();
        let signer = self.lent.key(Path::new("ARCHIVE.authority.key"))?;
        let draft = Draft {
            kind: Kind::AgreementAct,
            facts: facts::encode(&RegistryFacts::default()),
            seal: Some(self.sealed(label::ACT, &bytes, &signer)?),
            header: bytes,
        };
        let last = log.0[log.0.len() - 1].1.stamp;
        log.0.push((None, Entry::new(draft, last)));
        let end = log.end_of(asked)?;
        log.move_to_end(end, revoked_ms + OUTLIVED_MS)
    }

    fn sealed(&self, label: &str, header: &[u8], signer: &FileSigner) -> Result<Seal, Failure> {
        Seal::one(label, &self.origin, header, signer).map_err(Failure::unavailable)
    }
}

/// What is done to the one submission.
fn submission(log: &mut Placed, way: Way) -> Result<(), Failure> {
    let asked = log.asked(Form::Sealed, true)?;
    let header = RequestHeader::open(&log.entry(asked).header).map_err(Failure::unavailable)?;
    let at = log.end_of(asked)?;
    match way {
        Way::SubmissionTwice => log.again_at_end(at),
        Way::CutShort => {
            let entry = log.entry(at);
            (entry.header, entry.seal) = (Bytes::new(), None);
            told(entry, |facts| {
                Outcome::Deadline.name().clone_into(&mut facts.code)
            })
        }
        _ => log.move_to_end(at, header.issued_at_ms + WITHIN_S * 1_000 + LATE_MS),
    }
}

/// Changes what the switch's own part of an entry says.
fn told(entry: &mut Entry, change: impl FnOnce(&mut ExchangeFacts)) -> Result<(), Failure> {
    let mut facts = facts::exchange(&entry.facts).map_err(Failure::unavailable)?;
    change(&mut facts);
    entry.facts = facts::encode(&facts);
    Ok(())
}

impl Placed {
    fn entry(&mut self, at: usize) -> &mut Entry {
        &mut self.0[at].1
    }

    fn take(&mut self, at: usize) -> Entry {
        self.0.remove(at).1
    }

    /// Where the `number`th entry of a kind is, from 0.
    fn nth(&self, kind: Kind, number: usize) -> Result<usize, Failure> {
        let of_kind = |(at, (_, entry)): (usize, &(_, Entry))| (entry.kind == kind).then_some(at);
        let found = self.0.iter().enumerate().filter_map(of_kind).nth(number);
        found.ok_or_else(|| Failure::unavailable(format!("no {} in this log", kind.name())))
    }

    /// The first request of a form; a submission or not.
    fn asked(&self, form: Form, submits: bool) -> Result<usize, Failure> {
        let is_it = |entry: &Entry| {
            let header = RequestHeader::open(&entry.header);
            header.is_ok_and(|it| it.payload.form == form && it.is_submission() == submits)
        };
        let found = self
            .0
            .iter()
            .position(|(_, entry)| entry.kind == Kind::Request && is_it(entry));
        found.ok_or_else(|| Failure::unavailable("no such request in this log"))
    }

    /// The closing entry of the request that the honest log has there, too.
    fn end_of(&self, asked: usize) -> Result<usize, Failure> {
        let of_it = |entry: &Entry| {
            let facts = facts::exchange(&entry.facts);
            facts.is_ok_and(|facts| facts.request_index == asked as u64)
        };
        let found = self
            .0
            .iter()
            .position(|(_, entry)| entry.kind == Kind::Closing && of_it(entry));
        found.ok_or_else(|| Failure::unavailable("a request has no end in this log"))
    }

    /// The first two entries of a kind, each with what was sealed for the other.
    fn exchange_seals(&mut self, kind: Kind) -> Result<(), Failure> {
        let (one, other) = (self.nth(kind, 0)?, self.nth(kind, 1)?);
        self.exchange_seals_of(one, other);
        Ok(())
    }

    fn exchange_seals_of(&mut self, one: usize, other: usize) {
        let (first, rest) = self.0.split_at_mut(other);
        let (one, other) = (&mut first[one].1, &mut rest[0].1);
        std::mem::swap(&mut one.header, &mut other.header);
        std::mem::swap(&mut one.seal, &mut other.seal);
    }

    /// The same once more, as if it had come now.
    fn again_at_end(&mut self, at: usize) -> Result<(), Failure> {
        let mut twin = self.entry(at).clone();
        twin.stamp = self.0[self.0.len() - 1].1.stamp;
        let now_ms = twin.stamp.recorded_at_ms();
        told(&mut twin, |facts| facts.decided_at_ms = now_ms)?;
        self.0.push((None, twin));
        Ok(())
    }

    /// The entry, recorded only at `now_ms`, after all others.
    fn move_to_end(&mut self, at: usize, now_ms: u64) -> Result<(), Failure> {
        let mut entry = self.take(at);
        entry.stamp.recorded_at_us = now_ms * 1_000;
        told(&mut entry, |facts| facts.decided_at_ms = now_ms)?;
        self.0.push((None, entry));
        Ok(())
    }

    /// The entries, each naming its request where that is now.
    fn mended(self) -> Result<Vec<Entry>, Failure> {
        let mut moved = vec![None; self.0.len() + 1];
        for (now, (before, _)) in self.0.iter().enumerate() {
            if let Some(known) = before.and_then(|before| moved.get_mut(before)) {
                *known = Some(now as u64);
            }
        }
        let mut entries = Vec::with_capacity(self.0.len());
        for (_, mut entry) in self.0 {
            if names_a_request(entry.kind) {
                told(&mut entry, |facts| {
                    let at = usize::try_from(facts.request_index).ok();
                    let now = at.and_then(|at| moved.get(at).copied().flatten());
                    facts.request_index = now.unwrap_or(facts.request_index);
                })?;
            }
            entry.stamp = match entries.last() {
                Some(_) => stamp_after(&entries, entry.stamp),
                None => entry.stamp,
            };
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Whether entries of this kind say which request they belong to.
pub(super) fn names_a_request(kind: Kind) -> bool {
    kind.is_exchange() && !kind.holds_request()
}
