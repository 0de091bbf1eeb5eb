//! The switch: door, exchange rooms, registry, links.
//!
//! A map in the order in which a request meets the parts:
//!
//! 1. [`door`]: TLS connections and who is behind them; caps, limits, one span per request.
//! 2. [`api`]: gRPC services, from wire shapes to domain types. They decide nothing.
//! 3. [`exchange`]: the way of an exchange, room after room, in one short function.
//! 4. [`registry`]: what every room decides by: the fold of the log, as a lock-free snapshot.
//! 5. [`links`]: the providers' adapters, each on one long-lived stream.
//!
//! Around them: [`config`] (read and checked before anything starts), [`switch`] (the one place where parts are
//! made and joined, and the order in which they end), [`stamping`] (an outside clock for the log), [`telemetry`] (what
//! the process says about itself), [`witnesses`] (who outside the switch cosigns what it publishes).
//!
//! What is not here: no key of an agency, no payload in any store, no decision without an entry.

pub mod api;
pub mod config;
pub mod door;
pub mod exchange;
pub mod links;
mod metrics;
pub mod registry;
pub mod stamping;
pub mod switch;
pub mod telemetry;
pub mod witnesses;

#[cfg(test)]
mod testing;

pub use config::Config;
pub use switch::{Listeners, StartError, Switch};
