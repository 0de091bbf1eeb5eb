//! Identities: who is connected, who says so, and where the keys lie.
//!
//! ```text
//!                    root  (P-256, 20 years, at most one authority below it)
//!                   /    \
//!      brokers                      agencies
//!      server authentication only   client authentication only
//!      (5 years, leaves only)       (5 years, leaves only)
//!         |                            |
//!   spiffe://TD/broker/NAME      spiffe://TD/INSTANCE/CLASS/AGENCY/SYSTEM
//!   + DNS names, addresses       spiffe://TD/operator/NAME
//!                                spiffe://TD/approver/NAME
//!                                spiffe://TD/auditor/NAME
//!                                spiffe://TD/dpo/NAME
//!                                spiffe://TD/administrator/INSTANCE/CLASS/AGENCY/NAME
//!                                (leaves: 7 days by default)
//! ```
//!
//! `TD` is the trust domain, in lower case. Both intermediates carry their purpose, so a stolen `agencies` key
//! cannot make a broker and a stolen `brokers` key cannot make an agency. A leaf carries exactly one URI name,
//! and the handshake itself refuses a peer whose name, purpose or trust domain is wrong: whoever holds a
//! finished connection may read its [`PeerIdentity`] without judging the certificate again. An outside authority's
//! root may be believed too, for the names of systems and for nobody else ([`tls::Trust::with_outside_roots`]).
//!
//! | file | what it holds |
//! |---|---|
//! | [`name`] | trust domains and SPIFFE names |
//! | [`peer`] | a peer's certificate, read once per connection |
//! | [`authority`] | the switch's own certificate authority |
//! | [`request`] | enrolment requests that prove possession |
//! | [`keys`] | TLS keys (P-256) and seal keys (Ed25519, ES256) |
//! | [`passphrase`] | what opens a key that is under a passphrase |
//! | [`fingerprint`] | public keys as people compare them |
//! | [`key_files`] | private files: owner-only, written whole or not at all |
//! | [`pem`] | certificate chains as text, with bounds |
//! | [`identity`] | a chain and its key, replaceable while connections are being made |
//! | [`tls`] | rustls configurations for both ends |
//! | [`validity`] | from when to when a certificate counts |
//!
//! Nothing here reads a clock: issuing takes `now`, handshakes take a [`tls::TimeSource`].
//! Specification: `docs/protocol.md` §1 and §7.

pub mod authority;
pub mod fingerprint;
pub mod identity;
pub mod key_files;
pub mod keys;
pub mod name;
pub mod passphrase;
pub mod peer;
pub mod pem;
pub mod request;
pub mod tls;
pub mod validity;

pub use authority::{Authority, Issued};
pub use fingerprint::Fingerprint;
pub use identity::{Identity, ReloadableIdentity};
pub use keys::{KeyFile, SealAlgorithm, SealKeyFile, SecretFile, TlsKey};
pub use name::{PeerName, PeerRole, TrustDomain};
pub use passphrase::Passphrase;
pub use peer::PeerIdentity;
pub use validity::Validity;

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}
