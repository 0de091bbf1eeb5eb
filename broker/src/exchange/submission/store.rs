//! What submissions hold: one file each, whole or not there, durable before anybody is told.
//!
//! Takes a page and its name. Gives it back, also to the next run of the switch. A page holds what two adapters sealed to
//! each other and what the log proves of it; the switch can open neither. Never decides anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use audit::tiles::durable;
use prost::Message as _;
use proto::Digest;
use proto::wire::audit::v1::{Receipt, RecordedEntry};
use proto::wire::exchange::v1::Envelope;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::item::Id;

/// How files of submissions end.
const SUFFIX: &str = "submission";
/// What a page that cannot be read is called from then on.
const BROKEN: &str = "broken";

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
    dir: PathBuf,
}

impl Store {
    /// The folder `dir`, made when the first page is written.
    pub(in crate::exchange) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Makes it durable in the place of what was there.
    pub(in crate::exchange) async fn write(&self, id: &Id, page: Page) -> Result<(), StoreError> {
        let path = self.path(id);
        blocking(move || {
            let body = page.encode_to_vec();
            let bytes = [Digest::of(&body).as_ref(), &body].concat();
            durable::write_file(&path, &bytes).map_err(|cause| StoreError::File { path, cause })
        })
        .await
    }

    /// Reads it.
    pub(in crate::exchange) async fn read(&self, id: &Id) -> Result<Page, StoreError> {
        let path = self.path(id);
        blocking(move || read(&path)).await
    }

    /// Puts it where nobody takes it for a submission, for a person to look at.
    pub(in crate::exchange) async fn set_aside(&self, id: &Id) -> Result<(), StoreError> {
        let path = self.path(id);
        blocking(move || aside(path)).await
    }

    /// Lets it go.
    pub(in crate::exchange) async fn remove(&self, id: &Id) -> Result<(), StoreError> {
        let path = self.path(id);
        blocking(move || match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::File { path, cause })
            }
            _ => Ok(()),
        })
        .await
    }

    /// Every page there is. One that cannot be read is set aside under another name and counted.
    pub(in crate::exchange) async fn all(&self) -> Result<(Vec<Page>, u64), StoreError> {
        let dir = self.dir.clone();
        blocking(move || {
            let listed = match fs::read_dir(&dir) {
                Ok(listed) => listed,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok((Vec::new(), 0));
                }
                Err(cause) => return Err(StoreError::File { path: dir, cause }),
            };
            let (mut pages, mut broken) = (Vec::new(), 0);
            for entry in listed {
                let path = match entry {
                    Ok(entry) => entry.path(),
                    Err(cause) => return Err(StoreError::File { path: dir, cause }),
                };
                if path.extension().is_none_or(|end| end != SUFFIX) {
                    continue;
                }
                match read(&path) {
                    Ok(page) => pages.push(page),
                    Err(error) => {
                        tracing::error!(%error, "a submission cannot be read and is set aside");
                        broken += 1;
                        aside(path)?;
                    }
                }
            }
            Ok((pages, broken))
        })
        .await
    }

    /// Named by the exchange, and by whose it is: ids are unique for each system only.
    fn path(&self, id: &Id) -> PathBuf {
        let whose = Digest::of(id.consumer.to_string().as_bytes()).to_string();
        let name = format!("{}-{}.{SUFFIX}", id.exchange, &whose[..16]);
        self.dir.join(name)
    }
}

fn aside(path: PathBuf) -> Result<(), StoreError> {
    let to = path.with_extension(BROKEN);
    fs::rename(&path, to).map_err(|cause| StoreError::File { path, cause })
}

fn read(path: &Path) -> Result<Page, StoreError> {
    let bytes = fs::read(path).map_err(|cause| StoreError::File {
        path: path.to_owned(),
        cause,
    })?;
    let page = bytes
        .split_at_checked(Digest::LEN)
        .filter(|(digest, body)| Digest::of(body).as_ref() == *digest)
        .and_then(|(_, body)| Page::decode(body).ok());
    page.ok_or_else(|| StoreError::Broken(path.to_owned()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.unwrap_or(Err(StoreError::Gone))
}

/// Why a submission cannot be kept or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What the system said.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is not what was written.
    #[error("{} is damaged", .0.display())]
    Broken(PathBuf),
    /// The process ends.
    #[error("the switch ends")]
    Gone,
}

#[cfg(test)]
mod tests {
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
        let path = store.path(&other);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(
            store.read(&other).await,
            Err(StoreError::Broken(_))
        ));
        let again = Store::new(dir.path().join("submissions"));
        assert_eq!(again.all().await.unwrap(), (vec![page(10)], 1));
        assert!(path.with_extension(BROKEN).exists());
        // Set aside once, and gone when it is let go.
        assert_eq!(again.all().await.unwrap(), (vec![page(10)], 0));
        again.remove(&one).await.unwrap();
        again.remove(&one).await.unwrap();
        assert_eq!(again.all().await.unwrap(), (Vec::new(), 0));
    }
}
