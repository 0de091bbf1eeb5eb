//! What is judged before the backend sees anything: pure functions over bytes, registry and time.
//!
//! Takes an envelope and the receipt that came with it. Gives what was proved, or the code of the
//! refusal that is sealed and sent back. Never asks the network and never waits.
//!
//! | check | refuses with |
//! |---|---|
//! | [`proof`]: the receipt is this log's, over these very bytes, of kind `request` or `upload` | `not_logged` |
//! | [`permission`]: own system, seal, agreement, contract, time; the same permission as recorded | the decision's own code, `stale`, `not_logged` |
//! | [`contents`]: the payload is what the header commits to and asks for its operation | `payload_mismatch`, `operation_mismatch` |
//! | [`subjects`]: the header names exactly the persons whom the payload names | `subject_mismatch` |

use audit::checkpoint::NoteMemory;
use audit::receipt::{Proven, Receipt};
use proto::act::SubjectField;
use proto::authorise::{Permission, SealedRequest, authorise, locate, verify_opened_request};
use proto::chunks::ChunkPlan;
use proto::commitment::Form;
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::{RequestHeader, Subject};
use proto::id::SystemId;
use proto::items::Items;
use proto::refusal::Code;
use proto::registry::Registry;
use proto::seal::SealMemory;
use proto::subject::SubjectKey;

use crate::subjects::{Start, Unnamed, persons, pseudonyms};

/// A request that stands in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// What its receipt proves.
    pub proven: Proven,
    /// What the switch recorded of its decision.
    pub facts: ExchangeFacts,
}

/// Against what a request is judged: this adapter's own view.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// The mirror, at least as large as the registry in the receipt's stamp.
    pub registry: &'a Registry,
    /// The system that this adapter speaks for.
    pub system: &'a SystemId,
    /// Unix time, milliseconds.
    pub now_ms: u64,
    /// How far the request's time may lie from it.
    pub window_ms: u64,
    /// Tree heads verified a moment ago.
    pub memory: &'a SealMemory,
}

/// Proves that the log of `notes` holds this very request.
///
/// # Errors
/// [`Code::NotLogged`], whatever is missing or wrong.
pub fn proof(
    envelope: &Envelope,
    receipt: Option<&Receipt>,
    notes: &NoteMemory,
) -> Result<Logged, Code> {
    let receipt = receipt.ok_or(Code::NotLogged)?;
    let proven = receipt
        .verify_remembering(&envelope.header, Some(&envelope.seal), notes)
        .map_err(|_| Code::NotLogged)?;
    let facts = facts::exchange(&proven.entry.facts).map_err(|_| Code::NotLogged)?;
    // Whether its header is of that kind is the next check's, which opens it.
    if proven.entry.kind.asks() && facts.code.is_empty() {
        Ok(Logged { proven, facts })
    } else {
        Err(Code::NotLogged)
    }
}

/// Decides again, with this adapter's own mirror and clock, what the switch decided. What `asked` holds as opened is what
/// its bytes opened to.
///
/// # Errors
/// The code of the first thing that does not hold.
pub fn permission(
    asked: SealedRequest<'_>,
    logged: &Logged,
    own: Own<'_>,
) -> Result<Permission, Code> {
    let request = asked.opened;
    verify_opened_request(own.registry, asked, Some((own.memory, own.now_ms)))?;
    if request.provider != *own.system {
        // Nobody published it here. An honest switch never brings it.
        return Err(Code::UnknownService);
    }
    let permitted = authorise(own.registry, request, own.now_ms).map_err(|denial| denial.code)?;
    locate(own.registry, request)?;
    // Recorded under another agreement or grant, or as another kind of request: what was logged is not what is asked of us.
    let facts = &logged.facts;
    if facts.agreement[..] != permitted.agreement.0
        || facts.grant != permitted.grant
        || logged.proven.entry.kind != request.kind()
    {
        return Err(Code::NotLogged);
    }
    // A submission may have waited, for as long as its sealed deadline says and no longer.
    let since_ms = own.now_ms.saturating_sub(request.issued_at_ms);
    let in_time = if request.is_submission() {
        request.issued_at_ms <= own.now_ms.saturating_add(own.window_ms)
            && since_ms <= u64::from(request.deadline_ms)
    } else {
        own.now_ms.abs_diff(request.issued_at_ms) <= own.window_ms
    };
    if !in_time {
        return Err(Code::Stale);
    }
    Ok(permitted)
}

/// Opens the payload: it is what the header commits to, and it asks for the header's operation; so does each of its items.
/// `operation` is what the payload itself asks for, where it says so.
///
/// # Errors
/// [`Code::PayloadMismatch`], [`Code::OperationMismatch`].
pub fn contents(
    request: &RequestHeader,
    envelope: &Envelope,
    operation: impl Fn(&str, &[u8]) -> Option<String>,
) -> Result<(), Code> {
    request
        .payload
        .open(&envelope.payload, &envelope.salt)
        .map_err(|_| Code::PayloadMismatch)?;
    let asks = |payload: &[u8]| match operation(&request.payload.content_type, payload) {
        Some(operation) if operation != request.operation.as_str() => Err(Code::OperationMismatch),
        Some(_) | None => Ok(()),
    };
    match request.payload.form {
        Form::Items => {
            let opened = Items::open(&envelope.payload).map_err(|_| Code::PayloadMismatch)?;
            opened.items.into_iter().try_for_each(asks)
        }
        Form::Whole | Form::Sealed => asks(&envelope.payload),
        // What follows is the backend's to read; here is only how.
        Form::Chunks => ChunkPlan::open(&envelope.payload)
            .map(drop)
            .map_err(|_| Code::Malformed),
    }
}

/// The header's pseudonyms are those that one of `keys` makes of the persons whom the payload names. Without `fields`
/// nothing says whom it names, and whatever the header says is carried.
///
/// # Errors
/// [`Code::SubjectMismatch`], also for a payload in which nobody can be found.
pub fn subjects(
    request: &RequestHeader,
    fields: &[SubjectField],
    payload: &[u8],
    start: Start,
    keys: &[SubjectKey],
) -> Result<(), Code> {
    if fields.is_empty() {
        return Ok(());
    }
    let mismatch = |error: Unnamed| {
        tracing::info!(exchange = %request.exchange_id, %error, "nobody can say whom the request names");
        Code::SubjectMismatch
    };
    let persons =
        persons(fields, &request.payload.content_type, payload, start).map_err(mismatch)?;
    for key in keys {
        if same(
            &pseudonyms(&persons, key).map_err(mismatch)?,
            &request.subjects,
        ) {
            return Ok(());
        }
    }
    Err(Code::SubjectMismatch)
}

/// Whether two lists, the first with nothing twice, hold the same.
fn same(made: &[Subject], said: &[Subject]) -> bool {
    made.len() == said.len() && made.iter().all(|subject| said.contains(subject))
}

#[cfg(test)]
mod tests;
