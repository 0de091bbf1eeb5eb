//! Whom a checkpoint must be cosigned by: a C2SP tlog-policy file.
//!
//! Takes the file's bytes; gives logs, witnesses and the quorum, and judges the cosignatures under a checkpoint. Reading
//! is strict: what the specification does not allow is refused with its line, never passed over. Never fetches anything.

use thiserror::Error;

use crate::checkpoint::LogKey;
use crate::cosignature::WitnessKey;
use crate::note::SignedNote;

mod parse;
#[cfg(test)]
mod tests;

/// Bytes of a policy file at most.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;
/// Logs, witnesses and groups of a policy at most, each. The specification asks for 32; a signed note with that many
/// cosignatures stays within its own limit.
pub const POLICY_LINES_MAX: usize = 32;

/// A log that a policy accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its origin and key.
    pub key: LogKey,
    /// Where it is reached, if the policy says so.
    pub url: Option<String>,
}

/// A witness that a policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name in the policy; octets that are not UTF-8 are shown as such.
    pub name: String,
    /// Its key, with the name that stands in signature lines.
    pub key: WitnessKey,
    /// Its submission prefix (C2SP tlog-witness), if the policy says so.
    pub url: Option<String>,
}

/// A policy, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// `None`: no cosignature is asked for.
    quorum: Option<Member>,
}

/// At least `threshold` of `members`; every member stands before the group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Member>,
}

/// What a group or the quorum names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// Position in [`Policy::witnesses`].
    Witness(usize),
    /// Position in the groups.
    Group(usize),
}

/// A cosignature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The witness, as a position in [`Policy::witnesses`].
    pub witness: usize,
    /// Its name in the policy.
    pub name: String,
    /// The time in it, Unix seconds; the earliest where the witness signed more than once.
    pub time_s: u64,
}

/// What a policy finds under a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witnesses whose cosignatures hold, in the policy's order, each once.
    pub held: Vec<Cosigned>,
    /// Lines that name a known witness and do not hold, in the note's order: somebody forged or damaged them.
    pub bad: Vec<String>,
    /// Whether those that hold make the quorum.
    pub quorum: bool,
}

impl Witnessed {
    /// Whether the checkpoint may be accepted: the quorum is there, and no line of a known witness is wrong.
    pub fn is_accepted(&self) -> bool {
        self.quorum && self.bad.is_empty()
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`], with the line where there is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::policy(bytes)
    }

    /// The logs that it accepts; empty where the log is known from elsewhere.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses that it knows, in the file's order.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether checkpoints of `log` are judged by this policy: it names the log with one of its keys, or no log at all.
    pub fn covers(&self, log: &LogKey) -> bool {
        self.logs.is_empty() || self.logs.iter().any(|known| log.has(&known.key))
    }

    /// Whether any cosignature is asked for.
    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Verifies the cosignatures under a note, which must be a checkpoint. Who signed it as the log is not looked at:
    /// see [`crate::checkpoint::open`].
    pub fn verify(&self, note: &SignedNote) -> Witnessed {
        let mut times = vec![None; self.witnesses.len()];
        let mut bad = Vec::new();
        for line in note.signatures() {
            for (witness, time) in self.witnesses.iter().zip(&mut times) {
                if !witness.key.made(line) {
                    continue;
                }
                match (witness.key.verify(note.text(), line), *time) {
                    (Ok(new), Some(old)) => *time = Some(u64::min(new, old)),
                    (Ok(new), None) => *time = Some(new),
                    (Err(error), _) => bad.push(format!("{}: {error}", witness.name)),
                }
            }
        }
        let quorum = self.quorum_of(&times.iter().map(Option::is_some).collect::<Vec<_>>());
        let of_witness = |(witness, time): (usize, Option<u64>)| {
            Some(Cosigned {
                witness,
                name: self.witnesses[witness].name.clone(),
                time_s: time?,
            })
        };
        Witnessed {
            held: times
                .into_iter()
                .enumerate()
                .filter_map(of_witness)
                .collect(),
            bad,
            quorum,
        }
    }

    /// Whether the witnesses for which `there` says yes make the quorum; those beyond its end are not there.
    pub fn quorum_of(&self, there: &[bool]) -> bool {
        let mut groups = Vec::with_capacity(self.groups.len());
        let holds = |member: &Member, groups: &[bool]| match *member {
            Member::Witness(at) => there.get(at).copied().unwrap_or(false),
            Member::Group(at) => groups.get(at).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| holds(member, &groups));
            let held = count.count() >= group.threshold;
            groups.push(held);
        }
        self.quorum
            .as_ref()
            .is_none_or(|member| holds(member, &groups))
    }

    /// The quorum for people: a witness's name, or `2 of (a, b, 1 of (c, d))`, or `none`.
    pub fn quorum_text(&self) -> String {
        self.quorum
            .map_or_else(|| "none".to_owned(), |member| self.member_text(member))
    }

    fn member_text(&self, member: Member) -> String {
        match member {
            Member::Witness(at) => self.witnesses[at].name.clone(),
            // Every name is a member at most once, so this ends, and is never longer than the file.
            Member::Group(at) => {
                let group = &self.groups[at];
                let members = group.members.iter().map(|member| self.member_text(*member));
                let members = members.collect::<Vec<_>>().join(", ");
                format!("{} of ({members})", group.threshold)
            }
        }
    }
}

/// Why bytes are not a policy: what, and in which line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}{what}", at(*.line))]
pub struct PolicyError {
    /// The line, from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: Wrong,
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

/// What can be wrong with a policy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Wrong {
    /// The file is over its limit.
    #[error("a policy has at most {POLICY_BYTES_MAX} bytes")]
    TooLarge,
    /// Too many lines of one kind.
    #[error("a policy has at most {POLICY_LINES_MAX} lines that begin with {0}")]
    TooMany(&'static str),
    /// A control character other than tab and line feed.
    #[error("the byte 0x{0:02x} may not stand in a policy (lines end with LF alone)")]
    Byte(u8),
    /// The last line does not end.
    #[error("the last line has no line end: the file may be cut short")]
    CutShort,
    /// A line that begins with another word.
    #[error("a line begins with log, witness, group or quorum, not with {0}")]
    UnknownLine(String),
    /// A line with too few or too many words.
    #[error("the line is not {0}")]
    Shape(&'static str),
    /// A key that is none, or not one for this use.
    #[error("{0}")]
    Key(String),
    /// A URL that is not text.
    #[error("the URL is not UTF-8")]
    Url,
    /// The word `none` as the name of something.
    #[error("none is no name for a witness or a group")]
    ReservedName,
    /// A name that stands for something already.
    #[error("{0} is defined already")]
    NameTaken(String),
    /// One public key in two lines of a kind.
    #[error("the same public key stands in another line")]
    DuplicateKey,
    /// A name that no line above defines.
    #[error("{0} is not defined in a line above")]
    UnknownName(String),
    /// A member of two groups, or twice of one.
    #[error("{0} is a member already: each name counts in one place only")]
    MemberTwice(String),
    /// Not a threshold from 1 to the number of members.
    #[error("the threshold {0} is not any, all, or a number from 1 to {1}")]
    Threshold(String, usize),
    /// There is a quorum line above.
    #[error("a policy has one quorum line, and there is one above")]
    SecondQuorum,
    /// There is no quorum line.
    #[error("there is no quorum line")]
    NoQuorum,
}

/// What a report repeats of a word is short and printable.
fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let cut: String = text.chars().take(60).collect();
    cut.escape_debug().to_string()
}
