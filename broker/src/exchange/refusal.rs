//! Refusals: what a room says no with, how it is recorded, and what the caller is told.
//!
//! Takes a [`Refusal`] from any room before the record. Gives a [`Refused`] with the receipt of its entry. A
//! verified request is recorded with header and seal, so a replay can judge it again; anything else leaves only
//! its code, its peer and SHA-256 of what came. `docs/protocol.md` §5.

use std::fmt;

use audit::log::AppendError;
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::authorise::Clause;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::id::ExchangeId;
use proto::registry::Notice;
use proto::{Code, Digest};

use super::Exchange;
use super::budget::Spent;
use super::memory::{First, State};
use super::verify::{Passage, Received, Verified};

/// A decided no, before it is recorded.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    at_ms: u64,
    clause: Option<String>,
    agreement: Option<Digest>,
    grant: u32,
    notice: Option<Notice>,
    retry_after_ms: Option<u64>,
    first: Option<First>,
    about: About,
}

/// What was refused.
#[derive(Debug)]
enum About {
    /// Not verified: its bytes are nobody's word.
    Unread {
        passage: Box<Passage>,
        header: Bytes,
    },
    /// Verified: the header is its system's word.
    Read(Verified),
}

/// The registry moved before the entry: judge again.
#[derive(Debug)]
pub(super) struct Overtaken {
    /// Registry entries now.
    pub(super) size: u64,
    /// The request, back in the first room.
    pub(super) received: Received,
}

/// What the caller is told.
#[derive(Debug)]
pub struct Refused {
    /// The stable code.
    pub code: Code,
    /// The exchange, if a verified header named it.
    pub exchange_id: Option<ExchangeId>,
    /// The clause that failed.
    pub clause: Option<String>,
    /// The agreement that was judged.
    pub agreement: Option<Digest>,
    /// The grant that came closest, from 1; 0 when none was judged.
    pub grant: u32,
    /// With operation_disabled: what the provider says about it.
    pub notice: Option<Notice>,
    /// When it makes sense to try again.
    pub retry_after_ms: Option<u64>,
    /// What became of the first exchange of this id, or of this one after its request was recorded.
    pub outcome: Option<&'static str>,
    /// How it stands in the log.
    pub recording: Recording,
    /// The receipt of its entry; for a duplicate, of the entry that ended the first.
    pub receipt: Option<Receipt>,
}

/// How a refusal stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// As an entry.
    Recorded,
    /// In the number of one entry that counts this minute's.
    Counted,
    /// Not at all.
    NotRecorded,
}

impl Recording {
    /// The word that the caller reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Counted => "counted",
            Self::NotRecorded => "not_recorded",
        }
    }
}

impl Refusal {
    /// A refusal before the seal was verified.
    pub(super) fn unread(
        code: Code,
        at_ms: u64,
        passage: Box<Passage>,
        header: Bytes,
    ) -> Box<Self> {
        Self::new(code, at_ms, About::Unread { passage, header })
    }

    /// A refusal of a verified request.
    pub(super) fn read(code: Code, at_ms: u64, verified: Verified) -> Box<Self> {
        Self::new(code, at_ms, About::Read(verified))
    }

    fn new(code: Code, at_ms: u64, about: About) -> Box<Self> {
        Box::new(Self {
            code,
            at_ms,
            clause: None,
            agreement: None,
            grant: 0,
            notice: None,
            retry_after_ms: None,
            first: None,
            about,
        })
    }

    /// Names what decided.
    pub(super) fn with_denial(
        mut self: Box<Self>,
        agreement: Option<Digest>,
        grant: u32,
        clause: &Clause,
    ) -> Box<Self> {
        self.agreement = agreement;
        self.grant = grant;
        self.clause = Some(clause.to_string());
        self
    }

    /// Names the grant, where no clause of it refuses.
    pub(super) fn with_grant(mut self: Box<Self>, agreement: Digest, grant: u32) -> Box<Self> {
        self.agreement = Some(agreement);
        self.grant = grant;
        self
    }

    /// Carries what the provider says.
    pub(super) fn with_notice(mut self: Box<Self>, notice: Option<Notice>) -> Box<Self> {
        self.notice = notice;
        self
    }

    /// Names what became of the first exchange of this id.
    pub(super) fn with_first(mut self: Box<Self>, first: First) -> Box<Self> {
        self.first = Some(first);
        self
    }

    /// Says when to try again.
    pub(super) fn with_retry_after_ms(mut self: Box<Self>, retry_after_ms: u64) -> Box<Self> {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }

    fn passage_mut(&mut self) -> &mut Passage {
        match &mut self.about {
            About::Unread { passage, .. } => passage,
            About::Read(verified) => verified.passage_mut(),
        }
    }

