//! A little log being made: stamps entries, folds the registry, and writes every value into the book.

use bytes::Bytes;
use proto::Digest;
use proto::digest::{leaf_hash, tree_head};
use proto::entry::{Draft, Entry, Kind, Stamp};
use proto::key::Signer as _;
use proto::registry::Registry;
use proto::seal::Seal;

use crate::book::Book;
use crate::keys::SeedKey;

/// 2026-01-01T00:00:00Z.
pub(crate) const T0_MS: u64 = 1_767_225_600_000;
/// The switch of the golden log.
pub(crate) const ORIGIN: &str = "mohawel.example/golden";

/// The log so far.
#[derive(Debug, Default)]
pub(crate) struct GoldenLog {
    pub(crate) book: Book,
    pub(crate) registry: Registry,
    pub(crate) leaves: Vec<Digest>,
    registry_leaves: Vec<Digest>,
    waited_ms: u64,
}

impl GoldenLog {
    /// Seals one header and writes down each step.
    pub(crate) fn seal(&mut self, name: &str, label: &str, header: &[u8], key: &SeedKey) -> Seal {
        self.book.put(&format!("{name}.header"), header);
        let seal = Seal::one(label, ORIGIN, header, key).unwrap();
        self.steps(name, label, header, key, &seal);
        seal
    }

    /// Seals headers together and writes down each step of each.
    pub(crate) fn seal_batch(
        &mut self,
        names: &[&str],
        label: &str,
        headers: &[&[u8]],
        key: &SeedKey,
    ) -> Vec<Seal> {
        let seals = Seal::batch(label, ORIGIN, headers, key).unwrap();
        for ((name, header), seal) in names.iter().zip(headers).zip(&seals) {
            self.book.put(&format!("{name}.header"), header);
            self.steps(name, label, header, key, seal);
        }
        seals
    }

    fn steps(&mut self, name: &str, label: &str, header: &[u8], key: &SeedKey, seal: &Seal) {
        let signed = key.last_signed();
        // What follows the AAD in Sig_structure: bstr of 36 bytes, head and size.
        let (head, size) = signed[signed.len() - 36..].split_at(32);
        assert_eq!(size, seal.tree_size.to_be_bytes());
        self.book.text(&format!("{name}.label"), label);
        self.book.put(&format!("{name}.kid"), key.key().kid());
        self.book.put(&format!("{name}.leaf"), leaf_hash(header));
        self.book.put(&format!("{name}.tree_head"), head);
        self.book.put(&format!("{name}.sig_structure"), &signed);
        self.book.put(&format!("{name}.cose"), &seal.cose);
        self.book
            .put(&format!("{name}.seal_block"), seal.to_block());
        seal.verify(label, ORIGIN, header, key.key()).unwrap();
    }

    /// When the next entry is recorded: Unix time, milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        T0_MS + 1_000 * self.leaves.len() as u64 + self.waited_ms
    }

    /// Lets time pass before the next entry.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.waited_ms += ms;
    }

    /// Records an entry: stamp, bytes, leaf hash. A registry entry is folded too.
    pub(crate) fn record(
        &mut self,
        name: &str,
        kind: Kind,
        facts: Bytes,
        sealed: Option<(Bytes, Seal)>,
    ) -> u64 {
        let index = self.leaves.len() as u64;
        let (header, seal) = match sealed {
            Some((header, seal)) => (header, Some(seal)),
            None => (Bytes::new(), None),
        };
        let stamp = Stamp {
            recorded_at_us: self.now_ms() * 1_000 + 250,
            broker: 1,
            registry_size: self.registry_leaves.len() as u64,
            registry_root: tree_head(&self.registry_leaves),
        };
        let draft = Draft {
            kind,
            facts,
            header,
            seal,
        };
        let entry = Entry::new(draft, stamp);
        let bytes = entry.encode().unwrap();
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        let leaf = leaf_hash(&bytes);
        assert_eq!(entry.leaf().unwrap(), leaf);
        self.book.text(&format!("{name}.index"), &index.to_string());
        self.book.put(&format!("{name}.stamp"), stamp.encode());
        self.book.put(&format!("{name}.facts"), &entry.facts);
        self.book.put(&format!("{name}.entry"), &bytes);
        self.book.put(&format!("{name}.entry_leaf"), leaf);
        self.leaves.push(leaf);
        if kind.is_registry() {
            self.registry.apply(index, &entry).unwrap();
            self.registry_leaves.push(leaf);
        }
        index
    }

    /// Heads of both trees as they stand.
    pub(crate) fn heads(&mut self) {
        let sizes = (self.leaves.len(), self.registry_leaves.len());
        self.book.text("log.size", &sizes.0.to_string());
        self.book.put("log.root", tree_head(&self.leaves));
        self.book.text("registry.size", &sizes.1.to_string());
        self.book
            .put("registry.root", tree_head(&self.registry_leaves));
    }
}
