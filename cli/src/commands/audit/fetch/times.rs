//! Time-stamps, brought to the copy: each published checkpoint that an authority stamped, with its answers.
//!
//! Takes them over the wire; keeps those over a checkpoint that the log's key signed and that the copy covers. Whether they
//! are of this very history, and what an authority's answer is worth, `audit time` says with the authority's root. Never
//! writes over a first answer that is here: it was told so before.

use std::path::Path;

use audit::checkpoint::{self, Checkpoint, LogKey};
use audit::timestamp::kept::{self, RESPONSE_BYTES_MAX};
use proto::wire::audit::v1 as wire;
use proto::wire::audit::v1::log_client::LogClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::commands::refused;
use crate::failure::Failure;
use crate::output::Output;

/// Brings what the copy in `dir`, which ends with `published`, lacks. Gives how many came.
///
/// # Errors
/// What the switch refuses or gives wrong, or a file that cannot be written.
pub(super) async fn bring(
    log: &mut LogClient<Channel>,
    dir: &Path,
    published: &Checkpoint,
    key: &LogKey,
    output: Output,
) -> Result<u64, Failure> {
    let held = kept::sizes(dir).map_err(Failure::unavailable)?;
    let request = wire::TimesRequest {
        // The newest one that is here may have been stamped again.
        from_size: held.last().copied().unwrap_or(0),
        to_size: published.size,
    };
    let response = match log.times(request).await {
        Ok(response) => response,
        Err(status) if status.code() == Code::Unimplemented => {
            output.note(output.say(
                "The switch is older than this program and gives no time-stamps; copy time/ from its folder.",
                "إصدار المحوِّل أقدم من هذا البرنامج ولا يعطي الأختام الزمنية؛ انسخ ‎time/‎ من مجلده.",
            ));
            return Ok(0);
        }
        Err(status) => return Err(refused::failure(&status)),
    };
    let mut stream = response.into_inner();
    let mut came = 0;
    let mut last = None;
    loop {
        let message = stream.message().await;
        let Some(message) = message.map_err(|status| refused::failure(&status))? else {
            return Ok(came);
        };
        // Rising, so that it ends.
        if last.is_some_and(|last| message.size <= last) {
            return Err(wrong(message.size, "it does not come in order"));
        }
        last = Some(message.size);
        came += u64::from(keep(dir, published, key, &message)?);
    }
}

/// Keeps one; `false` where it is here already.
fn keep(
    dir: &Path,
    published: &Checkpoint,
    key: &LogKey,
    message: &wire::TimesResponse,
) -> Result<bool, Failure> {
    let size = message.size;
    let note = checkpoint::open(&message.checkpoint, key).map_err(|error| wrong(size, error))?;
    if note.size != size || size > published.size {
        return Err(wrong(size, format!("it is over {} entries", note.size)));
    }
    for token in [&message.token, &message.last_token] {
        if token.len() > RESPONSE_BYTES_MAX {
            return Err(wrong(size, "an answer is too long"));
        }
    }
    if message.token.is_empty() {
        return Err(wrong(size, "there is no answer"));
    }
    let here = kept::read(dir, size).map_err(Failure::unavailable)?;
    let mut came = false;
    if here.is_none() {
        kept::keep(dir, size, &message.checkpoint, &message.token).map_err(Failure::unavailable)?;
        came = true;
    }
    let again = here.and_then(|here| here.last).unwrap_or_default();
    if !message.last_token.is_empty() && message.last_token != again {
        kept::keep_again(dir, size, &message.last_token).map_err(Failure::unavailable)?;
        came = true;
    }
    Ok(came)
}

fn wrong(size: u64, why: impl std::fmt::Display) -> Failure {
    Failure::untrusted(format!("the time-stamp of {size} entries: {why}"))
}