    /// The entry, and the registry that it was judged against.
    fn draft(&mut self) -> (Draft, Option<u64>) {
        let mut facts = ExchangeFacts {
            peer_sha256: bytes_of(&self.passage_mut().peer.sha256()),
            decided_at_ms: self.at_ms,
            code: self.code.name().to_owned(),
            agreement: self.agreement.as_ref().map(bytes_of).unwrap_or_default(),
            grant: self.grant,
            clause: self.clause.clone().unwrap_or_default(),
            decide_us: micros(self.passage_mut().arrived),
            ..ExchangeFacts::default()
        };
        let (header, seal, judged) = match &self.about {
            About::Unread { header, .. } => {
                facts.refused_sha256 = bytes_of(&Digest::of(header));
                (Bytes::new(), None, None)
            }
            About::Read(verified) => {
                let envelope = verified.envelope();
                let judged = Some(verified.registry().size());
                (envelope.header.clone(), Some(envelope.seal.clone()), judged)
            }
        };
        (
            Draft {
                kind: Kind::Refusal,
                facts: facts::encode(&facts),
                header,
                seal,
            },
            judged,
        )
    }

    /// What the caller is told, with `code`: the refusal's own, or why it could not be recorded.
    fn told(self, code: Code, recording: Recording, receipt: Option<Receipt>) -> Box<Refused> {
        let exchange_id = match &self.about {
            About::Unread { .. } => None,
            About::Read(verified) => Some(verified.header().exchange_id),
        };
        Box::new(Refused {
            code,
            exchange_id,
            clause: self.clause,
            agreement: self.agreement,
            grant: self.grant,
            notice: self.notice,
            retry_after_ms: self.retry_after_ms.or_else(|| retry_after_ms(code)),
            outcome: self.first.map(|first| first.outcome),
            recording,
            receipt,
        })
    }
}

impl Refused {
    /// Of an id that is not known to its caller: never was, is another's, or is forgotten.
    pub(crate) fn of_nothing() -> Box<Self> {
        Self::unrecorded(Code::Stale)
    }

    /// A refusal that is not recorded and about no particular request.
    pub(super) fn unrecorded(code: Code) -> Box<Self> {
        Box::new(Self {
            code,
            exchange_id: None,
            clause: None,
            agreement: None,
            grant: 0,
            notice: None,
            retry_after_ms: retry_after_ms(code),
            outcome: None,
            recording: Recording::NotRecorded,
            receipt: None,
        })
    }
}

impl Refused {
    /// Whether it says nothing but its code, like any other with that code.
    pub(super) fn is_plain(&self) -> bool {
        let Self {
            code,
            exchange_id: None,
            clause: None,
            agreement: None,
            grant: 0,
            notice: None,
            retry_after_ms,
            outcome: None,
            recording: Recording::NotRecorded,
            receipt: None,
        } = self
        else {
            return false;
        };
        *retry_after_ms == self::retry_after_ms(*code)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())
    }
}

impl Exchange {
    /// Records a refusal and says what the caller is told.
    pub(super) async fn refuse(
        &self,
        mut refusal: Box<Refusal>,
    ) -> Result<Box<Refused>, Overtaken> {
        let code = refusal.code;
        if !code.is_recorded() {
            return Ok(refusal.told(code, Recording::NotRecorded, None));
        }
        let peer = refusal.passage_mut().peer.sha256();
        if self.budget.spend(peer, code, self.clock.now_ms()) == Spent::Counted {
            return Ok(refusal.told(code, Recording::Counted, None));
        }
        let (draft, judged) = refusal.draft();
        let arriving = refusal.passage_mut().arriving.take();
        let appended = match self.append(draft, judged, arriving).await {
            Ok(appended) => appended,
            Err(AppendError::RegistryMoved { size }) => {
                return match refusal.about {
                    About::Read(verified) => Err(Overtaken {
                        size,
                        received: verified.back(),
                    }),
                    // Nothing unread is judged against a registry; the log would have to be mistaken.
                    About::Unread { .. } => Ok(Refused::unrecorded(Code::Overloaded)),
                };
            }
            // A refusal that cannot be recorded is not given as one: no entry, no decision.
            Err(error) => return Ok(refusal.told(code_of(&error), Recording::NotRecorded, None)),
        };
        if let Some(held) = refusal.passage_mut().reservation.take() {
            held.burn(State::Refused {
                code,
                entry: appended.index,
            });
        }
        let receipt = match refusal.first {
            None => Some(appended.receipt),
            // The first's receipt is rebuilt from the log; one that cannot be is left out, the outcome stands.
            Some(First {
                entry: Some(entry), ..
            }) => self.log.receipt(entry).await.ok().flatten(),
            Some(First { entry: None, .. }) => None,
        };
        Ok(refusal.told(code, Recording::Recorded, receipt))
    }
}

/// What the caller hears when the log did not take an entry.
pub(super) fn code_of(error: &AppendError) -> Code {
    match error {
        AppendError::Full | AppendError::RegistryMoved { .. } => Code::Overloaded,
        AppendError::Stopped(_) | AppendError::NoSigner(_) => Code::LogUnavailable,
        AppendError::TooLarge(_) => Code::TooLarge,
    }
}

/// When it makes sense to try again, for codes whose cause passes by itself.
fn retry_after_ms(code: Code) -> Option<u64> {
    match code {
        Code::RateLimited => Some(500),
        Code::Overloaded => Some(1_000),
        Code::ProviderOffline | Code::LogUnavailable => Some(5_000),
        _ => None,
    }
}

/// Microseconds since `start`.
pub(super) fn micros(start: tokio::time::Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// A digest as facts carry it.
pub(super) fn bytes_of(digest: &Digest) -> Bytes {
    Bytes::copy_from_slice(digest.as_ref())
}
