//! What operators do to the registry: each act sealed by the person's own key, sent, proved.
//!
//! | file | what it does |
//! |---|---|
//! | [`membership`] | applications, suspensions, quotas, lost authority keys |
//! | [`instances`] | other countries |
//! | [`purposes`] | the catalogue of purposes |
//! | [`roles`] | people and their roles |
//! | [`approvals`] | second seals, and which acts need them |

use audit::clock::Clock;
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::act::{Approval, OperatorAct, OperatorDeed};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::limits::label;
use proto::registry::Registry;
use proto::seal::Seal;
use serde_json::json;

use super::declare::apply::published;
use super::operator::Operator;
use super::registry;
use super::switch_dir::SwitchDir;
use crate::args::{Acting, Source};
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub mod approvals;
pub mod instances;
pub mod membership;
pub mod purposes;
pub mod roles;

/// Digits of a digest that must be given at least.
const PREFIX_MIN: usize = 6;

/// What became of an act.
#[derive(Clone, Debug)]
pub struct Done {
    /// SHA-256 of the act: what an approval names.
    pub id: Digest,
    /// The proof, verified.
    pub receipt: Receipt,
    /// It waits for a second seal.
    pub waits: bool,
}

/// Opens the folder of the person who acts.
///
/// # Errors
/// A usage failure naming the file that is missing or wrong.
pub fn open(acting: &Acting) -> Result<Operator, Failure> {
    let switch = SwitchDir::new(&acting.switch);
    match &acting.operator {
        Some(dir) => Operator::open_at(&switch, dir, &Clock::System),
        None => Operator::open(&switch, &Clock::System),
    }
}

/// The registry of the acting person's switch, as its published log has it.
///
/// # Errors
/// As [`registry::read`].
pub async fn registry_of(acting: &Acting) -> Result<std::sync::Arc<Registry>, Failure> {
    let source = Source {
        switch: Some(acting.switch.clone()),
        ..Source::default()
    };
    registry::read(&source).await
}

/// Seals a deed in the operator's name and has it recorded.
///
/// # Errors
/// What the switch refuses; that it cannot be reached; a receipt that proves nothing.
pub async fn act(
    operator: &Operator,
    deed: OperatorDeed,
    policy: &Registry,
) -> Result<Done, Failure> {
    let waits = policy.policy().covers(deed.name());
    let header = OperatorAct {
        operator: operator.name.clone(),
        issued_at_ms: Clock::System.now_ms(),
        deed,
    }
    .encode();
    send(operator, Kind::OperatorAct, header, waits).await
}

/// Seals and sends one header of an operator or approver.
///
/// # Errors
/// As [`act`].
pub async fn send(
    operator: &Operator,
    kind: Kind,
    header: Bytes,
    waits: bool,
) -> Result<Done, Failure> {
    send_under(operator, (kind, label::OPERATOR), header, waits).await
}

/// As [`send`], for a kind that is sealed under another label.
///
/// # Errors
/// As [`act`].
pub async fn send_under(
    operator: &Operator,
    (kind, label): (Kind, &str),
    header: Bytes,
    waits: bool,
) -> Result<Done, Failure> {
    let id = Digest::of(&header);
    let origin = operator.log_key.origin();
    let seal = Seal::one(label, origin, &header, &operator.signer);
    let envelope = Envelope::bare(header, seal.map_err(Failure::unavailable)?);
    let (receipt, _) = operator.operate(kind, &envelope).await?;
    Ok(Done { id, receipt, waits })
}

/// Puts the second seal on the act `id`, or turns it down.
///
/// # Errors
/// As [`act`].
pub async fn answer(
    operator: &Operator,
    id: Digest,
    rejected: bool,
    reason: &str,
) -> Result<Done, Failure> {
    let header = Approval {
        operator: operator.name.clone(),
        issued_at_ms: Clock::System.now_ms(),
        act: id,
        rejected,
        reason: reason.to_owned(),
    }
    .encode();
    send(operator, Kind::Approval, header, false).await
}

/// What became of an act, by the registry that the switch publishes a moment later: the one that was read before may
/// have been judged by an older policy.
///
/// # Errors
/// As [`registry::read`].
pub async fn settled(acting: &Acting, done: Done) -> Result<Done, Failure> {
    let log = SwitchDir::new(&acting.switch).log();
    if !published(&log, done.receipt.index).await {
        return Ok(done);
    }
    let registry = registry_of(acting).await?;
    let waits = registry.waiting().any(|(id, _)| *id == done.id);
    Ok(Done { waits, ..done })
}

/// Says what became of an act.
///
/// # Errors
/// That standard output cannot be written.
pub fn tell(done: &Done, english: &str, arabic: &str, output: Output) -> Result<(), Failure> {
    let value = json!({
        "act": done.id.to_string(),
        "index": done.receipt.index,
        "waits_for_second_seal": done.waits,
    });
    output.show(&value, || {
        let (english, arabic) = if done.waits {
            ("Recorded", "سُجّل")
        } else {
            (english, arabic)
        };
        output.line(format!(
            "{} ({} {})",
            output.say(english, arabic),
            output.say("entry", "القيد"),
            done.receipt.index
        ));
        if done.waits {
            output.line(format!(
                "{}: mohawel approval approve {}",
                output.say(
                    "It waits for a second person's seal. Another operator or an approver runs",
                    "ينتظر ختم شخص ثانٍ. يشغّل مشغّل آخر أو معتمِد"
                ),
                done.id.short()
            ));
        }
    })
}

/// The one of `ids` that begins with `text`.
///
/// # Errors
/// A usage failure for too few digits, none that begins so, or several.
pub fn find<'a>(
    text: &str,
    ids: impl Iterator<Item = &'a Digest>,
    lists: &str,
) -> Result<Digest, Failure> {
    let text = text.to_ascii_lowercase();
    if text.len() < PREFIX_MIN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "'{text}' is no digest: give at least {PREFIX_MIN} of its hex digits"
        )));
    }
    let mut found = ids.filter(|id| id.to_string().starts_with(&text));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(*id),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several begin with {text}: give more digits"
        ))),
        (None, _) => Err(Failure::new(
            Exit::Usage,
            [
                format!("nothing begins with {text}"),
                format!("لا شيء يبدأ بالرقم {text}"),
            ],
            [
                format!(
                    "`{lists}` shows all of them; a change of the last second may not be there yet."
                ),
                format!("يعرضها كلها الأمر {lists}؛ وقد لا يظهر ما تغيّر في الثانية الأخيرة."),
            ],
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_found_by_its_first_digits_and_never_guessed() {
        let ids = [Digest([0xab; 32]), Digest([0xcd; 32])];
        let by = |text: &str| find(text, ids.iter(), "mohawel approval list");
        assert_eq!(by("ABABAB").unwrap(), ids[0]);
        for bad in ["", "abab", "zzzzzz", "abcdef"] {
            assert_eq!(by(bad).unwrap_err().exit, Exit::Usage, "{bad}");
        }
        let twins = [ids[0], ids[0]];
        assert!(find("ababab", twins.iter(), "x").is_err());
    }
}
