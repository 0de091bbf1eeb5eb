//! `mohawel batch`: one question for each line of a file; this home's batches, and the proof of one item.
//!
//! ```text
//! run          items → segments → results, in order; again under the same name: what is left
//! list, show   the notebooks in the home's journal
//! prove        one item with its result, out of the journal; verify: that proof against a log directory
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use adapters::Home;
use adapters::batch::{
    BatchError, Counts, Cut, Known, Notebook, NotebookError, Notebooks, Opening, Outcome, Question,
    Settings, run as run_batch,
};
use adapters::subjects;
use audit::clock::Clock;
use proto::commitment::Salt;
use serde_json::json;

use super::act;
use super::call::{failure, kept, settle};
use super::signal::Stop;
use crate::args::{Batch, RunBatch};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use input::Input;
use results::Table;

mod input;
mod pages;
mod proof;
mod results;

/// Runs the command.
///
/// # Errors
/// A file or option that is wrong ends with 2; a batch that came back, but not with a result that holds for each item, with
/// 1, as one that was stopped; a refusal with 3, an answer that is not trusted with 4, a switch that is not reached with 5.
pub async fn run(batch: Batch, output: Output) -> Result<(), Failure> {
    match batch {
        Batch::Run(batch) => Box::pin(run_file(*batch, output)).await,
        Batch::List { home } => pages::list(&home, output),
        Batch::Show { batch, home } => pages::show(&home, &batch, output),
        Batch::Prove {
            batch,
            item,
            home,
            out,
        } => proof::prove(&home, (&batch, item), &out, output),
        Batch::Verify { file, log } => proof::verify(&file, &log, output),
    }
}

async fn run_file(batch: RunBatch, output: Output) -> Result<(), Failure> {
    let input = Input::of(&batch.file, batch.operation.as_str(), batch.bare);
    let input = input.map_err(Failure::usage)?;
    let in_file = |error| Failure::usage(format!("{}: {error}", batch.file.display()));
    let columns = input.columns().map_err(in_file)?;
    let home = Home::open(&batch.home).map_err(Failure::usage)?;
    let actor = batch
        .actor
        .as_ref()
        .map(|name| subjects::clerk(&home, name));
    let actor = actor.transpose().map_err(Failure::usage)?;
    let mut notebook = notebook(&batch, &home, &input, output)?;
    let to_place = |error| Failure::usage(format!("{}: {error}", batch.out.display()));
    if batch.out.symlink_metadata().is_ok() {
        return match notebook.known().is_complete() {
            true => told(notebook.known(), None, output),
            false => Err(to_place(std::io::Error::other(
                "is there already and is not written over",
            ))),
        };
    }
    let fields = notebook.known().question.fields.clone();
    let mut table = Table::at(&batch.out, columns, fields).map_err(to_place)?;
    let adapter = act::connect(&batch.home).await?;
    let settings = Settings {
        window: batch.window as usize,
        deadline: Duration::from_millis(u64::from(batch.deadline_ms)),
        retries: batch.retries,
        actor,
    };
    let stop = Stop::listen()?;
    let bar = output.progress(notebook.known().cut.total, "items", "البنود");
    let mut on_progress = |done| bar.set_position(done);
    let (consumer, began) = (adapter.consumer(), Instant::now());
    let running = run_batch(
        &consumer,
        &mut notebook,
        &settings,
        &input,
        &mut table,
        &mut on_progress,
    );
    let ended = tokio::select! {
        ended = running => Some(ended),
        () = stop.wait() => None,
    };
    bar.finish_and_clear();
    kept(&adapter, output).await;
    let Some(ended) = ended else {
        return Err(stopped(notebook.known()));
    };
    let outcome = ended.map_err(|error| of_batch(&error, notebook.known()))?;
    settle(&adapter, output).await?;
    table.finish().map_err(to_place)?;
    told(notebook.known(), Some((outcome, began.elapsed())), output)
}

/// The notebook: a new one, or the one of that name when it is of the same batch.
fn notebook(
    batch: &RunBatch,
    home: &Home,
    input: &Input,
    output: Output,
) -> Result<Notebook, Failure> {
    let books = Notebooks::of(home);
    let out = std::path::absolute(&batch.out).map_err(Failure::usage)?;
    let question = Question {
        service: batch.service.to_string(),
        operation: batch.operation.to_string(),
        purpose: batch.purpose.to_string(),
        fields: batch.fields.iter().map(ToString::to_string).collect(),
        content_type: "application/json".to_owned(),
    };
    if let Some(known) = books.find(&batch.name).map_err(of_notebook)? {
        let other = |what| Err(of_notebook(NotebookError::Other(what)));
        if known.question != question {
            return other("it asks something else");
        }
        if known.cut.segment != batch.segment {
            return other("its segments have another size");
        }
        if known.out != out {
            return other("its results go to another file");
        }
        return books.open(&batch.name).map_err(of_notebook);
    }
    output.note(output.say(
        "reading the items once, for their root",
        "قراءة البنود مرة لحساب جذرها",
    ));
    let salt = Salt::random().map_err(Failure::unavailable)?;
    let cut = Cut::of(input, &salt, batch.segment).map_err(|error| match error {
        BatchError::Source(error) => Failure::usage(format!("{}: {error}", batch.file.display())),
        error => Failure::usage(format!("{}: {error}", batch.file.display())),
    })?;
    let opening = Opening {
        name: batch.name.clone(),
        question,
        out,
        salt,
        cut,
        begun_ms: Clock::System.now_ms(),
    };
    books.begin(&opening).map_err(of_notebook)
}

