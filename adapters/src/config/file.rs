//! The TOML shape of `adapter.toml`. Unknown keys are refused; meaning and defaults stand at each key.

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// host:port of the switch's exchange door. The host must stand in the broker's certificate.
    pub(super) exchange: String,
    /// host:port of the switch's enrolment door.
    pub(super) enrol: String,
    /// INSTANCE/CLASS/AGENCY/SYSTEM that this adapter speaks for.
    pub(super) system: String,
    /// The adapter instance, one name part; bound to the seal key.
    pub(super) adapter: String,
    /// The SPIFFE URI that the broker's certificate must carry.
    pub(super) broker_uri: String,
    /// SHA-256 of entry 0, hex: which switch this is. Another log is refused.
    pub(super) genesis_sha256: String,
    /// Milliseconds that a request's time may lie from this machine's clock. Too small: honest
    /// requests are refused as stale. Too large: an old request is accepted longer. Default 30000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_ms: Option<u64>,
    /// Milliseconds that an exchange waits for the own registry mirror. Default 2000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mirror_wait_ms: Option<u64>,
    /// Milliseconds between two looks at the published checkpoint. Default 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checkpoint_every_ms: Option<u64>,
    /// Headers that go under one signature at most when several wait at once, 1 to 64. 1: every header is sealed alone.
    /// Default 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seal_together: Option<u64>,
    /// Whether the consumer's calls share one stream instead of one HTTP/2 request each. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) call_stream: bool,
    /// Fingerprints (64 hex digits) of keys and certificates of this agency that other adapters hold: no alarm is raised
    /// when the log binds them. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) expected_keys: Vec<String>,
    /// With what pseudonyms of persons are made and judged.
    #[serde(default, skip_serializing_if = "Subjects::is_default")]
    pub(super) subjects: Subjects,
    /// File names, relative to the folder of this file. Defaults stand at each name.
    #[serde(default)]
    pub(super) files: Names,
    /// The journal of receipts.
    #[serde(default)]
    pub(super) journal: Journal,
    /// Who must vouch for published checkpoints. Without it nobody must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) witness: Option<Witness>,
}

/// `[witness]`: who must vouch for published checkpoints, and how soon. Grants trust, so no key has a default.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Witness {
    /// A C2SP tlog-policy file, relative to the home, or a whole path. Not from the switch's operator.
    pub(super) policy: String,
    /// Milliseconds after which what is not under the quorum is an alarm. Too small: alarms over slow witnesses. Too
    /// large: a fork that is shown to this adapter alone is told late.
    pub(super) witness_lag_ms: u64,
    /// Whether a provider refuses what it judges by keys and agreements that are not under the quorum in time.
    pub(super) require: bool,
}

/// `[journal]`: what this adapter keeps of every exchange.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Journal {
    /// The folder, relative to the home, or a whole path.
    pub(super) dir: String,
    /// Whether payloads and salts are kept, encrypted, for as long as the grant says (`retention_days`). Without them a
    /// receipt proves that something was exchanged, and not what.
    pub(super) keep_payload: bool,
    /// `stop`: without a journal that can be written nothing is asked or answered. `go_on`: exchanges go on, and their
    /// evidence on this side is lost.
    pub(super) when_unwritable: String,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            dir: "journal".to_owned(),
            keep_payload: true,
            when_unwritable: "stop".to_owned(),
        }
    }
}

/// Pseudonyms of persons.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Subjects {
    /// The folder, relative to the home, with the key files (*.subject-key, owner-only) that the data-protection
    /// authority gave out. Without it, or without a file for an agreement, its pseudonyms are neither made nor judged.
    pub(super) keys: String,
}

impl Subjects {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Subjects {
    fn default() -> Self {
        Self {
            keys: "subjects".to_owned(),
        }
    }
}

/// File names, relative to the home folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Names {
    /// The TLS authority's root certificate, PEM.
    pub(super) root: String,
    /// The log's verifier key (C2SP vkey).
    pub(super) log_key: String,
    /// The TLS key, owner-only.
    pub(super) tls_key: String,
    /// The TLS certificate chain, PEM.
    pub(super) chain: String,
    /// The seal key, owner-only.
    pub(super) seal_key: String,
    /// Where the agency's authority key last was: the whole path, or one relative to the home for a key that lies in
    /// it. Not read by an adapter that runs.
    pub(super) authority_key: String,
    /// The largest verified checkpoint; written by the adapter.
    pub(super) checkpoint: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            root: "root.pem".to_owned(),
            log_key: "log.vkey".to_owned(),
            tls_key: "tls.key".to_owned(),
            chain: "tls.pem".to_owned(),
            seal_key: "seal.key".to_owned(),
            authority_key: "authority/authority.key".to_owned(),
            checkpoint: "checkpoint.txt".to_owned(),
        }
    }
}
