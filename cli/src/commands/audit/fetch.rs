//! `mohawel audit fetch`: an auditor's own copy of the log, brought up to date over the wire.
//!
//! Takes entries from the switch and believes none of them: the copy grows only to a checkpoint that the log's key
//! signed, that extends the copy's own, and whose root the entries make. The switch records the reading first.

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use audit::checkpoint::{self, Checkpoint};
use audit::clock::Clock;
use audit::tiles::published::{publish, read_published};
use audit::tiles::{TileError, TileStore, durable};
use audit::tree::{TreeHead, verify_consistency};
use audit::verify::VKEY_FILE;
use bytes::Bytes;
use indicatif::ProgressBar;
use proto::digest::Digest;
use proto::wire::audit::v1 as wire;
use proto::wire::audit::v1::log_client::LogClient;
use serde_json::json;
use tonic::transport::Channel;

use crate::args::Fetch;
use crate::commands::person::Person;
use crate::commands::refused;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Entries on their way from the switch to the files.
const UNDER_WAY: usize = 1_024;

/// Runs the command.
///
/// # Errors
/// What the switch refuses, that it cannot be reached, or that it shows another log than the copy holds.
pub(super) async fn run(fetch: Fetch, output: Output) -> Result<(), Failure> {
    let person = Person::open(&fetch.person, None, &Clock::System)?;
    let mut log = LogClient::new(person.channel()?);
    let have = have(&fetch.to, &person)?;
    let old = have.as_ref().map_or_else(TreeHead::empty, Checkpoint::head);
    let (note, new) = published(&mut log, &person).await?;
    extends(&mut log, old, &new).await?;
    if new.size > old.size {
        let bar = output.progress(new.size - old.size, "fetching", "جارٍ النسخ");
        grow(&mut log, &fetch, (old, new.head()), &bar).await?;
        bar.finish_and_clear();
        keep(&fetch.to, have.map(|_| old), &note, &person)?;
    }
    let value = json!({
        "log": fetch.to.display().to_string(),
        "origin": new.origin,
        "from": old.size,
        "size": new.size,
        "root": new.root.to_string(),
        "fetched": new.size.saturating_sub(old.size),
    });
    output.show(&value, || {
        let fetched = new.size.saturating_sub(old.size);
        output.line(format!(
            "{}: {} {} ({} {fetched})",
            fetch.to.display(),
            new.size,
            output.say("entries", "قيد"),
            output.say("new:", "الجديد:")
        ));
        output.line(format!("{}: {}", output.say("root", "الجذر"), new.root));
    })
}

/// What the copy holds already; a folder that is something else is refused.
fn have(dir: &Path, person: &Person) -> Result<Option<Checkpoint>, Failure> {
    let Some(published) = read_published(dir).map_err(Failure::usage)? else {
        return match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
            // What an interrupted fetch left is taken up again.
            Ok(true) if !dir.join("tile").is_dir() => Err(Failure::usage(format!(
                "{} is not empty and no copy of a log; name another folder",
                dir.display()
            ))),
            _ => Ok(None),
        };
    };
    checkpoint::open(&published.note, &person.log_key)
        .map(Some)
        .map_err(|error| Failure::untrusted(format!("{}: {error}", dir.display())))
}

async fn published(
    log: &mut LogClient<Channel>,
    person: &Person,
) -> Result<(Bytes, Checkpoint), Failure> {
    let response = log.checkpoint(wire::CheckpointRequest {}).await;
    let response = response.map_err(|status| refused::failure(&status))?;
    let note = response.into_inner().checkpoint;
    let checkpoint = checkpoint::open(&note, &person.log_key).map_err(Failure::untrusted)?;
    Ok((note, checkpoint))
}

