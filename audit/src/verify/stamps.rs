//! The stamps of consecutive entries: time never runs backwards, and the registry that a stamp names
//! is the one that the registry entries before it make.

use proto::digest::Digest;
use proto::entry::{Entry, Kind};

use super::findings::{Findings, rule};
use crate::tree::{Edge, TreeHead};

/// What the entries so far make of the next stamp.
#[derive(Debug)]
pub(super) struct Stamps {
    recorded_at_us: u64,
    registry: Edge,
    /// Root of `registry`, kept because it rarely changes.
    root: Digest,
    /// First of the consecutive entries whose registry did not fit, and how many there were.
    astray: Option<(u64, u64)>,
}

impl Stamps {
    pub(super) fn new() -> Self {
        let registry = Edge::new();
        let root = registry.root();
        Self {
            recorded_at_us: 0,
            registry,
            root,
            astray: None,
        }
    }

    /// The registry tree so far.
    pub(super) fn registry(&self) -> TreeHead {
        TreeHead {
            size: self.registry.size(),
            root: self.root,
        }
    }

    /// Checks the stamp of entry `index`, whose leaf hash is `leaf`.
    pub(super) fn check(
        &mut self,
        index: u64,
        entry: &Entry,
        leaf: Digest,
        findings: &mut Findings,
    ) {
        if (entry.kind == Kind::Genesis) != (index == 0) {
            let detail = format!("the entry is of kind {}", entry.kind.name());
            findings.error(Some(index), rule::GENESIS, detail);
        }
        let stamp = &entry.stamp;
        if stamp.recorded_at_us < self.recorded_at_us {
            let back_us = self.recorded_at_us - stamp.recorded_at_us;
            findings.error(
                Some(index),
                rule::TIME_BACKWARDS,
                format!("recorded {back_us} µs before its predecessor"),
            );
        }
        self.recorded_at_us = stamp.recorded_at_us;
        let named = TreeHead {
            size: stamp.registry_size,
            root: stamp.registry_root,
        };
        self.compare(index, named, findings);
        if entry.kind.is_registry() {
            self.registry.push(leaf);
            self.root = self.registry.root();
        }
    }

    /// One finding for a run of entries that name another registry, not one for each.
    fn compare(&mut self, index: u64, named: TreeHead, findings: &mut Findings) {
        if named == self.registry() {
            self.finish(findings);
            return;
        }
        if let Some((_, count)) = &mut self.astray {
            *count += 1;
            return;
        }
        self.astray = Some((index, 1));
        let detail = format!(
            "the stamp names a registry of {} ({}), the entries before it make {} ({})",
            named.size,
            named.root,
            self.registry.size(),
            self.root
        );
        findings.error(Some(index), rule::REGISTRY_STAMP, detail);
    }

    /// Says how far the last run of strays went.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        if let Some((first, count @ 2..)) = self.astray.take() {
            let detail = format!(
                "the {} entries after {first} name another registry, too",
                count - 1
            );
            findings.error(Some(first + 1), rule::REGISTRY_STAMP, detail);
        }
    }
}
