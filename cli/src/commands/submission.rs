//! `mohawel submission`: leave a question for a provider that may not be there, and collect its answer later.

use std::path::Path;
use std::time::Duration;

use adapters::consumer::{Answer, Collected, ExchangeError, Kept, Submitted};
use adapters::{Consumer, subjects};
use proto::id::ExchangeId;
use proto::wire::exchange::v1::{Submission as Standing, SubmissionState as State};
use serde_json::{Value, json};

use super::new_file::NewFile;
use super::{act, call};
use crate::args::{SendSubmission, Submission};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Runs one of its words.
///
/// # Errors
/// As `mohawel call`; [`Exit::Found`] where something asked for is not there yet.
pub async fn run(submission: Submission, output: Output) -> Result<(), Failure> {
    match submission {
        Submission::Send(send) => self::send(*send, output).await,
        Submission::Collect {
            exchange,
            home,
            wait,
            out,
        } => {
            let consumer = act::connect(&home).await?.consumer();
            let (which, out) = (exchange, out.as_deref());
            Box::pin(collect(&consumer, &home, which, (wait, out), output)).await
        }
        Submission::List { home } => list(&home, output).await,
        Submission::Withdraw { exchange, home } => withdraw(&home, exchange, output).await,
        Submission::Again { exchange, home } => {
            let consumer = act::connect(&home).await?.consumer();
            let sent = consumer.submit_again(exchange).await;
            submitted(sent, output)
        }
    }
}

async fn send(send: SendSubmission, output: Output) -> Result<(), Failure> {
    let data = call::data(&send.data)?;
    let adapter = act::connect(&send.home).await?;
    let consumer = adapter.consumer();
    let mut ask = consumer
        .ask(send.service.as_str())
        .operation(send.operation.as_str())
        .purpose(send.purpose.as_str())
        .fields(send.fields.iter().map(|field| field.as_str()))
        .payload("application/json", data);
    if let Some(name) = &send.actor {
        let actor = subjects::clerk(adapter.home(), name).map_err(Failure::usage)?;
        ask = ask.actor(actor);
    }
    if let Some(case) = send.case {
        ask = ask.case_reference(case);
    }
    let sent = Box::pin(ask.submit(send.within)).await;
    if sent.is_ok() {
        call::settle(&adapter, output).await?;
    }
    submitted(sent, output)
}

fn submitted(sent: Result<Submitted, ExchangeError>, output: Output) -> Result<(), Failure> {
    let submitted = sent.map_err(|error| not_sent(&error))?;
    let standing = &submitted.standing;
    let mut value = to_json(standing);
    value["proven"] = submitted.receipt.is_some().into();
    output.show(&value, || {
        let proof = match &submitted.receipt {
            Some(receipt) => format!(
                "{} {}  {}",
                output.say("entry", "القيد"),
                receipt.index,
                output.say("proof verified", "تم التحقق من الإثبات"),
            ),
            None => output
                .say("it was there already", "كان محفوظًا من قبل")
                .to_owned(),
        };
        output.line(format!(
            "{} {}  {proof}",
            output.say("submission", "الطلب المودع"),
            submitted.exchange_id,
        ));
        output.line(format!(
            "{}  {} {}",
            state(standing, output),
            output.say("until", "حتى"),
            time_of_ms(standing.expires_at_ms),
        ));
        output.line(format!(
            "{} mohawel submission collect {}",
            output.say("its answer:", "إجابته:"),
            submitted.exchange_id
        ));
    })
}

async fn collect(
    consumer: &Consumer,
    home: &Path,
    exchange: Option<ExchangeId>,
    (wait, out): (Duration, Option<&Path>),
    output: Output,
) -> Result<(), Failure> {
    let all = match exchange {
        Some(exchange) => vec![exchange],
        None => Kept::all(home),
    };
    let one = exchange.is_some();
    let (mut values, mut waiting, mut failed) = (Vec::new(), 0, None);
    for exchange in all {
        match Box::pin(consumer.collect(exchange, wait)).await {
            Ok(Collected::Answered(answer)) => {
                call::settle(consumer.adapter(), output).await?;
                let (value, pretty) = call::shown(&answer, None)?;
                given(&answer, &value, &pretty, (out, one), output)?;
                values.push(value);
            }
            Ok(Collected::Not(standing)) => {
                waiting += 1;
                if !output.json {
                    output.line(format!("{exchange}  {}", state(&standing, output)));
                }
                values.push(to_json(&standing));
            }
            Err(error) if one => {
                if output.json {
                    output.show(&call::told::error_json(&error, None), || {})?;
                }
                return Err(call::failure(&error));
            }
            Err(error) => {
                let told = call::failure(&error);
                output.note(format!(
                    "{exchange}: {}",
                    output.say(&told.what[0], &told.what[1])
                ));
                values.push(call::told::error_json(&error, None));
                failed.get_or_insert(told);
            }
        }
    }
    if output.json {
        match (one, values.pop()) {
            (true, Some(value)) => output.show(&value, || {})?,
            (_, last) => {
                values.extend(last);
                output.show(&values, || {})?;
            }
        }
    } else if values.is_empty() {
        output.line(output.say(
            "This home keeps no submission.",
            "لا يحتفظ هذا المجلد بأي طلب مودع.",
        ));
    }
    match (failed, waiting) {
        (Some(failed), _) => Err(failed),
        (None, 0) => Ok(()),
        (None, waiting) => Err(Failure::new(
            Exit::Found,
            [
                format!("{waiting} not answered yet"),
                format!("لم تصل الإجابة بعد: {waiting}"),
            ],
            [
                "Collect again later, or wait for it with --wait.",
                "اجمع الإجابات لاحقًا، أو انتظرها بالخيار ‎--wait‎.",
            ],
        )),
    }
}

