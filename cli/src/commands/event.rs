//! `mohawel event`: tell what happened, follow what others tell, and see who has been told.

use std::path::Path;
use std::time::Duration;

use adapters::Adapter;
use adapters::events::{EventError, Publication, Told, Wanted};
use adapters::stock;
use proto::id::{EventId, SubscriptionId};
use proto::refusal::{Code, Language};
use serde_json::json;

use super::{act, call};
use crate::args::{Event, PublishEvent, Subscribe};
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated, ms_of_time, time_of_ms};

mod standing;

/// Events pulled at once.
const AT_ONCE: u32 = 64;
/// How long one pull waits for the first.
const WAIT: Duration = Duration::from_secs(20);

/// Runs one of its words.
///
/// # Errors
/// As `mohawel call`.
pub async fn run(event: Event, output: Output) -> Result<(), Failure> {
    match event {
        Event::Publish(publish) => Box::pin(self::publish(*publish, output)).await,
        Event::Subscribe(subscribe) => Box::pin(self::subscribe(*subscribe, output)).await,
        Event::Unsubscribe { subscription, home } => unsubscribe(&home, subscription, output).await,
        Event::Subscriptions { home } => standing::subscriptions(&home, output).await,
        Event::Follow {
            subscription,
            home,
            into,
            until_idle,
        } => {
            let adapter = act::connect(&home).await?;
            let (into, until) = (into.as_deref(), until_idle);
            Box::pin(follow(&adapter, subscription, (into, until), output)).await
        }
        Event::Status {
            event,
            home,
            dead,
            from,
        } => standing::status(&home, event, (from, dead), output).await,
        Event::Redeliver {
            subscription,
            event,
            home,
        } => redeliver(&home, subscription, event, output).await,
    }
}

async fn publish(publish: PublishEvent, output: Output) -> Result<(), Failure> {
    let data = call::data(&publish.data)?;
    let adapter = act::connect(&publish.home).await?;
    let id = match publish.id {
        Some(id) => id,
        None => adapter.events().new_id().map_err(|error| failure(&error))?,
    };
    let publication = Publication {
        event_id: Some(id),
        service: publish.service,
        operation: publish.operation,
        key: publish.key,
        occurred_at_ms: None,
        payload: data.into(),
    };
    let published = adapter.events().publish(publication).await;
    let published = published.map_err(|error| unpublished(&error, id))?;
    call::settle(&adapter, output).await?;
    let index = published.index;
    let proven = published.receipt.is_some();
    let value = json!({
        "event": id.to_string(),
        "index": index,
        "subscribers": published.subscribers,
        "proven": proven,
    });
    output.show(&value, || {
        output.line(format!(
            "{} {id}  {} {index}  {}",
            output.say("event", "الحدث"),
            output.say("entry", "القيد"),
            match proven {
                true => output.say("proof verified", "تم التحقق من الإثبات"),
                false => output.say("it was told before", "سبق التبليغ به"),
            },
        ));
        output.line(format!(
            "{}{}",
            output.say("told to: ", "يُبلَّغ به: "),
            published.subscribers
        ));
        output.line(format!("mohawel event status {id}"));
    })
}

async fn subscribe(subscribe: Subscribe, output: Output) -> Result<(), Failure> {
    let from_ms = subscribe.from.as_deref().map(ms_of_time).transpose()?;
    if subscribe
        .pause
        .is_some_and(|pause| pause > Duration::from_secs(3_600))
    {
        return Err(Failure::usage("--pause is an hour at most"));
    }
    let mut fields = subscribe.fields;
    fields.sort();
    fields.dedup();
    let adapter = act::connect(&subscribe.home).await?;
    let wanted = Wanted {
        service: subscribe.service,
        operation: subscribe.operation,
        purpose: subscribe.purpose,
        fields,
        from_ms,
        attempts: subscribe.attempts,
        pause: subscribe.pause,
    };
    let subscribed = adapter.events().subscribe(wanted).await;
    let subscribed = subscribed.map_err(|error| failure(&error))?;
    call::settle(&adapter, output).await?;
    let (id, index) = (subscribed.subscription_id, subscribed.receipt.index);
    let value = json!({ "subscription": id.to_string(), "index": index, "proven": true });
    output.show(&value, || {
        output.line(format!(
            "{} {id}  {} {index}  {}",
            output.say("subscription", "الاشتراك"),
            output.say("entry", "القيد"),
            output.say("proof verified", "تم التحقق من الإثبات"),
        ));
        output.line(format!("mohawel event follow {id}"));
    })
}

async fn unsubscribe(home: &Path, id: SubscriptionId, output: Output) -> Result<(), Failure> {
    let adapter = act::connect(home).await?;
    let receipt = adapter.events().unsubscribe(id).await;
    let receipt = match receipt {
        Ok(receipt) => receipt,
        Err(error) => return Err(over(&adapter, id, &error).await),
    };
    call::settle(&adapter, output).await?;
    let value = json!({ "subscription": id.to_string(), "index": receipt.index, "proven": true });
    output.show(&value, || {
        output.line(format!(
            "{id}  {}  {} {}",
            output.say("ended", "انتهى"),
            output.say("entry", "القيد"),
            receipt.index
        ));
    })
}

