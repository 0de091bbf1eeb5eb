//! The beginning of a log that was pruned: hash tiles and registry entries in the place of what is gone.
//!
//! Takes them over the wire, bundle by bundle; writes what the tiles name. Nothing is proved by that yet: the entries
//! behind it and these hashes must make the root that the log's key signed, or no checkpoint is kept.

use std::sync::mpsc;
use std::time::Duration;

use audit::tiles::{GoneBundle, TILE_WIDTH, TileError, TileWriter};
use audit::tree::TreeHead;
use indicatif::ProgressBar;
use proto::digest::Digest;
use proto::wire::audit::v1 as wire;
use proto::wire::audit::v1::log_client::LogClient;
use tonic::Code;
use tonic::transport::Channel;

use super::Incoming;
use crate::commands::refused;
use crate::failure::{Exit, Failure};

/// Bundles on their way from the switch to the files.
const UNDER_WAY: usize = 16;
/// How often a tile is asked for while the switch is busy.
const ATTEMPTS: u32 = 20;
/// Before it is asked for again; longer each time.
const PAUSE: Duration = Duration::from_millis(20);

/// What the switch says was pruned, if this copy of `have` entries can go on over it.
///
/// # Errors
/// A minimum index that cannot be one; a copy that ends inside of what is gone.
pub(super) fn gap(minimum: u64, have: u64, size: u64) -> Result<u64, Failure> {
    if minimum >= size && minimum > 0 || !minimum.is_multiple_of(u64::from(TILE_WIDTH)) {
        return Err(Failure::untrusted(format!(
            "the switch says that entries below {minimum} of {size} were pruned, which cannot be"
        )));
    }
    if have >= minimum {
        // All that this copy lacks is there.
        return Ok(0);
    }
    if have > 0 {
        return Err(Failure::new(
            Exit::Found,
            [
                format!(
                    "The switch no longer has entries {have} to {} which this copy lacks: they were pruned. The log that it \
                     shows extends this copy, which stays as it is.",
                    minimum - 1
                ),
                format!(
                    "لم تعد لدى المحوِّل القيود من {have} إلى {} الناقصة في هذه النسخة، فقد شُذّبت. والسجل الذي يعرضه امتداد لهذه \
                     النسخة، وتبقى كما هي.",
                    minimum - 1
                ),
            ],
            [
                "Keep this folder and fetch into a new one with --to: it begins behind what is gone. Another auditor's copy, or a backup, may have the rest.",
                "احتفظ بهذا المجلد وانسخ إلى مجلد جديد بـ ‎--to‎ فيبدأ بعد ما ذهب. وقد يوجد الباقي في نسخة مدقق آخر أو نسخة احتياطية.",
            ],
        ));
    }
    Ok(minimum)
}

/// Writes what stands in the place of the first `minimum` entries. Gives the tree over them, the writer that goes on from
/// there, and how many entries were kept.
///
/// # Errors
/// What the switch refuses, or gives wrong.
pub(super) async fn begin(
    log: &mut LogClient<Channel>,
    incoming: &mut Incoming,
    mut writer: TileWriter,
    minimum: u64,
    bar: &ProgressBar,
) -> Result<(TreeHead, TileWriter, u64), Failure> {
    let (sender, bundles) = mpsc::sync_channel::<Result<GoneBundle, TileError>>(UNDER_WAY);
    let writing = tokio::task::spawn_blocking(move || {
        let head = writer.write_gone(bundles)?;
        Ok::<_, TileError>((head, writer))
    });
    let width = u64::from(TILE_WIDTH);
    let mut kept = 0;
    let mut broken = None;
    for number in 0..minimum / width {
        let bundle = match bundle(log, incoming, number).await {
            Ok(bundle) => bundle,
            Err(failure) => {
                broken = Some(failure);
                break;
            }
        };
        kept += bundle.kept.len() as u64;
        bar.inc(width);
        // A writer that stopped says why below.
        if tokio::task::block_in_place(|| sender.send(Ok(bundle))).is_err() {
            break;
        }
    }
    drop(sender);
    let written = writing.await.map_err(Failure::unavailable)?;
    match (broken, written) {
        (Some(failure), _) => Err(failure),
        (None, Err(error @ TileError::Malformed { .. })) => Err(Failure::untrusted(format!(
            "what the switch gave in the place of pruned entries does not fit together: {error}"
        ))),
        (None, Err(error)) => Err(Failure::unavailable(error)),
        (None, Ok((head, writer))) => Ok((head, writer, kept)),
    }
}

/// One tile of leaf hashes, with the entries that were kept of it.
async fn bundle(
    log: &mut LogClient<Channel>,
    incoming: &mut Incoming,
    number: u64,
) -> Result<GoneBundle, Failure> {
    let request = wire::TileRequest {
        level: 0,
        index: number,
        width: u32::from(TILE_WIDTH),
    };
    let mut attempt = 0;
    let response = loop {
        match log.tile(request).await {
            Ok(response) => break response.into_inner(),
            // Others are served, too.
            Err(status) if status.code() == Code::ResourceExhausted && attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(PAUSE * attempt).await;
            }
            Err(status) => return Err(refused::failure(&status)),
        }
    };
    let hashes = response.hashes.chunks_exact(32);
    let hashes = hashes.filter_map(Digest::from_slice).collect();
    let end = (number + 1) * u64::from(TILE_WIDTH);
    let mut kept = Vec::new();
    while let Some(message) = incoming.below(end).await? {
        kept.push((message.index, message.entry));
    }
    Ok(GoneBundle { hashes, kept })
}
