//! One witness, asked over HTTP.
//!
//! Takes a checkpoint and the log that can prove it; gives a verified cosignature, or what the witness holds against the
//! log. Goes nowhere but to the witness's address: no redirects, no proxy. Never believes a size further than the proof
//! that is then asked for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::checkpoint::{self, LogKey, SignedCheckpoint};
use audit::log::Log;
use audit::note::NoteSignature;
use audit::policy::PolicyWitness;
use audit::witness::asking::{ANSWER_BYTES_MAX, Heard, hear};
use audit::witness::origin_hash;
use audit::witness::request::AddCheckpoint;
use reqwest::redirect;
use reqwest::{Client, Response, Url};

use super::WitnessesError;
use crate::config::WitnessConfig;

/// Times that a witness is asked about one checkpoint: it may say where it stands, and be moved meanwhile.
const TURNS_MAX: usize = 3;

/// A witness that has an address.
#[derive(Debug)]
pub(super) struct Asked {
    /// In the policy.
    pub(super) position: usize,
    pub(super) name: String,
    key: audit::cosignature::WitnessKey,
    add_checkpoint: Url,
    cosigned: Url,
    client: Client,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What it cosigned last, as far as is known.
    size: Option<u64>,
    /// Why it gave nothing the last time.
    failure: Option<String>,
}

/// What became of one question.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A verified cosignature.
    Cosigned(NoteSignature),
    /// The log must not go on.
    Against(Against),
    /// Nothing now: see [`Asked::failure`].
    Useless,
}

/// What a witness holds against the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// Its name in the policy.
    pub witness: String,
    /// Entries that it cosigned.
    pub theirs: u64,
    /// Entries that this log has.
    pub ours: u64,
    /// Whether it holds a tree of the log's own length or less that the log does not extend; else it holds a longer one.
    pub fork: bool,
    /// Whether it showed a checkpoint with the log's own signature.
    pub proven: bool,
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            witness,
            theirs,
            ours,
            ..
        } = self;
        if self.fork {
            write!(
                f,
                "the witness {witness} cosigned another history of this log at {theirs} entries; this log has {ours} and does not extend it"
            )?;
        } else {
            write!(
                f,
                "the witness {witness} cosigned {theirs} entries of this log, and this log has {ours}: it was put back to an older copy"
            )?;
        }
        let shown = if self.proven {
            "It shows a checkpoint with this log's own signature"
        } else {
            "It shows no checkpoint for that: whoever can speak in its name on this network could say the same"
        };
        write!(
            f,
            ". {shown}. Do not go on from here: bring back the newest tail/, store/ and tile/ together, and see \
             \"When a witness is ahead\" in docs/operating.md"
        )
    }
}

/// The client for all witnesses of a configuration.
pub(super) fn client(config: &WitnessConfig) -> Result<Client, WitnessesError> {
    let failed = |error: String| WitnessesError::Client(error);
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &config.tls_root {
        for root in certs::pem::read_chain(path).map_err(|error| failed(error.to_string()))? {
            roots.add(root).map_err(|error| failed(error.to_string()))?;
        }
    }
    // Given whole, so that neither a platform's certificates nor another provider get in.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(redirect::Policy::none())
        .connect_timeout(config.timeout)
        .pool_max_idle_per_host(1)
        .build()
        .map_err(|error| failed(error.to_string()))
}

impl Asked {
    pub(super) fn new(
        position: usize,
        witness: &PolicyWitness,
        url: &str,
        origin: &str,
        client: Client,
        config: &WitnessConfig,
    ) -> Result<Self, WitnessesError> {
        let wrong = || WitnessesError::Url(witness.name.clone());
        let prefix = prefix_of(url).ok_or_else(wrong)?;
        if prefix.starts_with("https:") && config.tls_root.is_none() {
            return Err(WitnessesError::NoRoot);
        }
        let at = |path: &str| Url::parse(&format!("{prefix}/{path}")).map_err(|_| wrong());
        Ok(Self {
            position,
            name: witness.name.clone(),
            key: witness.key.clone(),
            add_checkpoint: at("add-checkpoint")?,
            cosigned: at(&format!("{}/checkpoint", origin_hash(origin)))?,
            client,
            timeout: config.timeout,
            state: Mutex::default(),
        })
    }

