//! `mohawel adapter erase`, and what every erasure does: payload and salt of exchanges are destroyed, then the log is told.
//!
//! Takes which exchanges and why. Gives what is gone and what the log was told of it. Speaks to the switch only after the
//! payloads are gone; without it the statement waits in the home.

use std::collections::BTreeSet;

use adapters::adapter::Adapter;
use adapters::identity::Home;
use adapters::journal::erasure::{self, Order};
use audit::clock::Clock;
use proto::id::{ExchangeId, Part};
use serde_json::{Value, json};

use super::receipts::{begun_at_ms, failed};
use crate::args::Erase;
use crate::failure::Failure;
use crate::output::{Output, ms_of_time};

/// What an erasure came to.
#[derive(Debug)]
pub struct Erased {
    /// Of which something was kept, and is not any more.
    pub exchanges: Vec<ExchangeId>,
    /// Statements that the log took.
    pub stated: usize,
    /// Statements that wait in the home.
    pub queued: usize,
}

/// Erases what is named.
///
/// # Errors
/// The journal's own failures.
pub async fn run(args: Erase, output: Output) -> Result<(), Failure> {
    let home = Home::open(&args.home).map_err(Failure::usage)?;
    let before_ms = args.before.as_deref().map(ms_of_time).transpose()?;
    let named: BTreeSet<ExchangeId> = args.exchange.iter().copied().collect();
    let chosen = |id: ExchangeId| match before_ms {
        Some(before_ms) => begun_at_ms(id) < before_ms,
        None => named.contains(&id),
    };
    let erased = erase(home, &chosen, &named, &args.ground, output).await?;
    output.show(&erased.to_json(), || erased.print(output))
}

/// Destroys payload and salt of the exchanges that are chosen, and of the attempts without an answer that are named; then
/// tells the log, for the reason `ground`.
///
/// # Errors
/// The journal's own failures; run again, it goes on where it stopped.
pub async fn erase(
    home: Home,
    chosen: &dyn Fn(ExchangeId) -> bool,
    named: &BTreeSet<ExchangeId>,
    ground: &Part,
    output: Output,
) -> Result<Erased, Failure> {
    let journal = home.path(&home.config().journal.dir);
    let order = Order {
        system: home.system(),
        ground,
        now_ms: Clock::System.now_ms(),
    };
    let exchanges = erasure::erase(&journal, chosen, &order).map_err(|error| failed(&error))?;
    for id in named {
        // The salt of an attempt without an answer opens its commitment too.
        let _ = std::fs::remove_file(home.dir().join("attempts").join(format!("{id}.salt")));
    }
    // Whichever of the adapter's tasks sends them: what left the queue stands in the log.
    let waiting = erasure::queued(&journal).map_err(|error| failed(&error))?;
    state(home, output).await;
    let queued = erasure::queued(&journal).map_err(|error| failed(&error))?;
    let stated = waiting.saturating_sub(queued);
    Ok(Erased {
        exchanges,
        stated,
        queued,
    })
}

impl Erased {
    /// For machines.
    pub fn to_json(&self) -> Value {
        json!({
            "erased": self.exchanges.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "statements_recorded": self.stated,
            "statements_queued": self.queued,
        })
    }

    /// For people.
    pub fn print(&self, output: Output) {
        output.line(format!(
            "{} {}",
            self.exchanges.len(),
            output.say(
                "exchanges erased: payload and salt are gone, receipts stay",
                "تبادل مُحي: ذهبت البيانات والملح وبقيت الإيصالات",
            )
        ));
        if self.queued > 0 {
            output.line(format!(
                "{} {}",
                self.queued,
                output.say(
                    "statement(s) wait in the home and go to the log with the next run of this adapter",
                    "إقرار ينتظر في المجلد ويُسجَّل مع التشغيل التالي لهذا المحوّل",
                )
            ));
        } else if self.stated > 0 {
            output.line(format!(
                "{} {}",
                self.stated,
                output.say("statement(s) stand in the log", "إقرار مسجّل في السجل")
            ));
        }
        if self.exchanges.is_empty() {
            output.line(output.say(
                "Nothing of what was named is kept in this home.",
                "لا يُحفظ في هذا المجلد شيء مما ذُكر.",
            ));
        }
    }
}

/// Tells the log what was destroyed; what does not get through stays queued.
async fn state(home: Home, output: Output) {
    let told = async {
        let adapter = Adapter::start(home, Clock::System).map_err(|error| error.to_string())?;
        let sent = adapter.state_erasures().await;
        sent.map_err(|error| error.to_string())
    };
    if let Err(error) = told.await {
        output.note(format!(
            "{}: {error}",
            output.say("The log was not told yet", "لم يُبلَّغ السجل بعد")
        ));
    }
}
