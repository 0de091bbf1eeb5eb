//! Alarms: about authority keys that operators begin to replace, and about keys that the log binds to the own agency
//! although this home neither made them nor was told of them.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@bound`] | what the log binds to an agency |
//! | [`book`] | the home's alarm book, which outlives the process |
//!
//! Of a replacement: for 72 hours the agency can object; nobody else can do it for it. So its own adapters say it as an error, those of
//! other agencies as a warning: whoever asks that agency should know that its key is about to change.

use std::collections::BTreeSet;

use std::path::Path;
use std::time::Duration;

use audit::clock::Clock;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::AgencyId;
use proto::key::Signer as _;
use proto::registry::Registry;

use crate::identity::{FileSigner, Home};
use crate::mirror::Mirror;

pub mod book;
pub mod bound;

use book::{Book, BookError};
use bound::{Bound, What, bound, by_act};

/// How long after a change of the registry the keys are looked at: an act of this home itself is written down first.
const SETTLE: Duration = Duration::from_secs(1);

/// A replacement that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Whose authority key.
    pub agency: AgencyId,
    /// SHA-256 of the operators' act: what an objection names.
    pub act: Digest,
    /// Unix time, milliseconds, from which the new key counts.
    pub due_at_ms: u64,
}

/// Replacements that are under way in `registry`, those of `own` first.
pub fn alarms(registry: &Registry, own: &AgencyId) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = registry
        .agencies()
        .filter_map(|agency| {
            let replacement = agency.replacement.as_ref()?;
            Some(Alarm {
                agency: agency.id.clone(),
                act: replacement.act,
                due_at_ms: replacement.due_at_ms,
            })
        })
        .collect();
    alarms.sort_by_key(|alarm| alarm.agency != *own);
    alarms
}

/// Says each replacement once, as long as the adapter runs.
pub(crate) async fn watch(mirror: Mirror, own: AgencyId) {
    let mut told = BTreeSet::new();
    let mut sizes = mirror.sizes();
    loop {
        for alarm in alarms(&mirror.snapshot(), &own) {
            if !told.insert(alarm.act) {
                continue;
            }
            let (agency, act, due_at_ms) = (&alarm.agency, alarm.act, alarm.due_at_ms);
            if *agency == own {
                tracing::error!(%agency, %act, due_at_ms, "operators replace this agency's authority key: object with `mohawel agency object` if it is not lost");
            } else {
                tracing::warn!(%agency, %act, due_at_ms, "operators replace an agency's authority key");
            }
        }
        if sizes.changed().await.is_err() {
            return;
        }
    }
}

/// Raises an alarm for everything that `registry` binds to the home's agency and that nobody here knows of, and gives
/// those that are new.
///
/// Known are the keys in this home and those that they followed, the fingerprints in its settings (`expected_keys`), and
/// those in its alarm book. The first authority key that a home sees is taken as it is: it was compared by telephone when
/// the agency enrolled.
///
/// # Errors
/// [`BookError`].
pub fn look(home: &Home, registry: &Registry, now_ms: u64) -> Result<Vec<Bound>, BookError> {
    let book = Book::read(home.dir())?;
    let own = own(home, registry);
    let mut raised = Vec::new();
    for bound in bound(registry, &home.system().agency()) {
        let print = &bound.fingerprint;
        let expected = &home.config().expected_keys;
        if own.contains(print)
            || expected.contains(print)
            || book.knows(print)
            || book.has_raised(print)
        {
            continue;
        }
        if bound.what == What::AuthorityKey && bound.index.is_none() && !book.has_authority() {
            book::take_authority(home.dir(), print, now_ms)?;
            continue;
        }
        book::raise(home.dir(), &bound, now_ms)?;
        raised.push(bound);
    }
    Ok(raised)
}

/// Writes down what an act of this agency is about to bind, before it is sent: no alarm is raised over it.
///
/// # Errors
/// [`BookError`].
pub fn expect(dir: &Path, kind: Kind, header: &[u8], now_ms: u64) -> Result<(), BookError> {
    match by_act(kind, header) {
        Some(print) => book::know(dir, &print, now_ms),
        None => Ok(()),
    }
}

/// Two adapters of one agency get to know each other: each home writes down the other's keys, and the newer one what the
/// older one knows.
///
/// # Errors
/// [`BookError`].
pub fn introduce(older: &Home, newer: &Home, now_ms: u64) -> Result<(), BookError> {
    let none = Registry::empty();
    let known = Book::read(older.dir())?;
    for print in own(older, &none).iter().chain(known.known()) {
        book::know(newer.dir(), print, now_ms)?;
    }
    for print in own(newer, &none) {
        book::know(older.dir(), &print, now_ms)?;
    }
    Ok(())
}

/// Fingerprints of this home's own keys, and of those that they followed.
fn own(home: &Home, registry: &Registry) -> BTreeSet<Digest> {
    let mut own = BTreeSet::new();
    let seal_key = home.path(&home.config().files.seal_key);
    let mut next = seal_key.clone().into_os_string();
    next.push(".next");
    let files = [seal_key, next.into()];
    let signers = files.iter().filter_map(|path| FileSigner::load(path).ok());
    let kids = signers.map(|signer| signer.key().kid());
    for kid in kids.chain([home.signer().key().kid()]) {
        let mut kid = Some(kid);
        // Each key follows at most one, and none itself.
        while let Some(found) = kid.filter(|kid| own.insert(*kid)) {
            kid = registry.key(&found).and_then(|key| key.follows);
        }
    }
    let identity = home.identity().current();
    let shown = identity.chain().first();
    let peer = shown.and_then(|leaf| certs::PeerIdentity::from_pinned_certificate(leaf).ok());
    if let Some((peer, ..)) = peer {
        own.extend([Digest(peer.cert_sha256), Digest(peer.key_sha256)]);
    }
    own
}

/// Looks whenever the registry moves, as long as the adapter runs; says each alarm once.
pub(crate) async fn watch_keys(mirror: Mirror, home: Home, clock: Clock) {
    let mut sizes = mirror.sizes();
    loop {
        if sizes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(SETTLE).await;
        let (registry, home, now_ms) = (mirror.snapshot(), home.clone(), clock.now_ms());
        // On a blocking thread: it reads and writes the home.
        let looked = tokio::task::spawn_blocking(move || look(&home, &registry, now_ms)).await;
        match looked {
            Ok(Ok(raised)) => raised.iter().for_each(say),
            Ok(Err(error)) => tracing::error!(%error, "alarms about keys cannot be kept"),
            Err(error) => tracing::error!(%error, "alarms about keys were not looked for"),
        }
    }
}

fn say(bound: &Bound) {
    tracing::error!(what = bound.what.name(), subject = bound.subject, fingerprint = %bound.fingerprint, index = bound.index,
        "ALARM: the log binds this to your agency, and this home neither made it nor was told of it; ask your administrators, then `mohawel adapter alarms`");
}
