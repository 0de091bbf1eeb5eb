//! How events and subscriptions stand: tables for people, objects for machines.

use std::path::Path;

use proto::id::EventId;
use proto::wire::events::v1 as wire;
use proto::wire::events::v1::DeliveryState as State;
use serde_json::{Value, json};

use super::failure;
use crate::commands::act;
use crate::failure::Failure;
use crate::output::{Output, isolated, time_of_ms};

pub(super) async fn subscriptions(home: &Path, output: Output) -> Result<(), Failure> {
    let adapter = act::connect(home).await?;
    let all = adapter.events().subscriptions().await;
    let all = all.map_err(|error| failure(&error))?;
    let value: Vec<Value> = all.iter().map(subscription_json).collect();
    output.show(&value, || {
        let rows = all.iter().map(|one| {
            [
                id(&one.subscription_id),
                isolated(&one.subscriber),
                format!("{} {}", isolated(&one.service), one.operation),
                state(one, output),
                one.taken.to_string(),
                one.waiting.to_string(),
                one.dead.to_string(),
            ]
        });
        let heading = [
            output.say("subscription", "الاشتراك"),
            output.say("who is told", "المبلَّغ"),
            output.say("of what", "بماذا"),
            output.say("state", "الحالة"),
            output.say("taken", "تسلّم"),
            output.say("waiting", "ينتظر"),
            output.say("given up", "تُرك"),
        ];
        output.table(heading, rows);
    })
}

pub(super) async fn status(
    home: &Path,
    asked: Option<EventId>,
    (from, dead): (u64, bool),
    output: Output,
) -> Result<(), Failure> {
    let adapter = act::connect(home).await?;
    let (mut all, mut next) = (Vec::new(), Some(from));
    while let Some(from) = next {
        let page = adapter.events().status(asked, from, dead).await;
        let (events, more) = page.map_err(|error| failure(&error))?;
        all.extend(events);
        next = more;
    }
    let value: Vec<Value> = all.iter().map(event_json).collect();
    output.show(&value, || {
        for event in &all {
            let taken = of(event, State::Taken);
            output.line(format!(
                "{}  {} {}  {}  {taken} {} {}",
                id(&event.event_id),
                isolated(&event.service),
                event.operation,
                time_of_ms(event.recorded_at_ms),
                output.say("of", "من"),
                event.deliveries.len(),
            ));
            for one in event
                .deliveries
                .iter()
                // Of one event everybody, of many those that do not have it.
                .filter(|one| asked.is_some() || one.state() != State::Taken)
            {
                output.line(format!(
                    "    {}  {}",
                    isolated(&one.subscriber),
                    delivery(one, output)
                ));
            }
        }
        if all.is_empty() {
            output.line(output.say("No such event is kept.", "لا يوجد حدث محفوظ كهذا."));
        }
    })
}

fn of(event: &wire::EventStatus, state: State) -> usize {
    let deliveries = event.deliveries.iter();
    deliveries.filter(|one| one.state() == state).count()
}

fn delivery(one: &wire::Delivery, output: Output) -> String {
    let again = match one.next_at_ms {
        0 => String::new(),
        at => format!(
            ", {} {}",
            output.say("again at", "ويُعاد في"),
            time_of_ms(at)
        ),
    };
    match one.state() {
        State::Waiting if one.attempts == 0 => output.say("waits", "ينتظر").to_owned(),
        State::Waiting => format!(
            "{} {}{again}",
            output.say("not acknowledged, brought", "لم يُقَر به، ومرات التبليغ"),
            one.attempts
        ),
        State::Taken => output.say("taken", "تسلّم").to_owned(),
        State::Refused => output.say("refused", "رُفض").to_owned(),
        State::Dead => format!("{} ({})", output.say("given up", "تُرك"), one.code),
        State::Withheld => format!("{} ({})", output.say("withheld", "حُجب"), one.code),
        State::Unspecified => output.say("not known", "غير معروف").to_owned(),
    }
}

fn state(one: &wire::Subscription, output: Output) -> String {
    match (one.end_index, one.end_code.as_str()) {
        (0, _) => output.say("lives", "قائم").to_owned(),
        (_, "") => output.say("ended", "انتهى").to_owned(),
        (_, code) => format!("{} ({code})", output.say("ended", "انتهى")),
    }
}

fn subscription_json(one: &wire::Subscription) -> Value {
    let some = |number: u64| (number > 0).then_some(number);
    json!({
        "subscription": id(&one.subscription_id),
        "subscriber": one.subscriber,
        "service": one.service,
        "operation": one.operation,
        "purpose": one.purpose,
        "index": one.index,
        "began_at": time_of_ms(one.began_at_ms),
        "end_index": some(one.end_index),
        "end_code": (!one.end_code.is_empty()).then_some(&one.end_code),
        "waiting": one.waiting,
        "taken": one.taken,
        "dead": one.dead,
        "oldest_at": some(one.oldest_at_ms).map(time_of_ms),
    })
}

fn event_json(event: &wire::EventStatus) -> Value {
    let deliveries: Vec<Value> = event
        .deliveries
        .iter()
        .map(|one| {
            json!({
                "subscription": id(&one.subscription_id),
                "subscriber": one.subscriber,
                "state": word(one.state()),
                "code": (!one.code.is_empty()).then_some(&one.code),
                "attempts": one.attempts,
                "next_at": (one.next_at_ms > 0).then(|| time_of_ms(one.next_at_ms)),
                "outcome_index": (one.outcome_index > 0).then_some(one.outcome_index),
            })
        })
        .collect();
    json!({
        "event": id(&event.event_id),
        "service": event.service,
        "operation": event.operation,
        "index": event.index,
        "recorded_at": time_of_ms(event.recorded_at_ms),
        "taken": of(event, State::Taken),
        "told": event.deliveries.len(),
        "deliveries": deliveries,
    })
}

fn word(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Taken => "taken",
        State::Refused => "refused",
        State::Dead => "dead",
        State::Withheld => "withheld",
        State::Unspecified => "unknown",
    }
}

fn id(bytes: &[u8]) -> String {
    EventId::from_slice(bytes).map_or_else(String::new, |id| id.to_string())
}