/// Prints one answer, or writes it where the caller wants it.
fn given(
    answer: &Answer,
    value: &Value,
    pretty: &str,
    (out, one): (Option<&Path>, bool),
    output: Output,
) -> Result<(), Failure> {
    if let Some(folder) = out {
        let path = folder.join(format!("{}.json", answer.exchange_id));
        let text = serde_json::to_vec_pretty(value).map_err(Failure::unavailable)?;
        NewFile::at(&path, 0o600)?.write(&text)?;
        if !output.json {
            output.line(path.display().to_string());
        }
        return Ok(());
    }
    if !output.json {
        output.line(pretty);
        call::proved(answer, output);
        if !one {
            output.line("");
        }
    }
    Ok(())
}

async fn list(home: &Path, output: Output) -> Result<(), Failure> {
    let consumer = act::connect(home).await?.consumer();
    let all = consumer.submissions().await.map_err(|status| {
        Failure::unavailable(format!("{:?}: {}", status.code(), status.message()))
    })?;
    let value: Vec<Value> = all.iter().map(to_json).collect();
    output.show(&value, || {
        let rows = all.iter().map(|standing| {
            [
                id(standing),
                format!("{} {}", standing.service, standing.operation),
                state(standing, output),
                standing.attempts.to_string(),
                time_of_ms(standing.submitted_at_ms),
                time_of_ms(standing.expires_at_ms),
            ]
        });
        let heading = [
            output.say("exchange", "التبادل"),
            output.say("asked", "المطلوب"),
            output.say("state", "الحالة"),
            output.say("tries", "المحاولات"),
            output.say("submitted", "أُودع"),
            output.say("until", "حتى"),
        ];
        output.table(heading, rows);
    })
}

async fn withdraw(home: &Path, exchange: ExchangeId, output: Output) -> Result<(), Failure> {
    let consumer = act::connect(home).await?.consumer();
    let receipt = consumer
        .withdraw(exchange)
        .await
        .map_err(|error| call::failure(&error))?;
    let value = json!({
        "exchange_id": exchange.to_string(),
        "outcome": "cancelled",
        "closing_index": receipt.index,
        "proven": true,
    });
    output.show(&value, || {
        output.line(format!(
            "{exchange}  {}  {} {}",
            output.say("withdrawn", "سُحب"),
            output.say("entry", "القيد"),
            receipt.index
        ));
    })
}

/// Why it was not left; where nobody knows, how to send the same again.
fn not_sent(error: &ExchangeError) -> Failure {
    let mut failure = call::failure(error);
    if let (ExchangeError::Transport { .. }, Some(attempt)) = (error, error.attempt()) {
        let id = attempt.exchange_id;
        failure.next = [
            format!("This home keeps it. Send the very same with `mohawel submission again {id}`."),
            format!("يحتفظ به هذا المجلد. أرسله نفسه بالأمر mohawel submission again {id}"),
        ];
    }
    failure
}

fn id(standing: &Standing) -> String {
    ExchangeId::from_slice(&standing.exchange_id).map_or_else(String::new, |id| id.to_string())
}

fn state(standing: &Standing, output: Output) -> String {
    match standing.state() {
        State::Waiting if standing.next_at_ms > 0 => format!(
            "{} {}",
            output.say("not now; asked again at", "ليس الآن؛ يُسأل مجددًا في"),
            time_of_ms(standing.next_at_ms)
        ),
        State::Waiting => format!(
            "{}{}",
            output.say("waiting, before it: ", "ينتظر، وقبله: "),
            standing.before
        ),
        State::Asked => output.say("with the provider", "لدى المزوّد").to_owned(),
        State::Answered => output
            .say("answered, to be collected", "أُجيب، وينتظر الاستلام")
            .to_owned(),
        State::Collected => output.say("collected", "تم استلامه").to_owned(),
        State::Ended => format!(
            "{} ({})",
            output.say("ended without an answer", "انتهى بلا إجابة"),
            standing.outcome
        ),
        State::Unspecified => output.say("not known here", "غير معروف هنا").to_owned(),
    }
}

fn to_json(standing: &Standing) -> Value {
    let state = match standing.state() {
        State::Waiting => "waiting",
        State::Asked => "asked",
        State::Answered => "answered",
        State::Collected => "collected",
        State::Ended => "ended",
        State::Unspecified => "unknown",
    };
    let index = |index: u64| (index > 0).then_some(index);
    json!({
        "exchange_id": id(standing),
        "service": standing.service,
        "operation": standing.operation,
        "state": state,
        "before": standing.before,
        "attempts": standing.attempts,
        "submitted_at": time_of_ms(standing.submitted_at_ms),
        "expires_at": time_of_ms(standing.expires_at_ms),
        "next_at": (standing.next_at_ms > 0).then(|| time_of_ms(standing.next_at_ms)),
        "request_index": index(standing.request_index),
        "closing_index": index(standing.closing_index),
        "outcome": (!standing.outcome.is_empty()).then_some(&standing.outcome),
    })
}
