//! `mohawel audit fetch`: an auditor's own copy of the log, brought up to date over the wire.
//!
//! Takes entries from the switch and believes none of them: the copy grows only to a checkpoint that the log's key
//! signed, that extends the copy's own, and whose root the entries make. The switch records the reading first. Time-stamps
//! come with it; of a log that was pruned what is left comes, and what is missing is said.

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use audit::checkpoint::{self, Checkpoint, SUCCESSIONS_FILE};
use audit::clock::Clock;
use audit::log_key::successions_text;
use audit::tiles::pruned::write_minimum;
use audit::tiles::published::{publish, read_published};
use audit::tiles::{TileError, TileStore, TileWriter, durable};
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

mod gone;
mod times;

/// Entries on their way from the switch to the files.
const UNDER_WAY: usize = 1_024;

/// What a run did.
#[derive(Debug, Default)]
struct Done {
    /// Entries that came, kept ones of pruned bundles among them.
    fetched: u64,
    /// Below this index the switch no longer has all entries, and neither has the copy.
    minimum: u64,
    /// Entries below it that are not there.
    missing: u64,
    /// Time-stamps that came.
    times: u64,
}

/// Runs the command.
///
/// # Errors
/// What the switch refuses, that it cannot be reached, or that it shows another log than the copy holds.
pub(super) async fn run(fetch: Fetch, output: Output) -> Result<(), Failure> {
    let person = Person::open(&fetch.person, None, &Clock::System)?;
    let mut log = LogClient::new(person.channel()?);
    let have = have(&fetch.to, &person)?;
    let old = have.as_ref().map_or_else(TreeHead::empty, Checkpoint::head);
    let (note, new, minimum) = published(&mut log, &person).await?;
    extends(&mut log, old, &new).await?;
    let mut done = Done::default();
    if new.size > old.size {
        let gap = gone::gap(minimum, old.size, new.size)?;
        let bar = output.progress(new.size - old.size, "fetching", "جارٍ النسخ");
        done = grow(&mut log, &fetch, (old, new.head()), gap, &bar).await?;
        bar.finish_and_clear();
        keep(&fetch.to, have.map(|_| old), &note, &person)?;
    }
    // After the checkpoint: a token over more than the copy has would accuse it of having lost entries.
    done.times = times::bring(&mut log, &fetch.to, &new, &person.log_key, output).await?;
    tell(&fetch.to, old.size, &new, &done, output)
}

