//! The agency side of the switch: ask in a few lines, answer in a few lines.
//!
//! An agency enrols once ([`enrol::enrol`]) and has a home folder. A consumer:
//!
//! ```no_run
//! use adapters::{Consumer, Home};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let consumer = Consumer::connect(Home::open("takaful")?).await?;
//! let answer = consumer
//!     .ask("EG/GOV/CIVIL/registry/persons.v1")
//!     .operation("lookup")
//!     .purpose("social-benefit")
//!     .fields(["name", "alive"])
//!     .payload_json(&serde_json::json!({ "nid": "29001011234567" }))
//!     .send()
//!     .await?;
//! println!("{} (entry {})", answer.json::<serde_json::Value>()?, answer.closing_index);
//! # Ok(())
//! # }
//! ```
//!
//! A provider:
//!
//! ```no_run
//! use adapters::{Failure, Home, Options, Provider, Reply, Request, serve};
//!
//! struct Persons;
//!
//! impl Provider for Persons {
//!     async fn answer(&self, request: Request) -> Result<Reply, Failure> {
//!         let question: serde_json::Value = request.json()?;
//!         let nid = question["nid"].as_str().ok_or(Failure::NotFound)?;
//!         Reply::record(&request, &serde_json::json!({ "name": format!("holder of {nid}"), "alive": true }))
//!     }
//! }
//!
//! # async fn answer() -> Result<(), Box<dyn std::error::Error>> {
//! let handle = serve(Home::open("civil")?, Persons, Options::default()).await?;
//! handle.stopped().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Under these lines nothing is believed that was not proved: an answer's payload is handed out only
//! when the log's entry, the provider's seal, the binding to this very request and the payload's
//! commitment hold; a request reaches the backend only when the log holds it and this adapter's own
//! registry mirror permits it. When the switch shows two histories, everything stops ([`error`]).
//!
//! | file | what it holds |
//! |---|---|
//! | [`identity`], [`config`] | the home folder: settings, keys, certificates |
//! | [`authority`] | the agency's authority key, which lies outside the home |
//! | [`mod@enrol`] | from an invitation to a home |
//! | [`alarm`] | authority keys that are being replaced |
//! | [`adapter`] | everything that runs: connection, mirror, checkpoints, sealer |
//! | [`connection`] | TLS and HTTP/2 to the switch, dialled again when it breaks |
//! | [`journal`] | receipts and payloads, kept as evidence |
//! | `renewal` | the certificate, renewed at two thirds of its life |
//! | [`mirror`] | the registry, folded here from the log |
//! | [`checkpoints`] | the largest verified checkpoint; forks are found here |
//! | [`sealed`] | payloads that the switch cannot read |
//! | [`sealer`] | the one thread that seals |
//! | [`consumer`] | asking |
//! | [`compose`] | one case: several agencies asked together |
//! | [`batch`] | one question for each of a million items |
//! | [`attempts`] | what a retry must repeat, for as long as it helps |
//! | [`provider`] | answering |
//! | [`contract`] | what a service promises: OpenAPI, JSON Schemas, payloads against them |
//! | [`subjects`] | pseudonyms of persons, and the keys for them |
//! | [`stock`] | providers described in TOML: SQL, HTTP, CSV, files, echo |
//! | [`succession`] | the next seal key |
//! | [`error`] | when the switch is no longer believed |

pub mod adapter;
pub mod alarm;
pub mod attempts;
pub mod authority;
pub mod batch;
mod calls;
pub mod checkpoints;
mod chunked;
pub mod compose;
pub mod config;
pub mod connection;
pub mod consumer;
pub mod contract;
pub mod enrol;
pub mod error;
pub mod events;
pub mod identity;
pub mod journal;
pub mod mirror;
pub mod provider;
mod renewal;
pub mod sealed;
pub mod sealer;
pub mod stock;
pub mod subjects;
pub mod succession;
#[cfg(test)]
mod testing;
mod whole;

pub use adapter::{Adapter, AdapterError};
pub use authority::AuthorityPlace;
pub use chunked::Body;
pub use consumer::{
    Answer, Attempt, Consumer, ExchangeError, Incoming, Refused, Saved, StreamError, Streamed,
    Untrusted, UploadError, Uploaded,
};
pub use enrol::{EnrolError, EnrolOptions, Enrolled, Invitation, SwitchCard, enrol};
pub use error::{Distrust, Standing};
pub use identity::{FileSigner, Home, HomeError};
pub use journal::Journal;
pub use provider::{
    Failure, Handle, LongReply, Options, Provider, Reply, Request, ServeError, Upload, serve,
};
