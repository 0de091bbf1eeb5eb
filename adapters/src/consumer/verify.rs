//! What must hold before an answer's payload is handed out: pure functions over bytes and registry.
//!
//! Takes the switch's response and the request as it was sealed. Gives the proved answer, or what
//! does not hold. Never asks the network and never waits.

use audit::checkpoint::NoteMemory;
use audit::receipt::{Proven, Receipt, ReceiptError};
use bytes::Bytes;
use proto::authorise::{AnswerFault, SealedRequest, verify_answer};
use proto::chunks::ChunkError;
use proto::commitment::Form;
use proto::digest::Digest;
use proto::entry::{Entry, Kind, Stamp};
use proto::envelope::Envelope;
use proto::facts;
use proto::header::AnswerHeader;
use proto::items::{ItemResult, Items};
use proto::registry::Registry;
use proto::seal::SealMemory;
use proto::wire::exchange::v1 as wire;
use thiserror::Error;

use crate::mirror::MirrorError;

/// A response with its shapes read, nothing proved.
#[derive(Clone, Debug)]
pub struct Returned {
    /// The answer.
    pub envelope: Envelope,
    /// The receipt of the closing entry.
    pub receipt: Receipt,
    /// What the log's writer and the switch added to our request.
    pub request: Recorded,
}

/// The parts of the request's entry that its consumer does not hold.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its place in the log.
    pub index: u64,
    /// A request, or one in chunks.
    pub kind: Kind,
    /// The writer's stamp.
    pub stamp: Stamp,
    /// The switch's own part.
    pub facts: Bytes,
}

impl Recorded {
    /// As a receipt without a proof of its own: the closing entry's proof covers the request.
    pub fn to_receipt(&self) -> Receipt {
        Receipt {
            index: self.index,
            kind: self.kind,
            stamp: self.stamp,
            facts: self.facts.clone(),
            proof: Vec::new(),
            checkpoint: Bytes::new(),
        }
    }
}

/// Reads the response's shapes.
///
/// # Errors
/// [`Untrusted::Malformed`] naming the part.
pub fn open(response: wire::CallResponse) -> Result<Returned, Untrusted> {
    let envelope =
        Envelope::from_wire(response.answer).map_err(|_| Untrusted::Malformed("envelope"))?;
    let receipt = response.receipt.ok_or(Untrusted::Malformed("receipt"))?;
    let receipt = Receipt::from_wire(receipt).map_err(|_| Untrusted::Malformed("receipt"))?;
    let request = response
        .request
        .ok_or(Untrusted::Malformed("request entry"))?;
    let kind = u8::try_from(request.kind).ok();
    let kind = kind.and_then(|byte| Kind::from_byte(byte).ok());
    let kind = kind.filter(|kind| kind.asks());
    let kind = kind.ok_or(Untrusted::Malformed("request entry"))?;
    Ok(Returned {
        envelope,
        receipt,
        request: Recorded {
            index: request.index,
            kind,
            stamp: Stamp::decode(&request.stamp)
                .map_err(|_| Untrusted::Malformed("request entry"))?,
            facts: request.facts,
        },
    })
}

/// Proves that the log of `notes` holds this answer as an entry of `kind`: a closing entry, or the opening of one in chunks.
///
/// # Errors
/// [`Untrusted::NotRecorded`], [`Untrusted::OtherKind`].
pub fn proof(returned: &Returned, kind: Kind, notes: &NoteMemory) -> Result<Proven, Untrusted> {
    let envelope = &returned.envelope;
    let proven =
        returned
            .receipt
            .verify_remembering(&envelope.header, Some(&envelope.seal), notes)?;
    if proven.entry.kind == kind {
        Ok(proven)
    } else {
        Err(Untrusted::OtherKind(proven.entry.kind.name()))
    }
}

