//! Room 1, verify: `Received → Verified`.
//!
//! Takes an envelope as it came and who brought it. Gives the opened header of a system that the registry knows,
//! sealed by a key bound to it, brought by a connection that may speak for it, with a payload of the length it
//! commits to. Says no with unknown_peer, certificate_revoked, agency_suspended, malformed, unknown_version, too_large, wrong_signer, bad_seal, key_ended,
//! payload_mismatch. Never hashes or reads a payload: the receiving side does.

use std::sync::Arc;
use std::time::Duration;

use audit::log::Arriving;
use bytes::Bytes;
use proto::Code;
use proto::authorise::{code_of, verify_request};
use proto::canonical::HeaderError;
use proto::commitment::Misfit;
use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::registry::Registry;
use proto::sealed::Of;
use proto::wire::exchange::v1 as wire;
use tokio::time::Instant;

use super::Exchange;
use super::memory::{Key, Reservation};
use super::refusal::Refusal;
use crate::api::roles::{self, Denied, Rpc};
use crate::door::Peer;
use crate::door::limits::{Permit, Work};

/// What came, before anything of it is believed.
#[derive(Debug)]
pub struct Received {
    passage: Box<Passage>,
    header: Bytes,
    envelope: Result<Envelope, HeaderError>,
}

/// What walks with a request through all rooms, whatever they say.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) peer: Arc<Peer>,
    pub(super) traceparent: String,
    pub(super) arrived: Instant,
    /// How long the caller's own deadline (`grpc-timeout`) lets it wait.
    pub(super) patience: Option<Duration>,
    /// The exchange's place under the limits; held until it is closed.
    pub(super) permit: Option<Permit>,
    /// The switch works on it: until its request is durable, or it is refused.
    pub(super) work: Option<Work>,
    /// Tells the log's writer that a draft is coming.
    pub(super) arriving: Option<Arriving>,
    /// Whether the caller takes an answer in chunks.
    pub(super) takes_chunks: bool,
    /// Whether the caller leaves it here, to be answered later.
    pub(super) submits: bool,
    /// Whether the payload follows in chunks.
    pub(super) is_upload: bool,
    /// Held over from a judgement that the registry overtook, or by a refusal until it is recorded.
    pub(super) reservation: Option<Reservation>,
}

/// A request whose seal holds.
#[derive(Debug)]
pub(super) struct Verified {
    passage: Box<Passage>,
    opened: Box<Opened>,
    registry: Arc<Registry>,
}

#[derive(Debug)]
struct Opened {
    envelope: Envelope,
    header: RequestHeader,
    key: Key,
}

impl Passage {
    fn of(peer: Arc<Peer>, traceparent: String, patience: Option<Duration>) -> Self {
        Self {
            peer,
            traceparent,
            arrived: Instant::now(),
            patience,
            permit: None,
            work: None,
            arriving: None,
            takes_chunks: false,
            submits: false,
            is_upload: false,
            reservation: None,
        }
    }
}

impl Received {
    /// An envelope that `peer` brought. `patience` is the rest of the caller's own deadline.
    pub fn new(
        peer: Arc<Peer>,
        envelope: Option<wire::Envelope>,
        traceparent: String,
        patience: Option<Duration>,
    ) -> Self {
        let header = envelope
            .as_ref()
            .map(|envelope| envelope.header.clone())
            .unwrap_or_default();
        Self {
            passage: Box::new(Passage::of(peer, traceparent, patience)),
            header,
            envelope: Envelope::from_wire(envelope),
        }
    }

    /// Who brought it.
    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.passage.peer
    }

    /// The trace context it came with.
    pub(super) fn traceparent(&self) -> &str {
        &self.passage.traceparent
    }

    /// When the caller stops waiting by its own deadline.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        self.passage
            .patience
            .map(|patience| self.passage.arrived + patience)
    }

    /// The caller takes an answer in chunks.
    pub(super) fn take_chunks(&mut self) {
        self.passage.takes_chunks = true;
    }

    /// The caller leaves it here.
    pub(super) fn submit(&mut self) {
        self.passage.submits = true;
    }

    /// The payload follows in chunks.
    pub(super) fn follow_chunks(&mut self) {
        self.passage.is_upload = true;
    }

    /// What came, for a service that is not an exchange.
    pub(super) fn envelope(&self) -> Result<&Envelope, &HeaderError> {
        self.envelope.as_ref()
    }

    /// A refusal of something of which nothing is believed.
    pub(super) fn refuse(self, code: Code, at_ms: u64) -> Box<Refusal> {
        Refusal::unread(code, at_ms, self.passage, self.header)
    }

    /// Gives it its place under the limits and its turn, and announces it to the log's writer.
    pub(super) fn admit(&mut self, admitted: Option<(Permit, Work)>, arriving: Arriving) {
        (self.passage.permit, self.passage.work) = admitted.unzip();
        self.passage.arriving = Some(arriving);
    }

    /// Announces it again, after a judgement that the registry overtook.
    pub(super) fn announce(&mut self, arriving: Arriving) {
        self.passage.arriving = Some(arriving);
    }
}

