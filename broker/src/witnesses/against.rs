//! What a witness holds against the log, and how sure it is that it does.
//!
//! The answer to `add-checkpoint` is not signed: over plain HTTP whoever stands on the way can give it. A checkpoint with the
//! log's own signature that the log does not extend convicts whoever brings it; what is said over TLS is said by whom the
//! certificate names. Anything else is asked again on connections of their own, and what becomes of it then is the
//! configuration's to say.

use std::fmt;

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
    /// Whether it showed a checkpoint with the log's own signature that this log does not extend.
    pub proven: bool,
    /// Whether it said so over TLS.
    pub secure: bool,
    /// On how many connections it said so.
    pub times: u32,
}

impl Against {
    /// Whether nobody on the way can have said it.
    pub fn is_certain(&self) -> bool {
        self.proven || self.secure
    }

    /// Whether `again` is the same complaint. Sizes may have grown meanwhile.
    pub(super) fn is_repeated_by(&self, again: &Self) -> bool {
        self.fork == again.fork
    }
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
        match (self.proven, self.secure, self.times) {
            (true, ..) => write!(f, ". It shows a checkpoint with this log's own signature")?,
            (false, true, _) => {
                write!(f, ". It shows no checkpoint for that, and said so over TLS")?
            }
            (false, false, times) => write!(
                f,
                ". It shows no checkpoint for that, and said so {times} times over plain HTTP: whoever can speak in its name on \
                 this network could say the same"
            )?,
        }
        write!(
            f,
            ". Do not go on from here: bring back the newest tail/, store/ and tile/ together, and see \
             \"When a witness is ahead\" in docs/operating.md"
        )
    }
}