/// Judges the answer by our own registry, with the tree heads verified a moment ago and the time, and that the proved closing entry closes this very request.
///
/// # Errors
/// [`Untrusted`]: the first thing that does not hold.
pub fn answer(
    registry: &Registry,
    request: SealedRequest<'_>,
    returned: &Returned,
    proven: &Proven,
    memory: (&SealMemory, u64),
) -> Result<AnswerHeader, Untrusted> {
    let envelope = &returned.envelope;
    let answer = verify_answer(
        registry,
        request,
        &envelope.header,
        &envelope.seal,
        Some(memory),
    )?;
    let facts = facts::exchange(&proven.entry.facts).map_err(|_| Untrusted::Malformed("facts"))?;
    let code = match proven.entry.kind {
        // It ends nothing yet.
        Kind::Opening => "",
        _ => answer.status.outcome().name(),
    };
    if facts.code != code {
        return Err(Untrusted::OtherOutcome(facts.code));
    }
    // The entry that we compute from our own bytes is the one that the closing entry names.
    let own = Entry {
        kind: request.opened.kind(),
        stamp: returned.request.stamp,
        facts: returned.request.facts.clone(),
        header: Bytes::copy_from_slice(request.header),
        seal: Some(request.seal.clone()),
    };
    let leaf = own
        .leaf()
        .map_err(|_| Untrusted::Malformed("request entry"))?;
    let names_it = facts.request_index == returned.request.index
        && facts.request_index < returned.receipt.index
        && Digest::from_slice(&facts.request_leaf) == Some(leaf);
    if names_it {
        Ok(answer)
    } else {
        Err(Untrusted::OtherRequest)
    }
}

/// Opens the payload: it is what the sealed header commits to. What was sealed was taken out of its encryption before.
///
/// # Errors
/// [`Untrusted::Payload`].
pub fn contents(answer: &AnswerHeader, envelope: &Envelope) -> Result<(), Untrusted> {
    if answer.payload.form == Form::Chunks {
        return Err(Untrusted::Payload);
    }
    answer
        .payload
        .open(&envelope.payload, &envelope.salt)
        .map_err(|_| Untrusted::Payload)
}

/// Reads an opened answer to `count` items: one result for each, in its place.
///
/// # Errors
/// [`Untrusted::Payload`].
pub fn results(payload: &[u8], count: usize) -> Result<Vec<ItemResult>, Untrusted> {
    let opened = Items::open(payload).map_err(|_| Untrusted::Payload)?;
    if opened.items.len() != count {
        return Err(Untrusted::Payload);
    }
    let read = |result: &&[u8]| ItemResult::open(result).map_err(|_| Untrusted::Payload);
    opened.items.iter().map(read).collect()
}

/// What does not hold about an answer.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// A part is missing or not in its form.
    #[error("its {0} is missing or malformed")]
    Malformed(&'static str),
    /// The log does not hold it, as far as the receipt shows.
    #[error("it is not proved to be in the log: {0}")]
    NotRecorded(#[from] ReceiptError),
    /// The receipt is of an entry that closes nothing.
    #[error("its entry is of kind {0}, which closes nothing")]
    OtherKind(&'static str),
    /// Our registry is not there yet, or is not the switch's.
    #[error("our own registry cannot judge it: {0}")]
    Mirror(#[from] MirrorError),
    /// The provider's seal, exchange or fields.
    #[error("it does not hold as this provider's answer to this request: {0}")]
    Fault(AnswerFault),
    /// The log records another outcome than the provider sealed.
    #[error("the log records its outcome as '{0}', and the provider sealed another")]
    OtherOutcome(String),
    /// The closing entry closes another request.
    #[error("its closing entry names another request than ours")]
    OtherRequest,
    /// Chunks and trailer.
    #[error("its chunks do not hold: {0}")]
    Chunks(#[from] ChunkError),
    /// The trailer's entry ends another request than the opening's.
    #[error("its trailer ends another exchange")]
    OtherStream,
    /// Payload and commitment.
    #[error("its payload is not what the provider's header commits to")]
    Payload,
}

impl From<AnswerFault> for Untrusted {
    fn from(fault: AnswerFault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests;
