//! The log: entries in a Merkle tree, checkpoints, receipts, plain files that anyone can verify.

pub mod anomaly;
pub mod backup;
pub mod checkpoint;
pub mod clock;
pub mod cosignature;
mod disk;
pub mod evidence;
pub mod export;
pub mod find;
pub mod index;
pub mod journal;
pub mod log;
pub mod log_key;
pub mod note;
pub mod people;
pub mod policy;
pub mod prune;
pub mod rebuild;
pub mod receipt;
pub mod reconcile;
pub mod replay;
pub mod stats;
pub mod tiles;
pub mod timestamp;
pub mod tree;
pub mod verify;
pub mod witness;
