//! `mohawel compose`: one case over several agencies, as a file declares it; and this home's cases.
//!
//! ```text
//! check   the file's mistakes, and what the registry would refuse, each with its place
//! run     every part asked, answers side by side, why where there is none
//! list, show, forget   the pages of cases in the home's journal
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use adapters::Home;
use adapters::adapter::Adapter;
use adapters::compose::{
    Book, BookError, ComposeError, Composition, Event, Inputs, Outcome, Problem, Run, What,
    problems_in, run as run_parts,
};
use adapters::subjects;
use serde_json::{Value, json};

use super::act;
use super::call::{kept, proof, settle};
use super::new_file::NewFile;
use crate::args::{Compose, RunCase};
use crate::failure::{Exit, Failure};
use crate::output::Output;

mod pages;
mod told;

/// Runs the command.
///
/// # Errors
/// A file or input that is wrong ends with 2, a case that came back in part with 1, one without any answer with 3, an
/// answer that is not trusted with 4, a switch that is not reached with 5.
pub async fn run(compose: Compose, output: Output) -> Result<(), Failure> {
    match compose {
        Compose::Check { file, home } => check(&file, home.as_deref(), output).await,
        Compose::Run(case) => Box::pin(run_case(case, output)).await,
        Compose::List { home } => pages::list(&home, output),
        Compose::Show { case, home } => pages::show(&home, &case, output),
        Compose::Forget { case, ground, home } => {
            Box::pin(pages::forget(&home, &case, ground.as_ref(), output)).await
        }
    }
}

async fn check(file: &Path, home: Option<&Path>, output: Output) -> Result<(), Failure> {
    let mut exit = Exit::Usage;
    let (composition, mut problems) = match Composition::load(file) {
        Ok(composition) => (Some(composition), Vec::new()),
        Err(ComposeError::Problems(problems)) => (None, problems),
        Err(error) => return Err(Failure::usage(error)),
    };
    if let (Some(composition), Some(home)) = (&composition, home) {
        let adapter = act::connect(home).await?;
        problems = refusals(composition, &adapter);
        exit = Exit::Found;
    }
    let value = json!({
        "file": file.display().to_string(),
        "composition": composition.as_ref().map(|composition| composition.name.to_string()),
        "parts": composition.as_ref().map(|composition| composition.parts.len()),
        "registry_asked": composition.is_some() && home.is_some(),
        "problems": problems.iter().map(told::problem_json).collect::<Vec<_>>(),
    });
    output.show(&value, || {
        if let (Some(composition), true) = (&composition, problems.is_empty()) {
            told::declared(composition, output);
        }
    })?;
    match problems.is_empty() {
        true => Ok(()),
        false => Err(wrong(exit, file, &problems)),
    }
}

/// What the registry would refuse now.
fn refusals(composition: &Composition, adapter: &Adapter) -> Vec<Problem> {
    let registry = adapter.mirror().snapshot();
    let (system, now_ms) = (adapter.home().system(), adapter.clock().now_ms());
    problems_in(composition, &registry, system, now_ms)
}