async fn redeliver(
    home: &Path,
    subscription: SubscriptionId,
    event: Option<EventId>,
    output: Output,
) -> Result<(), Failure> {
    let adapter = act::connect(home).await?;
    let again = adapter.events().redeliver(subscription, event).await;
    let again = match again {
        Ok(again) => again,
        Err(error) => return Err(over(&adapter, subscription, &error).await),
    };
    output.show(&json!({ "events": again }), || {
        output.line(format!(
            "{}{again}",
            output.say("brought again: ", "يُعاد تبليغها: ")
        ));
    })
}

/// Until the caller has enough, or nothing more comes in time.
async fn follow(
    adapter: &Adapter,
    id: SubscriptionId,
    (into, until_idle): (Option<&Path>, Option<Duration>),
    output: Output,
) -> Result<(), Failure> {
    if let Some(folder) = into.filter(|folder| !folder.is_dir()) {
        return Err(Failure::usage(format!("{} is no folder", folder.display())));
    }
    let events = adapter.events();
    loop {
        let wait = until_idle.map_or(WAIT, |idle| idle.min(WAIT));
        let pulled = tokio::select! {
            pulled = events.pull(id, AT_ONCE, wait) => pulled,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let pulled = match pulled {
            Ok(pulled) => pulled,
            Err(error) => return Err(over(adapter, id, &error).await),
        };
        for told in &pulled {
            match into {
                Some(folder) => stock::keep(folder, told)
                    .map_err(|failure| Failure::unavailable(format!("{failure:?}")))?,
                None => show(told, output)?,
            }
        }
        // Only what was printed or written.
        let acknowledged = events.acknowledge(&pulled).await;
        acknowledged.map_err(|error| failure(&error))?;
        if pulled.is_empty() && until_idle.is_some() {
            return call::settle(adapter, output).await;
        }
    }
}

fn show(told: &Told, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.json_line(&told.to_json());
    }
    output.line(format!(
        "{}  {}  {} {}  {}",
        time_of_ms(told.occurred_at_ms),
        isolated(told.publisher.to_string()),
        told.service,
        told.operation,
        String::from_utf8_lossy(&told.payload)
    ));
    Ok(())
}

/// Why an event was not published, or nobody knows whether it was: what is done with its id.
fn unpublished(error: &EventError, id: EventId) -> Failure {
    let next = match error {
        EventError::Transport(_) => [
            format!("Publish it again with --id {id}: nobody is told twice."),
            format!("أعد النشر مع ‎--id {id}‎: فلن يُبلَّغ به أحد مرتين."),
        ],
        EventError::Refused {
            code: Code::Duplicate,
            ..
        } => [
            format!("An event with this id is recorded already: mohawel event status {id}"),
            format!("سُجّل حدث بهذا المعرّف من قبل: mohawel event status {id}"),
        ],
        _ => return failure(error),
    };
    Failure {
        next,
        ..failure(error)
    }
}

/// Why nothing is done with a subscription: of one that the switch does not have any more, how it ended.
async fn over(adapter: &Adapter, id: SubscriptionId, error: &EventError) -> Failure {
    if !matches!(
        error,
        EventError::Refused {
            code: Code::Stale,
            ..
        }
    ) {
        return failure(error);
    }
    let all = adapter.events().subscriptions().await.unwrap_or_default();
    let own = adapter.home().system().to_string();
    let found = all
        .iter()
        .find(|one| one.subscription_id[..] == id.as_bytes()[..] && one.subscriber == own);
    let sentences = match found {
        Some(one) if one.end_index > 0 => {
            let why = match one.end_code.as_str() {
                "" => String::new(),
                code => format!(" ({code})"),
            };
            [
                format!(
                    "This subscription has ended{why}, by entry {} of the log.",
                    one.end_index
                ),
                format!("انتهى هذا الاشتراك{why}، بالقيد {} في السجل.", one.end_index),
            ]
        }
        Some(_) => return failure(error),
        None => [
            format!("{own} has no subscription {id}."),
            format!("ليس لدى {} اشتراك {id}.", isolated(&own)),
        ],
    };
    Failure::new(
        Exit::Refused,
        sentences,
        [
            "mohawel event subscriptions lists them; mohawel event subscribe begins a new one.",
            "يعرضها mohawel event subscriptions، ويبدأ mohawel event subscribe اشتراكًا جديدًا.",
        ],
    )
}

/// Why it did not work, as a person reads it.
fn failure(error: &EventError) -> Failure {
    match error {
        EventError::Unsent(problem) => Failure::usage(problem),
        EventError::Refused { code, clause, .. } => {
            let clause = clause
                .as_ref()
                .map(|clause| format!(" ({clause})"))
                .unwrap_or_default();
            let sentence = |language| format!("{code}{clause}: {}", code.sentence(language));
            Failure::new(
                Exit::Refused,
                [sentence(Language::English), sentence(Language::Arabic)],
                [
                    code.remedy(Language::English),
                    code.remedy(Language::Arabic),
                ],
            )
        }
        EventError::Untrusted(_) | EventError::Distrust(_) => Failure::untrusted(error),
        EventError::Transport(_) | EventError::Sealer(_) => Failure::unavailable(error),
    }
}
