//! What the machine does bare, on one core: SHA-256 over a log's own bytes, and Ed25519 verifications.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use audit::tiles::TileStore;
use proto::digest::Digest;
use proto::key::{PublicKey, Signer};

use super::Took;
use super::log::Written;
use crate::authorise::country::Key;

/// How long each is measured.
const WINDOW: Duration = Duration::from_millis(600);
/// Entries whose bytes are hashed over and over.
const SAMPLE: u64 = 20_000;
/// Bytes that a seal's signature is over.
const SIGNED_BYTES: usize = 220;

/// What is done over and over.
pub(super) struct Reference {
    entries: Vec<bytes::Bytes>,
    key: PublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// A CPU second's worth of each.
pub(super) struct Bare {
    /// Entries whose bytes are hashed.
    pub(super) sha256: f64,
    /// Signatures verified.
    pub(super) ed25519: f64,
}

impl Reference {
    /// Out of a log that was written.
    pub(super) fn of(written: &Written) -> anyhow::Result<Self> {
        let store = TileStore::new(&written.dir);
        let range = 0..SAMPLE.min(written.entries);
        let entries = store
            .read_entries(range, written.entries)
            .map(|read| read.map(|(_, bytes)| bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let signer = Key::make()?;
        let message = vec![0x5a; SIGNED_BYTES];
        let signature = signer.sign(&message).map_err(|error| anyhow!("{error}"))?;
        let key = signer.key().clone();
        ensure!(
            key.verify(&message, &signature),
            "the reference does not verify"
        );
        Ok(Self {
            entries,
            key,
            message,
            signature,
        })
    }

    /// Both, one after the other.
    pub(super) fn measure(&self) -> anyhow::Result<Bare> {
        let mut hashed = 0_u64;
        let ((), took) = Took::by(|| {
            let begun = Instant::now();
            while begun.elapsed() < WINDOW {
                for entry in &self.entries {
                    black_box(Digest::of(black_box(entry)));
                }
                hashed += self.entries.len() as u64;
            }
        })?;
        let sha256 = hashed as f64 / took.cpu_s;
        let mut verified = 0_u64;
        let ((), took) = Took::by(|| {
            let begun = Instant::now();
            while begun.elapsed() < WINDOW {
                for _ in 0..100 {
                    black_box(self.key.verify(black_box(&self.message), &self.signature));
                }
                verified += 100;
            }
        })?;
        let ed25519 = verified as f64 / took.cpu_s;
        Ok(Bare { sha256, ed25519 })
    }
}