/// Whether the switch's log begins with the copy.
async fn extends(
    log: &mut LogClient<Channel>,
    old: TreeHead,
    new: &Checkpoint,
) -> Result<(), Failure> {
    if new.size < old.size {
        return Err(convicted(format!(
            "the switch signed a checkpoint over {} entries, and this copy holds {} under its signature",
            new.size, old.size
        )));
    }
    let proof = if old.size == 0 || old.size == new.size {
        Vec::new()
    } else {
        let request = wire::ConsistencyRequest {
            from_sizes: vec![old.size],
            to_size: new.size,
        };
        let response = log.consistency(request).await;
        let response = response.map_err(|status| refused::failure(&status))?;
        let proofs = response.into_inner().proofs;
        let hashes = proofs.first().map(|proof| &proof.hashes[..]);
        let hashes = hashes.unwrap_or_default().iter();
        hashes
            .map(|hash| Digest::from_slice(hash))
            .collect::<Option<_>>()
            .unwrap_or_default()
    };
    verify_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(|_| {
        convicted(format!(
            "the switch's log of {} entries does not extend the {} of this copy, and it signed both",
            new.size, old.size
        ))
    })
}

/// The operator's own signatures stand against each other.
fn convicted(what: String) -> Failure {
    Failure::new(
        Exit::Untrusted,
        [
            format!("Two histories under one key: {what}."),
            format!("سجلان مختلفان بمفتاح واحد: {what}."),
        ],
        [
            "Keep this copy and its checkpoint file as they are, and compare with other auditors and with the agencies' receipts.",
            "احتفظ بهذه النسخة وبملف نقطة التحقق فيها كما هما، وقارن مع بقية المدققين ومع إيصالات الجهات.",
        ],
    )
}

/// Writes what lies between both heads: full tiles and bundles as they come, the rest once the root is right.
async fn grow(
    log: &mut LogClient<Channel>,
    fetch: &Fetch,
    (old, new): (TreeHead, TreeHead),
    bar: &ProgressBar,
) -> Result<(), Failure> {
    durable::create_dirs(&fetch.to).map_err(Failure::unavailable)?;
    let request = wire::EntriesRequest {
        from: old.size,
        to: new.size,
        reason: fetch.reason.clone(),
    };
    let response = log.entries(request).await;
    let mut stream = response
        .map_err(|status| refused::failure(&status))?
        .into_inner();
    let (sender, entries) = mpsc::sync_channel::<Result<Bytes, TileError>>(UNDER_WAY);
    let store = TileStore::new(&fetch.to);
    let writing = tokio::task::spawn_blocking(move || {
        let mut writer = store.writer();
        // What an interrupted fetch wrote and no checkpoint covers may be replaced.
        writer.replace_unpublished(true);
        writer.write_for(old, new, entries)
    });
    let mut next = old.size;
    let mut broken = None;
    while next < new.size {
        match stream.message().await {
            Ok(Some(message)) if message.index == next => {
                next += 1;
                bar.inc(1);
                // A writer that stopped says why below.
                let sent = tokio::task::block_in_place(|| sender.send(Ok(message.entry)));
                if sent.is_err() {
                    break;
                }
            }
            Ok(Some(message)) => {
                broken = Some(Failure::untrusted(format!(
                    "entry {next} was due, {} came",
                    message.index
                )));
                break;
            }
            Ok(None) => {
                broken = Some(Failure::unavailable(format!(
                    "the switch stopped at entry {next} of {}; run the command again",
                    new.size
                )));
                break;
            }
            Err(status) => {
                broken = Some(refused::failure(&status));
                break;
            }
        }
    }
    drop(sender);
    let written = writing.await.map_err(Failure::unavailable)?;
    match (broken, written) {
        (Some(failure), _) => Err(failure),
        (None, Err(error @ TileError::WrongRoot { .. })) => Err(Failure::untrusted(format!(
            "the entries that the switch gave are not those it signed for: {error}"
        ))),
        (None, Err(error)) => Err(Failure::unavailable(error)),
        (None, Ok(())) => Ok(()),
    }
}

/// Puts the checkpoint and the key beside the tiles.
fn keep(
    dir: &Path,
    expected: Option<TreeHead>,
    note: &[u8],
    person: &Person,
) -> Result<(), Failure> {
    let vkey = format!("{}\n", person.log_key.to_vkey());
    durable::write_file(&dir.join(VKEY_FILE), vkey.as_bytes()).map_err(Failure::unavailable)?;
    let size = checkpoint::read_unverified(note).map_or(0, |checkpoint| checkpoint.size);
    publish(dir, expected, note).map_err(Failure::unavailable)?;
    let old = expected.map_or(0, |head| head.size);
    let superseded = TileStore::new(dir).writer().remove_superseded(old, size);
    superseded.map_err(Failure::unavailable)
}

#[cfg(test)]
mod tests;