async fn run_case(case: RunCase, output: Output) -> Result<(), Failure> {
    let wrong_file = |problems: Vec<Problem>| wrong(Exit::Usage, &case.file, &problems);
    let composition = Composition::load(&case.file).map_err(|error| match error {
        ComposeError::Problems(problems) => wrong_file(problems),
        error => Failure::usage(error),
    })?;
    let inputs = given(&composition, &case).map_err(wrong_file)?;
    let receipts = case.receipts.as_deref();
    let receipts = receipts.map(|dir| receipt_files(dir, &composition));
    let receipts = receipts.transpose()?;
    let home = Home::open(&case.home).map_err(Failure::usage)?;
    let actor = case.actor.as_ref().map(|name| subjects::clerk(&home, name));
    let actor = actor.transpose().map_err(Failure::usage)?;
    let now_ms = audit::clock::Clock::System.now_ms();
    let mut page = Book::of(&home).open(&case.case, now_ms).map_err(of_book)?;
    let adapter = act::connect(&case.home).await?;
    let refused = refusals(&composition, &adapter);
    if case.strict && !refused.is_empty() {
        return Err(wrong(Exit::Refused, &case.file, &refused));
    }
    for problem in &refused {
        output.note(told::problem_line(&case.file, problem, output.language));
    }
    let composition = Arc::new(composition);
    let to_run = Run {
        composition: Arc::clone(&composition),
        inputs,
        actor,
        again: case.again.iter().cloned().collect(),
    };
    let bar = output.progress(composition.parts.len() as u64, "parts", "الأجزاء");
    let mut on_event = |event| {
        if let Event::Ended(_) = event {
            bar.inc(1);
        }
    };
    let outcomes = run_parts(&adapter.consumer(), &to_run, &mut page, &mut on_event).await;
    bar.finish_and_clear();
    settle(&adapter, output).await?;
    kept(&adapter, output).await;
    let written = receipts.map(|files| write_receipts(files, &outcomes));
    let told = told::Told {
        composition: &composition,
        case: page.case(),
        actor,
        outcomes: &outcomes,
        output,
    };
    output.show(&told.json(), || told.print())?;
    written.transpose()?;
    told.ending()
}

/// The inputs, and whether what else the composition wants is there.
fn given(composition: &Composition, case: &RunCase) -> Result<Inputs, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut say = |what| {
        problems.push(Problem {
            at: Default::default(),
            what,
        });
    };
    let mut by_name = BTreeMap::new();
    for (name, value) in &case.inputs {
        if by_name.insert(name.clone(), value.clone()).is_some() {
            let name = name.clone();
            say(What::Twice {
                what: "--input",
                name,
            });
        }
    }
    if composition.actor_required && case.actor.is_none() {
        say(What::NoActor);
    }
    let parts = &composition.parts;
    for name in &case.again {
        if !parts.iter().any(|part| part.name.as_str() == name) {
            say(What::NoPart(name.clone()));
        }
    }
    match Inputs::read(composition, &by_name) {
        Ok(inputs) if problems.is_empty() => Ok(inputs),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// A file for the receipt of each part, tried before anything is sent.
fn receipt_files(dir: &Path, composition: &Composition) -> Result<Vec<NewFile>, Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::usage(format!("{}: {error}", dir.display())))?;
    let parts = composition.parts.iter();
    parts
        .map(|part| NewFile::at(&dir.join(format!("{}.receipt", part.name)), 0o644))
        .collect()
}

fn write_receipts(files: Vec<NewFile>, outcomes: &[Outcome]) -> Result<(), Failure> {
    for (file, outcome) in files.into_iter().zip(outcomes) {
        if let adapters::compose::End::Answered { answer, .. } = &outcome.end {
            file.write(&proof(&answer.receipt, &answer.envelope)?)?;
        }
    }
    Ok(())
}

/// All that is wrong, in both languages, each with its place.
fn wrong(exit: Exit, file: &Path, problems: &[Problem]) -> Failure {
    use proto::refusal::Language::{Arabic, English};
    let lines = |language| {
        let lines = problems
            .iter()
            .map(|problem| told::problem_line(file, problem, language));
        lines.collect::<Vec<_>>().join("\n")
    };
    Failure::new(
        exit,
        [lines(English), lines(Arabic)],
        [
            "Nothing was sent. Correct it and run the command again.",
            "لم يُرسل شيء. صحّح ذلك ثم أعد تشغيل الأمر.",
        ],
    )
}

fn of_book(error: BookError) -> Failure {
    match error {
        BookError::Busy(case) => Failure::new(
            Exit::Unavailable,
            [
                format!("The case {case} is being run by another process"),
                format!("الحالة {case} قيد التشغيل في عملية أخرى"),
            ],
            [
                "Wait until that one has ended, then run it again: nothing is done twice.",
                "انتظر حتى تنتهي تلك العملية ثم أعد التشغيل: فلا يُنفَّذ شيء مرتين.",
            ],
        ),
        BookError::Case(error) => Failure::usage(error),
        error => Failure::unavailable(error),
    }
}

/// A JSON value as a person reads it.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
