//! One item of a batch as evidence: what was asked of it and what came back, without any other item.
//!
//! Takes what this home's journal kept. Gives a file that anybody holds against the log: the request's and the answer's
//! sealed headers with their receipts, and the way from item and result to what those headers commit to. A seal is judged by
//! the registry, so by a replay of the log; here its header is proved to be the one that the log holds.

use std::io;
use std::path::Path;

use audit::checkpoint::NoteMemory;
use audit::receipt::tlog_proof::TlogProof;
use audit::receipt::{Receipt, ReceiptError};
use bytes::Bytes;
use prost::Message as _;
use proto::authorise::answers;
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::header::{AnswerHeader, RequestHeader};
use proto::items::{ItemProof, ItemResult, ItemsError, Root};
use proto::seal::Seal;
use thiserror::Error;

use super::notebook::Known;
use crate::journal::{self, Half, JournalError, Record, Role, SealedBytes};

mod json;

/// One item shown alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemEvidence {
    request: SealedBytes,
    /// Index, stamp and facts of the request's entry: the closing entry names it.
    request_receipt: Bytes,
    answer: SealedBytes,
    answer_receipt: Bytes,
    item: ItemProof,
    /// From the segment's root to the batch's.
    above: Vec<Digest>,
    result: ItemProof,
}

/// What evidence of one item shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What was asked, by whom, of whom, why.
    pub request: RequestHeader,
    /// What the provider sealed.
    pub answer: AnswerHeader,
    /// The manifest, and the item's place.
    pub root: Root,
    /// The item.
    pub item: Bytes,
    /// How it ended.
    pub result: ItemResult,
    /// The request's entry.
    pub request_index: u64,
    /// The closing entry.
    pub closing_index: u64,
}

/// Shows the item at `place` of a batch, from 0, out of the journal in `dir`.
///
/// # Errors
/// [`ProofError`].
pub fn prove(dir: &Path, known: &Known, place: u64) -> Result<ItemEvidence, ProofError> {
    let segment = place / u64::from(known.cut.segment);
    // Below the size of a segment.
    let index = (place % u64::from(known.cut.segment)) as u32;
    let above = known.cut.above(segment);
    let done = usize::try_from(segment)
        .ok()
        .and_then(|at| known.done.get(at));
    let (Some(above), Some(done)) = (above, done) else {
        return Err(ProofError::NotDone(place));
    };
    let gone = || ProofError::NotKept(place);
    let open = |half| -> Result<(Bytes, Salt), ProofError> {
        let opened = journal::disclose(dir, Role::Consumer, done.exchange, half)?;
        let opened = opened.ok_or_else(gone)?;
        Ok((opened.payload.into(), opened.salt))
    };
    let (asked, answered) = (open(Half::Request)?, open(Half::Answer)?);
    let mut found: Option<Record> = None;
    journal::read::read(dir, |record| {
        if record.exchange == done.exchange && record.role == Role::Consumer {
            found = Some(record);
        }
    })?;
    let record = found.ok_or_else(gone)?;
    Ok(ItemEvidence {
        request: record.request.ok_or_else(gone)?,
        request_receipt: record.request_receipt.ok_or_else(gone)?,
        answer: record.answer.ok_or_else(gone)?,
        answer_receipt: record.answer_receipt.ok_or_else(gone)?,
        item: ItemProof::of(&asked.0, &asked.1, index)?,
        above,
        result: ItemProof::of(&answered.0, &answered.1, index)?,
    })
}