    /// Its name and why it gave nothing the last time; `None` when it did.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.state().failure.clone()?;
        Some(format!("{}: {failure}", self.name))
    }

    /// Asks it to cosign `held`, within the time that it may take.
    pub(super) async fn ask(&self, log: &Log, held: &SignedCheckpoint) -> Outcome {
        let asked = tokio::time::timeout(self.timeout, self.turns(log, held)).await;
        let (outcome, failure) = match asked {
            Ok(Ok(Outcome::Useless)) => (Outcome::Useless, Some("it stands elsewhere".to_owned())),
            Ok(Ok(outcome)) => (outcome, None),
            Ok(Err(failure)) => (Outcome::Useless, Some(failure)),
            Err(_) => (Outcome::Useless, Some("no answer in time".to_owned())),
        };
        self.state().failure = failure;
        outcome
    }

    async fn turns(&self, log: &Log, held: &SignedCheckpoint) -> Result<Outcome, String> {
        let new = held.checkpoint.head();
        let text = held.checkpoint.to_text();
        for _ in 0..TURNS_MAX {
            // At first as if it had seen this one: it then says where it stands.
            let old = self.state().size.unwrap_or(new.size).min(new.size);
            let proof = log.extension(old, new).await;
            let (_, proof) = proof.map_err(|error| format!("the proof for it: {error}"))?;
            let request = AddCheckpoint {
                old,
                proof,
                note: held.note.clone(),
            };
            let (status, body) = self.post(request.to_bytes()).await?;
            match hear(&self.key, &text, (old, new.size), status, &body) {
                Heard::Cosigned { line, .. } => {
                    self.state().size = Some(new.size);
                    return Ok(Outcome::Cosigned(line));
                }
                Heard::Elsewhere { size } if size <= new.size => self.state().size = Some(size),
                // Whoever holds a receipt may have shown it a checkpoint that is newer than the published one.
                Heard::Elsewhere { size } if size <= log.head().size() => {
                    self.state().size = Some(size);
                    return Ok(Outcome::Useless);
                }
                Heard::Elsewhere { size } => {
                    return Ok(Outcome::Against(self.against(log, size, false).await));
                }
                // The proof was right: it was verified against our own tiles before it was sent.
                Heard::Contradicts => {
                    return Ok(Outcome::Against(self.against(log, old, true).await));
                }
                Heard::Useless(why) => return Err(why),
            }
        }
        Ok(Outcome::Useless)
    }

    /// What it says against the log, with whether it can show the log's own signature for it.
    async fn against(&self, log: &Log, theirs: u64, fork: bool) -> Against {
        let shown = self.shown(log.key()).await;
        let proven = shown.is_some_and(|shown| shown.size == theirs);
        Against {
            witness: self.name.clone(),
            theirs,
            ours: log.head().size(),
            fork,
            proven,
        }
    }

    /// The checkpoint that it cosigned last, if it shows one that the log's key signed.
    async fn shown(&self, key: &LogKey) -> Option<checkpoint::Checkpoint> {
        let response = self.client.get(self.cosigned.clone()).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let note = bounded(response).await.ok()?;
        checkpoint::open(&note, key).ok()
    }

    async fn post(&self, body: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
        let sent = self
            .client
            .post(self.add_checkpoint.clone())
            .body(body)
            .send()
            .await;
        let response = sent.map_err(|error| reason(&error))?;
        let status = response.status().as_u16();
        Ok((status, bounded(response).await?))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A submission prefix without its last slash, if it is one that can be asked.
fn prefix_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let known = matches!(url.scheme(), "http" | "https") && url.has_host();
    let secret = !url.username().is_empty() || url.password().is_some();
    let bare = url.query().is_none() && url.fragment().is_none();
    (known && !secret && bare).then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// A body of bounded length.
async fn bounded(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err("its answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes: the outermost says only that sending failed.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(inner) = cause {
        last = inner.to_string();
        cause = inner.source();
    }
    last
}
