//! Persons in the log: one person's own record, what a hold keeps back of it, and whom a breach concerns.
//!
//! Takes a log directory, and for a person's record the data-protection authority's epoch masters. Reads the log once,
//! checking hashes and stamps as [`crate::verify`] does, folding the registry, and verifying the seal of every exchange
//! that it gives. Never writes, and never gives out which clerk asked: what is returned here has no place for it.
//!
//! | file | what it holds |
//! |---|---|
//! | `exchanges` | requests with their ends, and holds, in one pass |
//! | `record` | the exchanges about one person |
//! | `requests` | requests by exchange id, for those who compare disclosed payloads |
//! | `breach` | the exchanges that a stolen key or an intruder in an agency exposed |

mod breach;
mod exchanges;
mod record;
mod requests;
#[cfg(test)]
mod tests;

pub use breach::{Breach, Exposed, Exposure, OfService, Suspect, breach};
pub use exchanges::{Fault, HoldRecord};
pub use record::{Consultation, Masters, Named, Period, PersonRecord, record};
pub use requests::{Requested, Requests, requests};
