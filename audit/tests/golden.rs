//! Golden receipts: checkpoints, proofs and receipts over the little log of `tests/golden/v1.json`,
//! made with this crate's public API, must equal `tests/golden/receipts.json` byte for byte.
//!
//! `MOHAWEL_BLESS=1 cargo test -p audit --test golden` writes the file anew: a change of the protocol.

#![expect(clippy::unwrap_used, reason = "a test may unwrap")]

#[path = "../../proto/tests/golden/book.rs"]
mod book;
#[path = "../../proto/tests/golden/keys.rs"]
#[expect(
    dead_code,
    reason = "only proto's own golden test asks what was signed last"
)]
mod keys;

use std::collections::BTreeMap;
use std::io;

use audit::checkpoint::{self, Checkpoint, LogKey, SignedCheckpoint};
use audit::receipt::Receipt;
use audit::receipt::tlog_proof::TlogProof;
use audit::tree::{BatchProofs, Edge, HashReader, consistency_proof, verify_consistency};
use bytes::Bytes;
use prost::Message as _;
use proto::Digest;
use proto::digest::{leaf_hash, tree_head};
use proto::entry::Entry;
use proto::key::Signer as _;

/// The golden log in memory.
struct Leaves(Vec<Digest>);

impl HashReader for Leaves {
    fn node(&self, level: u8, index: u64) -> io::Result<Digest> {
        let (width, index) = (1 << level, index as usize);
        Ok(tree_head(&self.0[index * width..(index + 1) * width]))
    }
}

struct GoldenLog {
    entries: Vec<Bytes>,
    leaves: Leaves,
    key: keys::SeedKey,
    log_key: LogKey,
    origin: String,
}

impl GoldenLog {
    /// Takes the entries from the golden file, in the order of their index.
    fn read() -> Self {
        let stored = book::read("v1.json");
        let mut entries = BTreeMap::new();
        for (name, value) in &stored {
            if let Some(name) = name.strip_suffix(".index.text") {
                let entry = Bytes::from(hex::decode(&stored[&format!("{name}.entry")]).unwrap());
                entries.insert(value.parse::<usize>().unwrap(), entry);
            }
        }
        assert!(entries.keys().copied().eq(0..entries.len()));
        let entries: Vec<Bytes> = entries.into_values().collect();
        let leaves = Leaves(entries.iter().map(|entry| leaf_hash(entry)).collect());
        let key = keys::SeedKey::new(0x01);
        assert_eq!(stored["key.log.spki"], hex::encode(key.key().spki()));
        let origin = stored["origin.text"].clone();
        let log_key = LogKey::new(&origin, key.key()).unwrap();
        assert_eq!(stored["log.root"], tree_head(&leaves.0).to_string());
        Self {
            entries,
            leaves,
            key,
            log_key,
            origin,
        }
    }

    fn edge(&self, size: usize) -> Edge {
        let mut edge = Edge::new();
        for leaf in &self.leaves.0[..size] {
            edge.push(*leaf);
        }
        edge
    }

    fn checkpoint(&self, size: usize) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: size as u64,
            root: self.edge(size).root(),
        };
        let signed = checkpoint.sign(&self.key).unwrap();
        assert_eq!(
            checkpoint::open(&signed.note, &self.log_key).unwrap(),
            checkpoint
        );
        signed
    }

    /// The receipt of the entry at `index`, committed alone, and the steps to it.
    fn receipt(&self, book: &mut book::Book, name: &str, index: usize) {
        let entry = Entry::decode(&self.entries[index]).unwrap();
        let proofs = BatchProofs::new(&self.edge(index), &self.leaves.0[index..=index]);
        let signed = self.checkpoint(index + 1);
        let receipt = Receipt {
            index: index as u64,
            kind: entry.kind,
            stamp: entry.stamp,
            facts: entry.facts.clone(),
            proof: proofs.proof(0).unwrap(),
            checkpoint: signed.note.clone(),
        };
        let proven = receipt
            .verify(&entry.header, entry.seal.as_ref(), &self.log_key)
            .unwrap();
        assert_eq!(proven.leaf, self.leaves.0[index]);
        let wire = receipt.to_wire().encode_to_vec();
        let read = proto::wire::audit::v1::Receipt::decode(&wire[..]).unwrap();
        assert_eq!(Receipt::from_wire(read).unwrap(), receipt);

        book.text(&format!("{name}.index"), &index.to_string());
        book.put(&format!("{name}.leaf"), proven.leaf);
        book.put(&format!("{name}.proof"), joined(&receipt.proof));
        book.put(&format!("{name}.root"), signed.checkpoint.root);
        book.put(
            &format!("{name}.checkpoint_text"),
            signed.checkpoint.to_text(),
        );
        book.put(&format!("{name}.checkpoint"), &signed.note);
        book.put(&format!("{name}.receipt"), wire);
        let file = TlogProof {
            extra: None,
            index: receipt.index,
            proof: receipt.proof,
            checkpoint: signed.note,
        };
        file.verify(&proven.leaf, &self.log_key).unwrap();
        book.put(&format!("{name}.tlog_proof"), file.to_text());
    }

    /// That the log at `new` begins with the log at `old`.
    fn consistency(&self, book: &mut book::Book, old: usize, new: usize) {
        let proof = consistency_proof(&self.leaves, old as u64, new as u64).unwrap();
        let (before, after) = (self.edge(old).head(), self.edge(new).head());
        verify_consistency(before.size, &before.root, after.size, &after.root, &proof).unwrap();
        book.put(&format!("consistency.{old}.{new}"), joined(&proof));
    }
}

fn joined(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn every_receipt_is_the_golden_one() {
    let log = GoldenLog::read();
    let mut book = book::Book::default();
    book.text("log.vkey", &log.log_key.to_vkey());
    for (name, kind) in [("request", 32), ("answer", 33), ("refusal", 34)] {
        let index = log
            .entries
            .iter()
            .position(|entry| entry[0] == kind)
            .unwrap();
        log.receipt(&mut book, name, index);
    }
    let size = log.entries.len();
    book.put("log.checkpoint", log.checkpoint(size).note);
    for old in [1, 2, 13, 14, size] {
        log.consistency(&mut book, old, size);
    }
    book.judge("receipts.json");
}
