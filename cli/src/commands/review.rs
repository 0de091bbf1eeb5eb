//! `mohawel review`: what waits for a review after the glass was broken, and giving one.
//!
//! Takes an adapter's home. The list is the switch's word about what waits; a review names entries by leaf hash, so one
//! about an entry that the switch made up is worthless. Never sends the reason anywhere: the log gets its SHA-256.

use std::io::IsTerminal as _;
use std::path::Path;

use adapters::Adapter;
use audit::receipt::Receipt;
use proto::act::{Finding, Review as Act, ReviewedRequest};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::ExchangeId;
use proto::key::Signer;
use proto::limits::{BREAK_GLASS_REVIEW_MS, REVIEWED_MAX, label};
use proto::wire::audit::v1 as wire;
use serde_json::{Value, json};

use super::people::oversee;
use super::{act, refused};
use crate::args::{GiveReview, Review};
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated, time_of_ms};

/// Runs the command.
///
/// # Errors
/// [`Exit::Found`] when a review of the list is overdue; what the switch refuses.
pub async fn run(review: Review, output: Output) -> Result<(), Failure> {
    match review {
        Review::List { home } => list(&home, output).await,
        Review::Give(given) => give(&given, output).await,
    }
}

/// An exchange that waits for its review.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The request entry.
    pub request: ReviewedRequest,
    /// The exchange.
    pub exchange: Option<ExchangeId>,
    /// Who asked, as a system.
    pub consumer: String,
    /// Who was asked.
    pub provider: String,
    /// Which person, under the consumer's pseudonym.
    pub actor: Option<Digest>,
    /// In which case, as its commitment.
    pub case: Option<Digest>,
    /// Unix time, milliseconds.
    pub recorded_at_ms: u64,
    /// From this time on it is overdue, Unix milliseconds.
    pub due_at_ms: u64,
}

/// Everything that waits and of which the adapter's agency is a party.
///
/// # Errors
/// What the switch refuses; untrusted when it answers with what is no entry.
pub async fn waiting(adapter: &Adapter) -> Result<Vec<Waiting>, Failure> {
    let mut found = Vec::new();
    let mut from_index = 0;
    loop {
        let page = adapter
            .connection()
            .log()
            .reviews(wire::ReviewsRequest { from_index })
            .await
            .map_err(|status| refused::failure(&status))?
            .into_inner();
        for waiting in page.waiting {
            // A switch that goes in circles is not followed.
            if waiting.index < from_index {
                return Err(Failure::untrusted("the switch lists an entry twice"));
            }
            from_index = waiting.index.saturating_add(1);
            found.push(read(waiting)?);
        }
        if !page.more {
            return Ok(found);
        }
    }
}

fn read(wire: wire::WaitingReview) -> Result<Waiting, Failure> {
    let leaf = Digest::from_slice(&wire.leaf)
        .ok_or_else(|| Failure::untrusted("the switch lists an entry without its leaf hash"))?;
    Ok(Waiting {
        request: ReviewedRequest {
            index: wire.index,
            leaf,
        },
        exchange: ExchangeId::from_slice(&wire.exchange_id),
        consumer: wire.consumer,
        provider: wire.provider,
        actor: Digest::from_slice(&wire.actor),
        case: Digest::from_slice(&wire.case_reference),
        recorded_at_ms: wire.recorded_at_ms,
        due_at_ms: wire.recorded_at_ms.saturating_add(BREAK_GLASS_REVIEW_MS),
    })
}

/// Prints what waits, by the adapter's clock.
///
/// # Errors
/// As [`run`].
pub async fn show(adapter: &Adapter, output: Output) -> Result<(), Failure> {
    let waiting = waiting(adapter).await?;
    let now_ms = adapter.clock().now_ms();
    let overdue = waiting.iter().filter(|row| row.due_at_ms <= now_ms).count();
    let value = json!({
        "waiting": waiting.iter().map(|row| row_json(row, now_ms)).collect::<Vec<_>>(),
        "overdue": overdue,
    });
    output.show(&value, || print(&waiting, now_ms, output))?;
    if overdue == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Found,
        [
            format!(
                "{overdue} review(s) are overdue: nothing more is let through between these agencies under break-glass grants."
            ),
            format!(
                "مراجعات متأخرة: {overdue}؛ ولا يُسمح بمزيد بين هاتين الجهتين بموجب إذن كسر الزجاج."
            ),
        ],
        [
            "The agency that was asked gives each with `mohawel review give ENTRY --finding … --reason …`.",
            "تقدّم الجهة المسؤولة كلًّا منها بالأمر mohawel review give.",
        ],
    ))
}

async fn list(home: &Path, output: Output) -> Result<(), Failure> {
    let adapter = act::connect(home).await?;
    show(&adapter, output).await
}