impl ItemEvidence {
    /// The proof of the closing entry, for comparing the log with what it signed then.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn closing(&self) -> Result<TlogProof, ProofError> {
        let malformed = || ProofError::Malformed("receipt");
        let receipt = receipt(&self.answer_receipt).ok_or_else(malformed)?;
        let entry = Entry {
            kind: receipt.kind,
            stamp: receipt.stamp,
            facts: receipt.facts,
            header: self.answer.header.clone(),
            seal: Some(Seal::from_block(&self.answer.seal).ok_or_else(malformed)?),
        };
        Ok(TlogProof {
            extra: Some(entry.encode().map_err(|_| malformed())?),
            index: receipt.index,
            proof: receipt.proof,
            checkpoint: receipt.checkpoint,
        })
    }

    /// Holds it against the log whose checkpoints `notes` opens.
    ///
    /// # Errors
    /// [`ProofError`]: the first thing that does not hold.
    pub fn verify(&self, notes: &NoteMemory) -> Result<Shown, ProofError> {
        let malformed = |what| move |_| ProofError::Malformed(what);
        let request = RequestHeader::open(&self.request.header)
            .map_err(|_| ProofError::Malformed("request"))?;
        let answer =
            AnswerHeader::open(&self.answer.header).map_err(|_| ProofError::Malformed("answer"))?;
        let seal = |sealed: &SealedBytes| Seal::from_block(&sealed.seal);
        let asked_seal = seal(&self.request).ok_or(ProofError::Malformed("request's seal"))?;
        let seal = seal(&self.answer).ok_or(ProofError::Malformed("answer's seal"))?;
        let closing = receipt(&self.answer_receipt).ok_or(ProofError::Malformed("receipt"))?;
        let asked =
            receipt(&self.request_receipt).ok_or(ProofError::Malformed("request's receipt"))?;
        let proven = closing.verify_remembering(&self.answer.header, Some(&seal), notes)?;
        let own = Entry {
            kind: Kind::Request,
            stamp: asked.stamp,
            facts: asked.facts.clone(),
            header: self.request.header.clone(),
            seal: Some(asked_seal.clone()),
        };
        let leaf = own.leaf().map_err(malformed("request's entry"))?;
        let said =
            facts::exchange(&proven.entry.facts).map_err(|_| ProofError::Malformed("facts"))?;
        let names_it = proven.entry.kind == Kind::Closing
            && said.request_index == asked.index
            && Digest::from_slice(&said.request_leaf) == Some(leaf);
        let header = Digest::of(&self.request.header);
        let binds = answers(&request, &header, &Digest::of(&asked_seal.cose), &answer);
        if !names_it || binds.is_err() {
            return Err(ProofError::OtherRequest);
        }
        let root = self
            .item
            .verify_in_batch(&request.payload.hmac, &self.above)?;
        self.result.verify(&answer.payload.hmac)?;
        if self.result.index != self.item.index {
            return Err(ProofError::OtherItem);
        }
        Ok(Shown {
            request_index: asked.index,
            closing_index: closing.index,
            root,
            item: self.item.item.clone(),
            result: ItemResult::open(&self.result.item)?,
            request,
            answer,
        })
    }
}

fn receipt(bytes: &Bytes) -> Option<Receipt> {
    let wire = proto::wire::audit::v1::Receipt::decode(bytes.clone()).ok()?;
    Receipt::from_wire(wire).ok()
}

/// Why an item is not proved.
#[derive(Debug, Error)]
pub enum ProofError {
    /// No such item, or none that came back.
    #[error("item {0} of the batch has not come back")]
    NotDone(u64),
    /// The journal does not hold it any more.
    #[error(
        "item {0} came back, and this home keeps neither its payloads nor its receipts any more (journal.keep_payload, the grant's retention_days)"
    )]
    NotKept(u64),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A part of the file.
    #[error("its {0} is missing or malformed")]
    Malformed(&'static str),
    /// It cannot be read.
    #[error("the proof cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The log.
    #[error("it is not proved to be in the log: {0}")]
    Receipt(#[from] ReceiptError),
    /// Request and answer.
    #[error("its answer is to another request")]
    OtherRequest,
    /// Item and result.
    #[error("its result is that of another item")]
    OtherItem,
    /// The tree.
    #[error(transparent)]
    Items(#[from] ItemsError),
}
