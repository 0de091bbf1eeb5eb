//! The next seal key of an adapter: endorsed by the present one, put to use, the older one ended.
//!
//! The new key is made in the home. From the moment in which the own mirror shows it, everything is sealed with it;
//! what the older key sealed before may still be under way, so that it is ended only after the longest such exchange.
//! Interrupted anywhere, the same call goes on with the same key.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit::receipt::{Receipt, ReceiptError};
use bytes::Bytes;
use proto::act::{KeyEnd, KeySuccession};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::Part;
use proto::key::Signer;
use proto::limits::{DEADLINE_MS_MAX, WINDOW_MS, label};
use proto::seal::{Seal, SealError};
use proto::wire::registry::v1 as wire;
use thiserror::Error;
use tonic::Status;

use crate::adapter::{Adapter, ProofError};
use crate::identity::{FileSigner, HomeError};
use crate::mirror::MirrorError;
use crate::sealer::SealerError;

/// How long the own mirror may take to show what was recorded.
const MIRROR_WAIT: Duration = Duration::from_secs(10);
/// How long after the change something that the older key sealed may still be under way.
pub const UNDER_WAY: Duration = Duration::from_millis(WINDOW_MS + DEADLINE_MS_MAX as u64);

/// A seal key that followed another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succeeded {
    /// SHA-256 of the new key.
    pub kid: Digest,
    /// SHA-256 of the key that it follows. Still bound: see [`end_predecessor`].
    pub predecessor: Digest,
    /// Log index.
    pub index: u64,
}

/// Makes the next seal key, lets the present one endorse it, and seals with it from then on. The older key's file
/// stays as `seal.key.KID`.
///
/// # Errors
/// [`SuccessionError`]; the present key then goes on.
pub async fn succeed(adapter: &Adapter) -> Result<Succeeded, SuccessionError> {
    let home = adapter.home();
    let present = adapter.sealer().signer();
    let path = home.path(&home.config().files.seal_key);
    let next_path = beside(&path, "next");
    let next = FileSigner::load_or_make(&next_path)?;
    let predecessor = present.key().kid();
    let origin = home.log_key().origin();
    let mut succession = KeySuccession {
        system: home.system().clone(),
        adapter: home.config().adapter.clone(),
        key: next.key().clone(),
        predecessor,
        issued_at_ms: adapter.clock().now_ms(),
        possession: Bytes::new(),
    };
    let over = succession.possession_bytes();
    succession.possession = Seal::one(label::POSSESSION, origin, &over, &next)?.cose;
    let kid = next.key().kid();
    // An earlier call may have come as far as the log.
    let known = adapter.mirror().snapshot().key(&kid).map(|key| key.index);
    let index = match known {
        Some(index) => index,
        None => {
            let header = succession.encode();
            submit(adapter, Kind::KeySucceeded, header, &*present).await?
        }
    };
    let older = beside(&path, &predecessor.short());
    let rename = |from: &PathBuf, to: &PathBuf| {
        fs::rename(from, to).map_err(|cause| {
            SuccessionError::Home(HomeError::Read {
                path: from.clone(),
                cause,
            })
        })
    };
    rename(&path, &older)?;
    rename(&next_path, &path)?;
    adapter.sealer().follow(Arc::new(next))?;
    Ok(Succeeded {
        kid,
        predecessor,
        index,
    })
}

/// Ends the key that the present one followed, by the present one's own word. Call it no sooner than [`UNDER_WAY`]
/// after [`succeed`]. Gives the log index.
///
/// # Errors
/// [`SuccessionError`].
pub async fn end_predecessor(
    adapter: &Adapter,
    predecessor: Digest,
) -> Result<u64, SuccessionError> {
    let reason = Part::parse("superseded").map_err(|_| SuccessionError::Reason)?;
    let header = KeyEnd {
        system: adapter.home().system().clone(),
        kid: predecessor,
        reason,
        issued_at_ms: adapter.clock().now_ms(),
    }
    .encode();
    let present = adapter.sealer().signer();
    submit(adapter, Kind::KeyEnded, header, &*present).await
}

async fn submit(
    adapter: &Adapter,
    kind: Kind,
    header: Bytes,
    signer: &dyn Signer,
) -> Result<u64, SuccessionError> {
    let origin = adapter.home().log_key().origin();
    let seal = Seal::one(label::SUCCESSION, origin, &header, signer)?;
    let envelope = Envelope::bare(header, seal);
    let request = wire::SubmitRequest {
        kind: u32::from(kind as u8),
        envelope: Some(envelope.to_wire()),
    };
    let response = adapter.connection().agencies().submit(request).await?;
    let receipt = response
        .into_inner()
        .receipt
        .ok_or(SuccessionError::NoReceipt)?;
    let receipt = Receipt::from_wire(receipt)?;
    let proven = adapter.prove(&receipt, &envelope.header, Some(&envelope.seal))?;
    adapter
        .mirror()
        .reached(proven.entry.stamp.registry_size + 1, MIRROR_WAIT)
        .await?;
    Ok(receipt.index)
}

fn beside(path: &std::path::Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Why there is no next seal key.
#[derive(Debug, Error)]
pub enum SuccessionError {
    /// The home's files.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A key could not seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What the switch, or the way to it, said.
    #[error("the switch says: {} ({:?})", .0.message(), .0.code())]
    Switch(Box<Status>),
    /// The switch gave no receipt.
    #[error("the switch gave no receipt of what it recorded; tell the operator")]
    NoReceipt,
    /// A receipt that cannot be read.
    #[error("a receipt of the switch does not hold: {0}. Tell the operator")]
    Receipt(#[from] ReceiptError),
    /// A receipt that proves nothing, or shows a fork.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The sealing thread.
    #[error(transparent)]
    Sealer(#[from] SealerError),
    /// The own mirror.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// Never with the word that stands here.
    #[error("the reason is not a stable word")]
    Reason,
}

impl From<Status> for SuccessionError {
    fn from(status: Status) -> Self {
        Self::Switch(Box::new(status))
    }
}
