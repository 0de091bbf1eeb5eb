//! One witness, asked over HTTP.
//!
//! Takes a checkpoint and the log that can prove it; gives a verified cosignature, or what the witness holds against the
//! log. Goes nowhere but to the witness's address: no redirects, no proxy. Never believes a size further than the proof
//! that is then asked for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use audit::checkpoint::{self, LogKey, SignedCheckpoint};
use audit::log::Log;
use audit::note::NoteSignature;
use audit::policy::PolicyWitness;
use audit::tree::TreeHead;
use audit::witness::asking::{ANSWER_BYTES_MAX, Heard, hear};
use audit::witness::origin_hash;
use audit::witness::request::AddCheckpoint;
use reqwest::redirect;
use reqwest::{Client, Response, Url};

use super::{Against, WitnessesError};
use crate::config::WitnessConfig;

/// Times that a witness is asked about one checkpoint: it may say where it stands, and be moved meanwhile.
const TURNS_MAX: usize = 3;
/// On how many connections a witness must say over plain HTTP what would end the switch, and show nothing for it.
const TIMES: u32 = 3;
/// Before it is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is told while it lasts.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// A witness that has an address.
#[derive(Debug)]
pub(super) struct Asked {
    /// In the policy.
    pub(super) position: usize,
    pub(super) name: String,
    key: audit::cosignature::WitnessKey,
    add_checkpoint: Url,
    cosigned: Url,
    clients: Clients,
    timeout: Duration,
    stop_on_unproved: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What it cosigned last, as far as is known.
    size: Option<u64>,
    /// Why it gave nothing the last time.
    failure: Option<String>,
    /// How often it said something against the log and showed nothing for it, since somebody asked.
    doubts: u64,
    /// When that was told last.
    told: Option<Instant>,
}

impl State {
    /// Counts one more doubt; whether it is to be told.
    fn doubt(&mut self, now: Instant) -> bool {
        self.doubts += 1;
        let tell = self.told.is_none_or(|told| now - told >= TOLD_EVERY);
        if tell {
            self.told = Some(now);
        }
        tell
    }
}

/// Ways to a witness.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    /// Keeps its connection.
    lasting: Client,
    /// Makes a new one for each question.
    fresh: Client,
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

/// The clients for all witnesses of a configuration.
pub(super) fn clients(config: &WitnessConfig) -> Result<Clients, WitnessesError> {
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
    let client = |idle| {
        Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .connect_timeout(config.timeout)
            .pool_max_idle_per_host(idle)
            .build()
            .map_err(|error| failed(error.to_string()))
    };
    Ok(Clients {
        lasting: client(1)?,
        fresh: client(0)?,
    })
}