fn row_json(row: &Waiting, now_ms: u64) -> Value {
    json!({
        "index": row.request.index,
        "leaf": row.request.leaf.to_string(),
        "exchange_id": row.exchange.map(|id| id.to_string()),
        "consumer": row.consumer,
        "provider": row.provider,
        "actor": row.actor.map(|actor| actor.to_string()),
        "case": row.case.map(|case| case.to_string()),
        "recorded_at": time_of_ms(row.recorded_at_ms),
        "due_at": time_of_ms(row.due_at_ms),
        "overdue": row.due_at_ms <= now_ms,
    })
}

fn print(waiting: &[Waiting], now_ms: u64, output: Output) {
    if waiting.is_empty() {
        return output.line(output.say("Nothing waits for a review.", "لا شيء ينتظر المراجعة."));
    }
    output.table(
        [
            output.say("entry", "القيد"),
            output.say("asked by", "السائل"),
            output.say("person", "الشخص"),
            output.say("asked of", "المسؤول"),
            output.say("when", "الوقت"),
            output.say("review until", "المراجعة قبل"),
            "",
        ],
        waiting.iter().map(|row| {
            let state = match row.due_at_ms <= now_ms {
                true => red(output.say("OVERDUE", "متأخرة")),
                false => output.say("waits", "تنتظر").to_owned(),
            };
            [
                row.request.index.to_string(),
                row.consumer.clone(),
                row.actor.map(|actor| actor.short()).unwrap_or_default(),
                row.provider.clone(),
                time_of_ms(row.recorded_at_ms),
                time_of_ms(row.due_at_ms),
                state,
            ]
        }),
    );
}

/// In red where somebody watches a terminal.
fn red(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\u{1b}[31m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

async fn give(given: &GiveReview, output: Output) -> Result<(), Failure> {
    let reason = reason(&given.reason)?;
    let authority = act::authority(&given.home, &given.authority, output)?;
    let adapter = act::connect(&given.home).await?;
    let finding = given.finding.into();
    let receipt = review(&adapter, &authority, &given.entries, finding, &reason).await?;
    told(given.entries.len(), finding, &reason, &receipt, output)
}

/// Seals a review of these entries and has it recorded; proves its entry.
///
/// # Errors
/// A usage failure for entries that do not wait, or too many; what the switch refuses.
pub async fn review(
    adapter: &Adapter,
    authority: &dyn Signer,
    entries: &[u64],
    finding: Finding,
    reason: &str,
) -> Result<Receipt, Failure> {
    let mut entries = entries.to_vec();
    entries.sort_unstable();
    entries.dedup();
    if entries.len() > REVIEWED_MAX {
        return Err(Failure::usage(format!(
            "a review names at most {REVIEWED_MAX} entries; give several"
        )));
    }
    let waiting = waiting(adapter).await?;
    let agency = adapter.home().system().agency();
    let requests = entries
        .iter()
        .map(|index| {
            let row = waiting.iter().find(|row| row.request.index == *index);
            row.map(|row| row.request)
                .ok_or_else(|| not_waiting(*index))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let header = Act {
        agency,
        requests,
        finding,
        reason_sha256: Digest::of(reason.as_bytes()),
        issued_at_ms: adapter.clock().now_ms(),
    }
    .encode();
    oversee::submit(adapter, authority, (Kind::Review, label::REVIEW), header).await
}

fn not_waiting(index: u64) -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("entry {index} does not wait for a review by this agency"),
            format!(
                "القيد {} لا ينتظر مراجعة من هذه الجهة",
                isolated(index.to_string())
            ),
        ],
        [
            "`mohawel review list` shows what waits; each exchange is reviewed once.",
            "يعرض الأمر mohawel review list ما ينتظر؛ ويُراجَع كل تبادل مرة واحدة.",
        ],
    )
}

fn told(
    count: usize,
    finding: Finding,
    reason: &str,
    receipt: &Receipt,
    output: Output,
) -> Result<(), Failure> {
    let reason = Digest::of(reason.as_bytes());
    let value = json!({
        "finding": finding.name(),
        "count": count,
        "reason_sha256": reason.to_string(),
        "index": receipt.index,
    });
    output.show(&value, || {
        let word = match finding {
            Finding::Justified => output.say("justified", "مبرَّر"),
            Finding::Unjustified => output.say("not justified", "غير مبرَّر"),
        };
        output.line(format!(
            "{}: {word}, {count} ({} {})",
            output.say("reviewed", "رُوجع"),
            output.say("entry", "القيد"),
            receipt.index
        ));
        output.line(format!(
            "{} {reason}",
            output.say(
                "Keep the reason; the log holds its SHA-256:",
                "احتفظ بالسبب؛ وفي السجل بصمته:"
            )
        ));
    })
}

/// The reason, or what stands in the file.
fn reason(given: &str) -> Result<String, Failure> {
    let text = match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("the reason in {path}: {error}")))?,
        None => given.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Failure::usage(
            "a review without a reason is none; give one with --reason",
        ));
    }
    Ok(text)
}
