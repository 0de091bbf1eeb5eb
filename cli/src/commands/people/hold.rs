//! `mohawel agency hold`: a party delays what a person's own record shows of exchanges, or ends the delay.

use proto::act::Hold as Act;
use proto::entry::Kind;
use proto::id::ExchangeId;
use proto::limits::{OVERSEEN_MAX, label};
use serde_json::json;

use super::oversee;
use crate::args::Hold;
use crate::commands::act;
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated, ms_of_time, time_of_ms};

/// Seals the hold with the agency's authority key and has it recorded.
///
/// # Errors
/// A usage failure for a time that is over; what the switch refuses.
pub async fn run(hold: Hold, output: Output) -> Result<(), Failure> {
    let mut exchanges: Vec<ExchangeId> = hold.exchanges;
    exchanges.sort_by_key(|id| *id.as_bytes());
    exchanges.dedup();
    if exchanges.len() > OVERSEEN_MAX {
        return Err(Failure::usage(format!(
            "a hold names at most {OVERSEEN_MAX} exchanges; seal several"
        )));
    }
    let now_ms = super::now_ms();
    let until_ms = match &hold.until {
        Some(text) => ms_of_time(text)?,
        None => now_ms,
    };
    if !hold.end && until_ms <= now_ms {
        return Err(Failure::new(
            Exit::Usage,
            [
                format!(
                    "{} is over already, so the hold would do nothing",
                    time_of_ms(until_ms)
                ),
                format!(
                    "الموعد {} قد مضى، فلن يكون للتأجيل أثر",
                    isolated(time_of_ms(until_ms))
                ),
            ],
            [
                "Give a later time with --until.",
                "قدّم موعدًا لاحقًا بالخيار ‎--until‎.",
            ],
        ));
    }
    let authority = act::authority(&hold.home, &hold.authority, output)?;
    let adapter = act::connect(&hold.home).await?;
    let count = exchanges.len();
    let act = Act {
        agency: adapter.home().system().agency(),
        exchanges,
        ground: hold.ground,
        until_ms,
        ended: hold.end,
        issued_at_ms: now_ms,
    };
    let header = act.encode();
    let what = (Kind::Hold, label::HOLD);
    let receipt = oversee::submit(&adapter, &authority, what, header).await?;
    let value = json!({
        "agency": act.agency.to_string(),
        "exchanges": act.exchanges.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ground": act.ground.to_string(),
        "until": time_of_ms(until_ms),
        "ended": act.ended,
        "index": receipt.index,
    });
    output.show(&value, || {
        let done = match (act.ended, output.language) {
            (false, proto::refusal::Language::English) => format!("{count} exchange(s) are left out of what a person is shown, until {} (entry {})", time_of_ms(until_ms), receipt.index),
            (false, proto::refusal::Language::Arabic) => format!("لن تظهر {count} من التبادلات لصاحبها حتى {} (القيد {})", isolated(time_of_ms(until_ms)), receipt.index),
            (true, proto::refusal::Language::English) => format!("The hold on {count} exchange(s) is over: the person is shown them from now on (entry {})", receipt.index),
            (true, proto::refusal::Language::Arabic) => format!("انتهى التأجيل على {count} من التبادلات: تظهر لصاحبها من الآن (القيد {})", receipt.index),
        };
        output.line(done);
    })
}