/// What came of it: counts, entries, speed.
fn told(known: &Known, run: Option<(Outcome, Duration)>, output: Output) -> Result<(), Failure> {
    let counts = known.counts();
    let seconds = run.map(|(_, took)| took.as_secs_f64());
    let items = run.map_or(0, |(outcome, _)| outcome.items);
    let rate = seconds.map(|seconds| items as f64 / seconds.max(1e-6));
    let mut value = pages::head(known);
    value["this_run"] = json!({ "items": items, "seconds": seconds, "items_per_second": rate });
    output.show(&value, || {
        pages::counts(&counts, output);
        output.line(format!(
            "{} {} ({})",
            output.say("results:", "النتائج:"),
            known.out.display(),
            output.say("in the order of the items", "بترتيب البنود"),
        ));
        if let Some(rate) = rate.filter(|_| items > 0) {
            output.line(format!(
                "{} {items} · {:.1} s · {rate:.0}/s",
                output.say("in this run:", "في هذا التشغيل:"),
                seconds.unwrap_or_default(),
            ));
        }
        pages::in_the_log(known, output);
    })?;
    match counts.unfinished() + counts.invalid {
        0 => Ok(()),
        some => Err(in_part(some, &counts)),
    }
}

fn in_part(some: u64, counts: &Counts) -> Failure {
    Failure::new(
        Exit::Found,
        [
            format!(
                "{some} of {} items have no result that counts",
                counts.total()
            ),
            format!("{some} من {} بندًا بلا نتيجة يُعتدّ بها", counts.total()),
        ],
        [
            "Their status stands in the results: correct what is invalid_request, ask again for what is failed or unavailable, in a new batch.",
            "حالتها مكتوبة في النتائج: صحّح ما هو invalid_request، واسأل ثانية عمّا هو failed أو unavailable في دفعة جديدة.",
        ],
    )
}

fn stopped(known: &Known) -> Failure {
    let (done, total) = (known.counts().total(), known.cut.total);
    Failure::new(
        Exit::Found,
        [
            format!("Stopped: {done} of {total} items are done"),
            format!("أُوقفت الدفعة: أُنجز {done} من {total} بندًا"),
        ],
        GOES_ON,
    )
}

const GOES_ON: [&str; 2] = [
    "Run the same command again: it goes on where it stopped, and nothing is asked twice.",
    "أعد تشغيل الأمر نفسه: فيكمل من حيث توقف ولا يُسأل عن شيء مرتين.",
];

/// Why it stopped, with how far it came.
fn of_batch(error: &BatchError, known: &Known) -> Failure {
    let mut told = match error {
        BatchError::Exchange { cause, .. } => failure(cause),
        BatchError::Changed(_) | BatchError::Empty | BatchError::Segment(_) => {
            return Failure::usage(error);
        }
        BatchError::Source(_) | BatchError::Sink(_) | BatchError::Notebook(_) => {
            Failure::usage(error)
        }
        BatchError::Broken(_) => Failure::unavailable(error),
    };
    let (done, total) = (known.counts().total(), known.cut.total);
    told.what[0] = format!("{} ({done} of {total} items are done)", told.what[0]);
    told.what[1] = format!("{} (أُنجز {done} من {total} بندًا)", told.what[1]);
    for (next, goes_on) in told.next.iter_mut().zip(GOES_ON) {
        *next = match next.is_empty() {
            true => goes_on.to_owned(),
            false => format!("{next} {goes_on}"),
        };
    }
    told
}

fn of_notebook(error: NotebookError) -> Failure {
    match error {
        NotebookError::Busy(name) => Failure::new(
            Exit::Unavailable,
            [
                format!("The batch {name} is being run by another process"),
                format!("الدفعة {name} قيد التشغيل في عملية أخرى"),
            ],
            [
                "Wait until that one has ended, then run it again.",
                "انتظر حتى تنتهي تلك العملية ثم أعد التشغيل.",
            ],
        ),
        NotebookError::Io { .. } => Failure::unavailable(error),
        error => Failure::usage(error),
    }
}

/// A batch by its name.
fn found(home: &Path, name: &str) -> Result<(Home, Known), Failure> {
    let home = Home::open(home).map_err(Failure::usage)?;
    let known = Notebooks::of(&home).find(name).map_err(of_notebook)?;
    let known = known.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            [
                format!("This home has no batch named {name}"),
                format!("لا توجد في هذا المجلد دفعة باسم {name}"),
            ],
            [
                "List them: mohawel batch list",
                "اعرضها بالأمر: mohawel batch list",
            ],
        )
    })?;
    Ok((home, known))
}
