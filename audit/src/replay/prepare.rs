//! What an entry says by itself, found out ahead of the judge by the threads of the walk.
//!
//! Takes one entry. Gives its facts, its header and its seal opened, and their digests: everything that needs neither
//! the registry nor any other entry. Judges nothing: what does not open is kept as the reason.

use proto::authorise::code_of;
use proto::entry::{Entry, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, DisputeHeader, RequestHeader, TrailerHeader};
use proto::seal::SealedHead;
use proto::{Code, Digest};

/// One entry, opened once.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Of exchange entries; `None` when they are not in their one form.
    pub(super) facts: Option<ExchangeFacts>,
    pub(super) header: Header,
    /// `None` when there is no seal, or none whose path leads anywhere from the header.
    pub(super) sealed: Option<SealedHead>,
    /// Of requests: SHA-256 of the header and of the COSE_Sign1, which answers name. Of openings: that of the header, which
    /// trailers name.
    pub(super) header_sha256: Digest,
    pub(super) seal_sha256: Digest,
}

/// A header, opened as what its entry says it is.
#[derive(Debug, Default)]
pub(super) enum Header {
    /// There is none, or the fold reads it.
    #[default]
    None,
    Request(Result<Box<RequestHeader>, Code>),
    /// `None`: not in its one form.
    Answer(Option<Box<AnswerHeader>>),
    Dispute(Result<DisputeHeader, Code>),
    /// `None`: not in its one form.
    Trailer(Option<Box<TrailerHeader>>),
}

/// Opens what can be opened.
pub(super) fn prepare(entry: &Entry) -> Prepared {
    if !entry.kind.is_exchange() {
        return Prepared::default();
    }
    let facts = facts::exchange(&entry.facts).ok();
    let unsealed = entry.header.is_empty() && entry.seal.is_none();
    let header = match entry.kind {
        kind if kind.holds_request() && !unsealed => {
            let opened = RequestHeader::open(&entry.header);
            Header::Request(opened.map(Box::new).map_err(|error| code_of(&error)))
        }
        Kind::Closing | Kind::Late | Kind::Opening if !unsealed => {
            Header::Answer(AnswerHeader::open(&entry.header).ok().map(Box::new))
        }
        Kind::Trailer | Kind::UploadTrailer if !unsealed => {
            Header::Trailer(TrailerHeader::open(&entry.header).ok().map(Box::new))
        }
        Kind::Dispute => {
            let opened = DisputeHeader::open(&entry.header);
            Header::Dispute(opened.map_err(|error| code_of(&error)))
        }
        _ => Header::None,
    };
    let seal = entry.seal.as_ref();
    let request = entry.kind.holds_request() && !unsealed;
    Prepared {
        facts,
        header,
        sealed: seal.and_then(|seal| seal.open().ok()?.head_over(&entry.header).ok()),
        header_sha256: digest_if(request || entry.kind == Kind::Opening, &entry.header),
        seal_sha256: digest_if(request, seal.map_or(&[], |seal| &seal.cose)),
    }
}

fn digest_if(wanted: bool, bytes: &[u8]) -> Digest {
    if wanted {
        Digest::of(bytes)
    } else {
        Digest::default()
    }
}
