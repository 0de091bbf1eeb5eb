//! What a witness answers: the status and body of C2SP tlog-witness, and what its operator is told.

use crate::note::NoteSignature;

/// An HTTP answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body: cosignature lines, a size, or a sentence.
    pub body: Vec<u8>,
    /// What happened, for the witness's operator.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Cosigned.
    Cosigned {
        /// The log.
        origin: String,
        /// Entries in the tree.
        size: u64,
        /// Seconds that this machine's clock lies behind the time that was signed: 0, or somebody must look at the clock.
        behind_s: u64,
    },
    /// The log believes the witness to be at another size.
    Elsewhere {
        /// The log.
        origin: String,
        /// What the witness cosigned last.
        size: u64,
        /// What was submitted. Smaller than `size` again and again: the log went back.
        submitted: u64,
    },
    /// A signed checkpoint that does not extend what was cosigned, or was not proved to.
    Inconsistent {
        /// The log.
        origin: String,
        /// What the witness cosigned last.
        size: u64,
        /// What was submitted. The same size: the log's key signed two trees.
        submitted: u64,
        /// Whether the request was kept as evidence; not where it is kept already, or there is no room.
        kept: bool,
    },
    /// Not for this witness, or not in form: nothing that the log's key vouches for.
    Refused(String),
    /// The witness itself could not.
    Failed(String),
}

const TEXT: &str = "text/plain; charset=utf-8";
const SIZE: &str = "text/x.tlog.size";

impl Answer {
    fn said(status: u16, sentence: &str, event: Event) -> Self {
        Self {
            status,
            content_type: TEXT,
            body: format!("{sentence}\n").into_bytes(),
            event,
        }
    }

    fn refused(status: u16, sentence: &str) -> Self {
        Self::said(status, sentence, Event::Refused(sentence.to_owned()))
    }

    pub(super) fn malformed(what: &str) -> Self {
        Self::refused(400, what)
    }

    pub(super) fn unknown_log(origin: &str) -> Self {
        let shown: String = origin.chars().take(80).collect();
        Self::refused(404, &format!("{shown} is not a log of this witness"))
    }

    pub(super) fn not_signed(origin: &str, error: &str) -> Self {
        Self::refused(403, &format!("{origin}: {error}"))
    }

    pub(super) fn elsewhere(origin: &str, size: u64, submitted: u64) -> Self {
        Self {
            status: 409,
            content_type: SIZE,
            body: format!("{size}\n").into_bytes(),
            event: Event::Elsewhere {
                origin: origin.to_owned(),
                size,
                submitted,
            },
        }
    }

    pub(super) fn inconsistent(origin: &str, size: u64, submitted: u64) -> Self {
        let sentence = format!(
            "the proof does not lead from the {size} entries that this witness cosigned to the {submitted} submitted"
        );
        let event = Event::Inconsistent {
            origin: origin.to_owned(),
            size,
            submitted,
            kept: false,
        };
        Self::said(422, &sentence, event)
    }

    pub(super) fn cosigned(
        origin: &str,
        size: u64,
        time_s: u64,
        now_s: u64,
        line: &NoteSignature,
    ) -> Self {
        Self {
            status: 200,
            content_type: TEXT,
            body: format!("{line}\n").into_bytes(),
            event: Event::Cosigned {
                origin: origin.to_owned(),
                size,
                behind_s: time_s.saturating_sub(now_s),
            },
        }
    }

    pub(super) fn failed(origin: &str, error: &str) -> Self {
        // What broke is for the operator, not for strangers.
        let event = Event::Failed(format!("{origin}: {error}"));
        Self::said(500, "this witness cannot sign now", event)
    }
}