fn tell(
    to: &Path,
    from: u64,
    new: &Checkpoint,
    done: &Done,
    output: Output,
) -> Result<(), Failure> {
    let value = json!({
        "log": to.display().to_string(),
        "origin": new.origin,
        "from": from,
        "size": new.size,
        "root": new.root.to_string(),
        "fetched": done.fetched,
        "minimum_index": done.minimum,
        "missing": done.missing,
        "time_stamps": done.times,
    });
    output.show(&value, || {
        output.line(format!(
            "{}: {} {} ({} {})",
            to.display(),
            new.size,
            output.say("entries", "قيد"),
            output.say("new:", "الجديد:"),
            done.fetched
        ));
        if done.missing > 0 {
            output.line(format!(
                "{}: {} ({} {})",
                output.say(
                    "pruned at the switch, and not in this copy; registry entries and all hashes are",
                    "شُذّبت لدى المحوِّل وليست في هذه النسخة، وفيها قيود السجل التعريفي وكل قيم التجزئة"
                ),
                done.missing,
                output.say("below entry", "قبل القيد"),
                done.minimum
            ));
        }
        output.line(format!("{}: {}", output.say("root", "الجذر"), new.root));
        output.line(format!(
            "{}: {}",
            output.say("new time-stamps", "الأختام الزمنية الجديدة"),
            done.times
        ));
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

/// The newest checkpoint, and the minimum index.
async fn published(
    log: &mut LogClient<Channel>,
    person: &Person,
) -> Result<(Bytes, Checkpoint, u64), Failure> {
    let response = log.checkpoint(wire::CheckpointRequest {}).await;
    let response = response.map_err(|status| refused::failure(&status))?;
    let response = response.into_inner();
    let followed = person.log_key.follow_entries(&response.log_keys);
    followed.map_err(Failure::untrusted)?;
    let note = response.checkpoint;
    let checkpoint = checkpoint::open(&note, &person.log_key).map_err(Failure::untrusted)?;
    Ok((note, checkpoint, response.minimum_index))
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

/// Entries as they come, of which one may be looked at before it is taken.
struct Incoming {
    stream: tonic::Streaming<wire::EntriesResponse>,
    next: Option<wire::EntriesResponse>,
}

impl Incoming {
    /// The next entry, if its index lies below `end`; `None` also where there are no more.
    ///
    /// # Errors
    /// The stream broke.
    async fn below(&mut self, end: u64) -> Result<Option<wire::EntriesResponse>, Failure> {
        if self.next.is_none() {
            let message = self.stream.message().await;
            self.next = message.map_err(|status| refused::failure(&status))?;
        }
        Ok(self.next.take_if(|message| message.index < end))
    }
}

/// Writes what lies between both heads, of which the first `gap` entries are gone: full tiles and bundles as they come,
/// the rest once the root is right.
async fn grow(
    log: &mut LogClient<Channel>,
    fetch: &Fetch,
    (old, new): (TreeHead, TreeHead),
    gap: u64,
    bar: &ProgressBar,
) -> Result<Done, Failure> {
    durable::create_dirs(&fetch.to).map_err(Failure::unavailable)?;
    let request = wire::EntriesRequest {
        from: old.size,
        to: new.size,
        reason: fetch.reason.clone(),
    };
    let response = log.entries(request).await;
    let stream = response
        .map_err(|status| refused::failure(&status))?
        .into_inner();
    let mut incoming = Incoming { stream, next: None };
    let mut writer = TileStore::new(&fetch.to).writer();
    // What an interrupted fetch wrote and no checkpoint covers may be replaced.
    writer.replace_unpublished(true);
    let (mut from, mut kept) = (old, 0);
    if gap > 0 {
        (from, writer, kept) = gone::begin(log, &mut incoming, writer, gap, bar).await?;
    }
    entries(&mut incoming, writer, (from, new), bar).await?;
    if gap > 0 {
        write_minimum(&fetch.to, gap).map_err(Failure::unavailable)?;
    }
    Ok(Done {
        fetched: new.size - from.size + kept,
        minimum: gap,
        missing: gap - kept,
        times: 0,
    })
}

/// Writes the entries from one head to the other.
async fn entries(
    incoming: &mut Incoming,
    mut writer: TileWriter,
    (old, new): (TreeHead, TreeHead),
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let (sender, entries) = mpsc::sync_channel::<Result<Bytes, TileError>>(UNDER_WAY);
    let writing = tokio::task::spawn_blocking(move || writer.write_for(old, new, entries));
    let mut next = old.size;
    let mut broken = None;
    while next < new.size {
        match incoming.below(new.size).await {
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
            Err(failure) => {
                broken = Some(failure);
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
    let followed = person.log_key.entries();
    if !followed.is_empty() {
        let text = successions_text(&followed);
        durable::write_file(&dir.join(SUCCESSIONS_FILE), text.as_bytes())
            .map_err(Failure::unavailable)?;
    }
    let size = checkpoint::read_unverified(note).map_or(0, |checkpoint| checkpoint.size);
    publish(dir, expected, note).map_err(Failure::unavailable)?;
    let old = expected.map_or(0, |head| head.size);
    let superseded = TileStore::new(dir).writer().remove_superseded(old, size);
    superseded.map_err(Failure::unavailable)
}

#[cfg(test)]
mod tests;
