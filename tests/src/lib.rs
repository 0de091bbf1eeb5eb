//! The bench on which whole switches are tested: real mTLS, real disks, real agencies, ports of the system's choice.
//!
//! | file | what it holds |
//! |---|---|
//! | [`ground`] | what stands on disk before a switch runs: authority, keys, genesis, configuration |
//! | [`switch`] | a switch in this process; ended by `finish`, which verifies and replays its log |
//! | [`agency`] | an agency that was invited and enrolled with keys of its own |
//! | [`agreements`] | services, agreements, ends of keys: everything an agency's authority seals |
//! | [`border`] | other countries, and what is opened to them |
//! | [`operator`] | what operators do, people with roles, further certificates |
//! | [`world`] | one consumer and one provider with an agreement, where most scenarios begin |
//! | [`provider`] | backends with knobs, for the real adapter |
//! | [`raw`] | a consumer that builds every byte by hand, and one that reads refusals |
//! | [`link`] | a provider's link held by hand, to answer wrongly |
//! | [`double`] | a switch that lies to providers |
//! | [`journal`] | a journal that fails when told to |
//! | [`time_authority`] | a time-stamp authority run by `openssl`, with knobs |
//! | [`check`] | what every scenario ends with |
//! | [`process`] | a broker in a process of its own |
//! | [`wire`] | a wire between a party and the switch that stands still after so many bytes |
//! | [`witness`] | witnesses in processes of their own |
//! | [`load`] | consumers that write down what was acknowledged |
//! | [`channel`] | gRPC channels for any TLS configuration |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "tests"
)]

pub mod agency;
pub mod agreements;
pub mod border;
pub mod channel;
pub mod check;
pub mod double;
pub mod ground;
pub mod journal;
pub mod link;
pub mod load;
pub mod operator;
pub mod process;
pub mod provider;
pub mod raw;
pub mod switch;
pub mod time_authority;
pub mod wire;
pub mod witness;
pub mod world;

use std::time::Duration;

/// How long anything that must happen may take on a busy machine. Never slept: only waited at most.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `what`, at most [`PATIENCE`].
///
/// # Panics
/// When it does not come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Asks again and again until `condition` holds, at most [`PATIENCE`]: for states that nobody announces.
///
/// # Panics
/// When it never holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