impl Asked {
    pub(super) fn new(
        position: usize,
        witness: &PolicyWitness,
        url: &str,
        origin: &str,
        clients: Clients,
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
            clients,
            timeout: config.timeout,
            stop_on_unproved: config.stop_on_unproved,
            state: Mutex::default(),
        })
    }

    /// Its name and why it gave nothing the last time; `None` when it did.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.state().failure.clone()?;
        Some(format!("{}: {failure}", self.name))
    }

    /// How often it said something against the log without showing anything for it, since this was asked last.
    pub(super) fn take_doubts(&self) -> u64 {
        std::mem::take(&mut self.state().doubts)
    }

    /// Asks it to cosign `held`, within the time that it may take. What would end the switch and might have been said by
    /// somebody on the way is asked again.
    pub(super) async fn ask(&self, log: &Log, held: &SignedCheckpoint) -> Outcome {
        match self.once(&self.clients.lasting, log, held).await {
            Outcome::Against(against) if !against.is_certain() => {
                self.again(log, held, against).await
            }
            outcome => outcome,
        }
    }

    async fn once(&self, client: &Client, log: &Log, held: &SignedCheckpoint) -> Outcome {
        let turns = tokio::time::timeout(self.timeout, self.turns(client, log, held)).await;
        let (outcome, failure) = match turns {
            Ok(Ok(Outcome::Useless)) => (Outcome::Useless, Some("it stands elsewhere".to_owned())),
            Ok(Ok(outcome)) => (outcome, None),
            Ok(Err(failure)) => (Outcome::Useless, Some(failure)),
            Err(_) => (Outcome::Useless, Some("no answer in time".to_owned())),
        };
        self.state().failure = failure;
        outcome
    }

    /// Asks on new connections whether `said` stands.
    async fn again(&self, log: &Log, held: &SignedCheckpoint, said: Against) -> Outcome {
        if self.state().doubt(Instant::now()) {
            tracing::error!(
                witness = %self.name,
                %said,
                "ALARM: something was said against this log in a witness's name and nothing shown for it; it is asked again"
            );
        }
        let mut last = said;
        for times in 2..=TIMES {
            tokio::time::sleep(PAUSE).await;
            match self.once(&self.clients.fresh, log, held).await {
                Outcome::Against(against) if against.is_certain() => {
                    return Outcome::Against(against);
                }
                Outcome::Against(against) if last.is_repeated_by(&against) => {
                    last = Against { times, ..against };
                }
                Outcome::Against(against) => last = against,
                outcome => {
                    tracing::error!(
                        witness = %self.name,
                        "asked again, the witness did not say it: look who speaks at its address"
                    );
                    return outcome;
                }
            }
        }
        if self.stop_on_unproved && last.times == TIMES {
            return Outcome::Against(last);
        }
        self.state().failure = Some(format!("it shows nothing for what it says: {last}"));
        Outcome::Useless
    }

    async fn turns(
        &self,
        client: &Client,
        log: &Log,
        held: &SignedCheckpoint,
    ) -> Result<Outcome, String> {
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
            let (status, body) = self.post(client, request.to_bytes()).await?;
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
                    let against = self.against(client, log, new, (size, false)).await;
                    return Ok(Outcome::Against(against));
                }
                // The proof was right: it was verified against our own tiles before it was sent.
                Heard::Contradicts => {
                    let against = self.against(client, log, new, (old, true)).await;
                    return Ok(Outcome::Against(against));
                }
                Heard::Useless(why) => return Err(why),
            }
        }
        Ok(Outcome::Useless)
    }

    /// What it says against the log, with whether it can show the log's own signature for it.
    async fn against(
        &self,
        client: &Client,
        log: &Log,
        held: TreeHead,
        (theirs, fork): (u64, bool),
    ) -> Against {
        // What it said counts also where it does not show anything in time.
        let shown = tokio::time::timeout(self.timeout / 2, self.shown(client, log.key()));
        let shown = shown.await.unwrap_or_default();
        Against {
            witness: self.name.clone(),
            theirs,
            ours: log.head().size(),
            fork,
            proven: match shown {
                Some(shown) => convicts(log, held, shown.head()).await,
                None => false,
            },
            secure: self.add_checkpoint.scheme() == "https",
            times: 1,
        }
    }

    /// The checkpoint that it cosigned last, if it shows one that the log's key signed.
    async fn shown(&self, client: &Client, key: &LogKey) -> Option<checkpoint::Checkpoint> {
        let response = client.get(self.cosigned.clone()).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let note = bounded(response).await.ok()?;
        checkpoint::open(&note, key).ok()
    }

    async fn post(&self, client: &Client, body: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
        let sent = client
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

/// Whether a tree that the log's key signed shows that the log was put back or written anew: it is longer than what is
/// durable, or `held`, whose tiles are written, does not begin with it.
async fn convicts(log: &Log, held: TreeHead, shown: TreeHead) -> bool {
    if shown.size > log.head().size() {
        return true;
    }
    let ours = log.extension(shown.size.min(held.size), held).await;
    ours.is_ok_and(|(ours, _)| ours.size == shown.size && ours.root != shown.root)
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
