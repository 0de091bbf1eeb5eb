//! The log's side of `add-checkpoint`: what a witness's answer means.
//!
//! Takes status and body as they came; gives a verified cosignature, or what the witness holds against the log. No HTTP and
//! no waiting here. An answer is believed no further than it goes: a cosignature is verified, a size only says where to
//! look.

use crate::cosignature::WitnessKey;
use crate::note::{NOTE_SIGNATURES_MAX, NoteSignature};

use super::request::number;

/// Bytes of an answer that are read at most: as many signature lines as a note may have, some of them post-quantum.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a witness said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Its cosignature, verified, and the Unix seconds in it.
    Cosigned {
        /// The line.
        line: NoteSignature,
        /// Its time.
        time_s: u64,
    },
    /// It cosigned another size last. Smaller than the log: ask again with a proof from there. Larger: the log went back.
    Elsewhere {
        /// That size.
        size: u64,
    },
    /// It says that the checkpoint does not extend what it cosigned. If the proof was right, it holds another history
    /// under the same key.
    Contradicts,
    /// It answers, and not as a witness of this log: not configured for it, broken, or somebody else.
    Useless(String),
}

/// Reads the answer of the witness `key` to the checkpoint `text`, asked with `old` for a tree of `size` entries.
pub fn hear(
    key: &WitnessKey,
    text: &str,
    (old, size): (u64, u64),
    status: u16,
    body: &[u8],
) -> Heard {
    match status {
        200 => cosignature(key, text, body),
        // Where the tree is another one of the same size, earlier versions of the protocol said so with 409.
        409 => match size_of(body) {
            Some(at) if at == old && old == size => Heard::Contradicts,
            Some(at) if at != old => Heard::Elsewhere { size: at },
            Some(_) => Heard::Useless("409 for the size that it was asked with".into()),
            None => Heard::Useless("409 without a size".into()),
        },
        // From the empty tree there is nothing to contradict.
        422 if old > 0 => Heard::Contradicts,
        _ => Heard::Useless(format!("{status} {}", sentence(body))),
    }
}

fn cosignature(key: &WitnessKey, text: &str, body: &[u8]) -> Heard {
    let Ok(body) = std::str::from_utf8(body) else {
        return Heard::Useless("200 with something that is not text".into());
    };
    let lines = body.lines().take(NOTE_SIGNATURES_MAX);
    let own = lines
        .filter_map(|line| NoteSignature::parse(line).ok())
        .find(|line| key.made(line));
    let Some(line) = own else {
        return Heard::Useless(format!("200 without a cosignature by {}", key.name()));
    };
    match key.verify(text, &line) {
        Ok(time_s) => Heard::Cosigned { line, time_s },
        Err(error) => Heard::Useless(error.to_string()),
    }
}

fn size_of(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    number(text.strip_suffix('\n').unwrap_or(text))
}

/// What an unknown server says is short and printable in our own log.
fn sentence(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let line = text.lines().next().unwrap_or_default();
    line.chars()
        .take(120)
        .collect::<String>()
        .escape_debug()
        .to_string()
}
