//! Events: a system tells what happened, and whoever agreed on it with its agency is told, at least once.
//!
//! ```text
//! Publish:   envelope → sealed by its publisher, of an offered operation, new → kept, durable → in every follower's line
//! Subscribe: header → sealed by its subscriber, permitted as a question about the operation → durable → a line of its own
//! later:     due → permitted still → brought, by link or pulled → a sealed receipt → durable, and out of the line
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `book.rs` | the fold over the log and the lines: what is due for whom |
//! | `act.rs` | what all acts of agencies have in common |
//! | `publish.rs`, `subscribe.rs`, `outcome.rs` | the acts of agencies, each judged and recorded |
//! | `deliver.rs` | bringing what is due, giving up what is not taken, ending what is not permitted |
//! | `status.rs` | how it all stands, for those whose it is |
//! | `resume.rs`, `snapshot.rs` | the start: the fold is read from the log, as far as an earlier run did not keep it |
//!
//! The log decides what there is; payloads lie in files beside it, each durable before its event is recorded. Unlike what
//! waits as a submission they lie there in the open, as a call passes in the open: there are many receivers.
//! `docs/protocol.md` §3, "Events".

mod act;
mod book;
mod deliver;
mod outcome;
mod publish;
mod resume;
mod snapshot;
mod status;
mod subscribe;

use std::path::PathBuf;

use bytes::Bytes;
use proto::Digest;
use proto::header::SubscriptionHeader;
use proto::id::{EventId, SystemId};
use proto::wire::exchange::v1::Envelope;
use tokio::sync::Mutex;

pub(super) use deliver::dispatch;
pub(super) use outcome::take;

use self::book::Book;
use self::snapshot::Snapshot;
use super::pages::Pages;

/// Bytes of a kept event beside its payload, about: header, seal, salt.
const AROUND_BYTES: u64 = 1_024;

/// Where events are kept, and how they are brought.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder of their payloads. Empty: none is taken.
    pub dir: PathBuf,
    /// Bytes of all of them.
    pub bytes_max: u64,
    /// How they are brought where a subscription does not say it.
    pub policy: Policy,
}

/// How events are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an event is kept, milliseconds.
    pub kept_ms: u64,
    /// How often it is brought to a subscriber that does not acknowledge it.
    pub attempts: u32,
    /// The pause after the first time, milliseconds.
    pub pause_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            kept_ms: 7 * 24 * 3_600_000,
            attempts: 50,
            pause_ms: 30_000,
        }
    }
}

impl Policy {
    /// As the subscription says, where it says it.
    fn of(&self, header: &SubscriptionHeader) -> Self {
        Self {
            kept_ms: self.kept_ms,
            attempts: header.attempts.unwrap_or(self.attempts),
            pause_ms: header.pause_ms.map_or(self.pause_ms, u64::from),
        }
    }
}

/// One event as it lies on the disk.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Page {
    /// As it was published.
    #[prost(message, optional, tag = "1")]
    envelope: Option<Envelope>,
}

/// All events of a switch.
#[derive(Debug)]
pub(super) struct EventHouse {
    settings: Settings,
    book: Book,
    pages: Pages<Page>,
    known: Pages<Snapshot>,
    /// Subscriptions begin and end one after the other.
    acts: Mutex<()>,
}

impl EventHouse {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            book: Book::new(settings.policy),
            pages: Pages::new(settings.dir.clone(), "event"),
            known: Pages::new(settings.dir.clone(), "fold"),
            acts: Mutex::new(()),
            settings,
        }
    }

    /// Events kept since this time, Unix milliseconds, can be brought.
    fn kept_since_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.settings.policy.kept_ms)
    }
}

/// What an event's page is called: ids are unique for each publisher only.
fn name(publisher: &SystemId, id: EventId) -> String {
    let whose = Digest::of(publisher.to_string().as_bytes()).to_string();
    format!("{id}-{}", &whose[..16])
}

fn digest_bytes(digest: &Digest) -> Bytes {
    Bytes::copy_from_slice(digest.as_ref())
}
