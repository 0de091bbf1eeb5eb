//! The language of the switch: what switch, agencies and auditors must agree on bit for bit.
//!
//! Identifiers, canonical headers, seals, commitments, entries, the registry as a fold over entries,
//! and the one function that decides. No I/O, no clock, no async: callers bring bytes and times.
//!
//! Reading order: [`id`], [`header`], [`seal`], [`commitment`], [`sealed`], [`envelope`], [`entry`],
//! [`registry`], [`authorise`], [`reviews`], [`events`], [`refusal`]. `docs/protocol.md` shows every signed byte.

pub mod act;
pub mod authorise;
pub mod canonical;
pub mod case;
pub mod chunks;
pub mod codec;
pub mod commitment;
pub mod digest;
pub mod entry;
pub mod envelope;
pub mod events;
pub mod facts;
pub mod header;
pub mod id;
pub mod items;
pub mod key;
pub mod limits;
pub mod refusal;
pub mod registry;
pub mod reviews;
pub mod seal;
pub mod sealed;
pub mod subject;
pub mod text;
pub mod wire;

#[cfg(test)]
mod testing;

pub use digest::Digest;
pub use key::{PublicKey, Signer};
pub use refusal::Code;