impl Verified {
    pub(super) fn header(&self) -> &RequestHeader {
        &self.opened.header
    }

    pub(super) fn envelope(&self) -> &Envelope {
        &self.opened.envelope
    }

    /// The registry that judges this request, in every room.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn passage(&self) -> &Passage {
        &self.passage
    }

    pub(super) fn passage_mut(&mut self) -> &mut Passage {
        &mut self.passage
    }

    /// What the memory of exchanges knows it by.
    pub(super) fn key(&self) -> Key {
        self.opened.key
    }

    /// Back to the first room: the registry moved, so everything is judged again.
    pub(super) fn back(self) -> Received {
        let envelope = self.opened.envelope;
        Received {
            passage: self.passage,
            header: envelope.header.clone(),
            envelope: Ok(envelope),
        }
    }
}

impl Exchange {
    /// A submission that was recorded before, judged again by the registry of now. `peer` is the adapter that is about to
    /// take it: the connection that brought it may be gone long since, and nothing after the record asks for it.
    pub(super) fn verify_again(
        &self,
        envelope: Envelope,
        peer: Arc<Peer>,
    ) -> Result<Verified, Code> {
        let registry = self.registry.load();
        let header = verify_request(&registry, &envelope.header, &envelope.seal, None)?;
        let known = registry.system(&header.consumer).ok_or(Code::UnknownPeer)?;
        let key = Key {
            system: known.index,
            exchange: header.exchange_id,
        };
        Ok(Verified {
            passage: Box::new(Passage::of(peer, String::new(), None)),
            opened: Box::new(Opened {
                envelope,
                header,
                key,
            }),
            registry,
        })
    }

    /// Says who speaks. The seal memory of the connection saves repeated public-key operations, nothing else.
    pub(super) fn verify(&self, received: Received) -> Result<Verified, Box<Refusal>> {
        let registry = self.registry.load();
        let now_ms = self.clock.now_ms();
        match judge(&registry, &received, now_ms) {
            Ok((header, key)) => match received.envelope {
                Ok(envelope) => {
                    let opened = Box::new(Opened {
                        envelope,
                        header,
                        key,
                    });
                    Ok(Verified {
                        passage: received.passage,
                        opened,
                        registry,
                    })
                }
                Err(ref error) => {
                    let code = code_of(error);
                    Err(received.refuse(code, now_ms))
                }
            },
            Err(code) => Err(received.refuse(code, now_ms)),
        }
    }
}

fn judge(
    registry: &Registry,
    received: &Received,
    now_ms: u64,
) -> Result<(RequestHeader, Key), Code> {
    let peer = received.peer();
    // A stranger is told nothing about its bytes.
    roles::permit(registry, peer, Rpc::Call).map_err(Denied::code)?;
    let system = peer.system.as_ref().ok_or(Code::UnknownPeer)?;
    let known = registry.system(system).ok_or(Code::UnknownPeer)?;
    let envelope = received.envelope.as_ref().map_err(code_of)?;
    let memory = Some((&peer.memory, now_ms));
    let header = verify_request(registry, &envelope.header, &envelope.seal, memory)?;
    if header.consumer != *system {
        return Err(Code::WrongSigner);
    }
    // A question that wants its answer now does not wait here, and one that waits is not asked as a call. Chunks follow where
    // their header says so, and nowhere else.
    let passage = &received.passage;
    if header.is_submission() != passage.submits || header.is_upload() != passage.is_upload {
        return Err(Code::Malformed);
    }
    header
        .payload
        .fits(&envelope.salt, &envelope.payload, Of::Request)
        .map_err(|misfit| match misfit {
            Misfit::Malformed => Code::Malformed,
            Misfit::Length => Code::PayloadMismatch,
        })?;
    let key = Key {
        system: known.index,
        exchange: header.exchange_id,
    };
    Ok((header, key))
}
