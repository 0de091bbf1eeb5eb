//! What submissions hold: one file each, whole or not there, durable before anybody is told.
//!
//! Takes a page and its name. Gives it back, also to the next run of the switch. A page holds what two adapters sealed to
//! each other and what the log proves of it; the switch can open neither. Never decides anything.

use std::path::PathBuf;

use proto::Digest;
use proto::wire::audit::v1::{Receipt, RecordedEntry};
use proto::wire::exchange::v1::Envelope;

use super::item::Id;
use crate::exchange::pages::{Pages, StoreError};

/// One submission as it lies on the disk.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::exchange) struct Page {
    /// The request as it came. Without payload once it is not needed any more.
    #[prost(message, optional, tag = "1")]
    pub(in crate::exchange) envelope: Option<Envelope>,
    /// Index of its entry plus one; 0 while it is not known to be recorded.
    #[prost(uint64, tag = "2")]
    pub(in crate::exchange) recorded: u64,
    /// The answer: before its entry is durable, too.
    #[prost(message, optional, tag = "3")]
    pub(in crate::exchange) answer: Option<Envelope>,
    /// The closing entry.
    #[prost(message, optional, tag = "4")]
    pub(in crate::exchange) closing: Option<Receipt>,
    /// The request's entry, for whoever holds its header and seal.
    #[prost(message, optional, tag = "5")]
    pub(in crate::exchange) request: Option<RecordedEntry>,
    /// The refusal code that whoever collects hears; empty where there is an answer.
    #[prost(string, tag = "6")]
    pub(in crate::exchange) code: String,
    /// The clause beside it.
    #[prost(string, tag = "7")]
    pub(in crate::exchange) clause: String,
    /// The answer was collected.
    #[prost(bool, tag = "8")]
    pub(in crate::exchange) collected: bool,
    /// Unix time in milliseconds of the last change.
    #[prost(uint64, tag = "9")]
    pub(in crate::exchange) changed_at_ms: u64,
}

impl Page {
    /// Lets payloads go that nobody asks for any more.
    pub(in crate::exchange) fn without_payloads(mut self) -> Self {
        self.answer = None;
        if let Some(envelope) = &mut self.envelope {
            envelope.payload.clear();
        }
        self
    }
}

/// The folder of pages.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Store {
    pages: Pages<Page>,
}

impl Store {
    /// The folder `dir`, made when the first page is written.
    pub(in crate::exchange) fn new(dir: PathBuf) -> Self {
        Self {
            pages: Pages::new(dir, "submission"),
        }
    }

    /// Makes it durable in the place of what was there.
    pub(in crate::exchange) async fn write(&self, id: &Id, page: Page) -> Result<(), StoreError> {
        self.pages.write(&name(id), page).await
    }

    /// Reads it.
    pub(in crate::exchange) async fn read(&self, id: &Id) -> Result<Page, StoreError> {
        self.pages.read(&name(id)).await
    }

    /// Puts it where nobody takes it for a submission, for a person to look at.
    pub(in crate::exchange) async fn set_aside(&self, id: &Id) -> Result<(), StoreError> {
        self.pages.set_aside(&name(id)).await
    }

    /// Lets it go.
    pub(in crate::exchange) async fn remove(&self, id: &Id) -> Result<(), StoreError> {
        self.pages.remove(&name(id)).await
    }

    /// Every page there is. One that cannot be read is set aside under another name and counted.
    pub(in crate::exchange) async fn all(&self) -> Result<(Vec<Page>, u64), StoreError> {
        self.pages.all().await
    }
}

/// Named by the exchange, and by whose it is: ids are unique for each system only.
fn name(id: &Id) -> String {
    let whose = Digest::of(id.consumer.to_string().as_bytes()).to_string();
    format!("{}-{}", id.exchange, &whose[..16])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proto::id::{ExchangeId, SystemId};

    use super::*;

    fn id(consumer: &str) -> Id {
        Id {
            consumer: SystemId::parse(consumer).unwrap(),
            exchange: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        }
    }

    #[tokio::test]
    async fn a_page_is_found_again_whole_or_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("submissions"));
        assert_eq!(store.all().await.unwrap(), (Vec::new(), 0));
        let (one, other) = (id("EG/GOV/MOSS/takaful"), id("EG/GOV/MOSS/other"));
        let page = |recorded| Page {
            recorded,
            ..Page::default()
        };
        store.write(&one, page(8)).await.unwrap();
        store.write(&other, page(9)).await.unwrap();
        store.write(&one, page(10)).await.unwrap();
        assert_eq!(store.read(&one).await.unwrap(), page(10));
        let path = dir.path().join("submissions").join(name(&other));
        let path = path.with_extension("submission");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(
            store.read(&other).await,
            Err(StoreError::Broken(_))
        ));
        let again = Store::new(dir.path().join("submissions"));
        assert_eq!(again.all().await.unwrap(), (vec![page(10)], 1));
        assert!(path.with_extension("broken").exists());
        // Set aside once, and gone when it is let go.
        assert_eq!(again.all().await.unwrap(), (vec![page(10)], 0));
        again.remove(&one).await.unwrap();
        again.remove(&one).await.unwrap();
        assert_eq!(again.all().await.unwrap(), (Vec::new(), 0));
    }
}
