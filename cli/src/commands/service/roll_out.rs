//! `mohawel service roll-out`: a service that another agency has proved becomes live here in one command.
//!
//! Takes a plan (`plan`). Gives, in this order and each only where it is not there yet: the same contract over the own
//! table, looked for column by column before anything is sealed; a providers file; the definition, sealed by this
//! agency's authority; the same agreements. Never takes over a contract that changed since the plan was made, never
//! agrees with somebody whom the plan does not name.

use std::path::{Path, PathBuf};
use std::time::Instant;

use adapters::adapter::Adapter;
use proto::act::ServiceDefinition;
use proto::id::ServiceId;
use proto::registry::{AgreementState, Service as Record};
use serde_json::{Value, json};

use self::agreements::{Standing, Wanted};
use self::plan::Plan;
use self::providing::Providing;
use super::definition::Definition;
use super::review::Review;
use super::{publish_definition, unpublished};
use crate::args::RollOut;
use crate::commands::adapter::serving;
use crate::commands::refused::problems;
use crate::commands::{act, agreement};
use crate::failure::{Exit, Failure};
use crate::output::Output;

mod agreements;
mod plan;
mod probe;
mod providing;
mod store;
mod unfit;

/// One row of what is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    step: &'static str,
    subject: String,
    state: State,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Looked at, and as it should be.
    Same,
    /// It was so before.
    Stands,
    /// Done now.
    Done,
    /// It would be done.
    Would,
    /// The other side has to accept.
    Waits,
}

/// All that is known before anything is done.
#[derive(Debug)]
struct Prepared {
    from: ServiceId,
    source: String,
    service: ServiceDefinition,
    is_published: bool,
    review: Review,
    path: PathBuf,
    providing: Providing,
    agreements: Vec<Wanted>,
}

/// Rolls out what the plan says; with `--serve` serves it until the process is told to stop.
///
/// # Errors
/// A usage failure for a plan, store or contract that do not fit, and then nothing was done; what publishing and
/// agreeing may be refused for.
pub(super) async fn run(asked: RollOut, output: Output) -> Result<(), Failure> {
    let began = Instant::now();
    let plan = Plan::load(&asked.plan)?;
    let path = asked
        .providers
        .clone()
        .unwrap_or_else(|| asked.plan.with_file_name("providers.toml"));
    let adapter = act::connect(&asked.home).await?;
    let prepared = prepare(&adapter, &plan, path).await?;
    if prepared.review.is_breaking() && !asked.care.accept_breaking {
        prepared.review.print(output);
        return Err(prepared.review.refused());
    }
    let steps = if asked.care.dry_run {
        prepared.foreseen()
    } else {
        carry_out(&adapter, &prepared, &asked, output).await?
    };
    drop(adapter);
    tell(
        &prepared,
        &steps,
        &asked,
        began.elapsed().as_secs_f64(),
        output,
    )?;
    if asked.serve {
        return serving::run(&asked.home, &prepared.path, output).await;
    }
    Ok(())
}

/// Reads, compares and probes; changes nothing.
async fn prepare(adapter: &Adapter, plan: &Plan, path: PathBuf) -> Result<Prepared, Failure> {
    let registry = adapter.mirror().snapshot();
    let source = registry
        .service(&plan.from)
        .ok_or_else(|| unpublished(&plan.from))?;
    unchanged(plan, source)?;
    let definition = Definition {
        service: plan.name.clone(),
        name_ar: source.definition.name_ar.clone(),
        name_en: source.definition.name_en.clone(),
        operations: source.definition.operations.clone(),
        owner_contact: plan.owner_contact.clone(),
        sensitivity: source.definition.sensitivity.clone(),
    };
    let now_ms = adapter.clock().now_ms();
    let service = definition.of_system(adapter.home().system(), now_ms);
    let own = service.id();
    if own == plan.from {
        return Err(Failure::usage(format!(
            "{own} is this system's own; there is nothing to roll out"
        )));
    }
    let described =
        store::described(plan, &service).map_err(|found| problems(&plan.path, &found))?;
    probe::probe(plan, &service, &described).await?;
    let providing = providing::providing(plan, described, &path)?;
    let agreements = agreements::wanted(&registry, [&plan.from, &own], &plan.consumers, now_ms)
        .map_err(|found| disagreed(&plan.path, &found))?;
    let is_published = registry.service(&own).is_some_and(|record| {
        let undated = ServiceDefinition {
            issued_at_ms: record.definition.issued_at_ms,
            ..service.clone()
        };
        record.definition == undated
    });
    Ok(Prepared {
        from: plan.from.clone(),
        source: source.contract.to_string(),
        review: Review::of(&registry, service.clone(), now_ms)?,
        service,
        is_published,
        path,
        providing,
        agreements,
    })
}

/// Whether the origin's contract is the one that the plan was made for, and is offered there now.
fn unchanged(plan: &Plan, source: &Record) -> Result<(), Failure> {
    let contract = source.contract.to_string();
    match &plan.contract {
        Some(digits) if !contract.starts_with(digits.as_str()) => Err(Failure::new(
            Exit::Usage,
            [
                format!(
                    "The plan is for contract {digits}, and {} has {} now; nothing was done",
                    plan.from,
                    source.contract.short()
                ),
                format!(
                    "أُعدت الخطة للعقد {digits}، وعقد {} الآن {}؛ ولم يُنفَّذ شيء",
                    plan.from,
                    source.contract.short()
                ),
            ],
            [
                "Look at what changed (`mohawel service show`), and write the new contract into the plan.",
                "راجع ما تغيّر (mohawel service show) ثم اكتب العقد الجديد في الخطة.",
            ],
        )),
        _ => Ok(()),
    }
}

fn disagreed(path: &Path, found: &[[String; 2]]) -> Failure {
    let all = |at: usize| {
        let lines: Vec<_> = found
            .iter()
            .map(|one| format!("{}: {}", path.display(), one[at]))
            .collect();
        lines.join("\n")
    };
    Failure::new(
        Exit::Usage,
        [all(0), all(1)],
        [
            "Take them out of the plan's consumers, or agree with them by hand: `mohawel agreement propose`.",
            "احذفها من ‎consumers‎ في الخطة، أو اتفق معها مباشرة بالأمر mohawel agreement propose.",
        ],
    )
}

impl Prepared {
    /// The steps as they would be done.
    fn foreseen(&self) -> Vec<Step> {
        let would = |stands: bool| if stands { State::Stands } else { State::Would };
        let mut steps = vec![
            self.contract(),
            self.step("providers", would(self.providing == Providing::Stands)),
            self.step("definition", would(self.is_published)),
        ];
        steps.extend(self.agreements.iter().map(|wanted| Step {
            step: "agreement",
            subject: wanted.consumer.clone(),
            state: match wanted.standing {
                Standing::Counts(_) => State::Stands,
                Standing::Waits(_) => State::Waits,
                Standing::Offered(_) | Standing::Missing => State::Would,
            },
        }));
        steps
    }

    fn contract(&self) -> Step {
        Step {
            step: "contract",
            subject: format!("{} {}", self.from, &self.source[..12]),
            state: State::Same,
        }
    }

    fn step(&self, step: &'static str, state: State) -> Step {
        let subject = match step {
            "providers" => self.path.display().to_string(),
            _ => self.service.id().to_string(),
        };
        Step {
            step,
            subject,
            state,
        }
    }

    fn is_all_there(&self) -> bool {
        let settled =
            |wanted: &Wanted| matches!(wanted.standing, Standing::Counts(_) | Standing::Waits(_));
        self.is_published && self.agreements.iter().all(settled)
    }
}

/// Does what is not there yet. The providers file comes first: a definition without one would answer nobody.
async fn carry_out(
    adapter: &Adapter,
    prepared: &Prepared,
    asked: &RollOut,
    output: Output,
) -> Result<Vec<Step>, Failure> {
    let mut steps = prepared.foreseen();
    if let Providing::Writes(text) = &prepared.providing {
        replace(&prepared.path, text)?;
    }
    if prepared.is_all_there() {
        done(&mut steps[1]);
        return Ok(steps);
    }
    let authority = act::authority(&asked.home, &asked.authority, output)?;
    if !prepared.is_published {
        publish_definition(adapter, &authority, prepared.service.clone()).await?;
    }
    steps[1..3].iter_mut().for_each(done);
    for (wanted, step) in prepared.agreements.iter().zip(&mut steps[3..]) {
        let id = match wanted.standing {
            Standing::Counts(_) | Standing::Waits(_) => continue,
            Standing::Offered(id) => {
                Box::pin(agreement::accept(adapter, &authority, &id))
                    .await?
                    .id
            }
            Standing::Missing => {
                Box::pin(agreement::propose(adapter, &authority, &wanted.terms))
                    .await?
                    .id
            }
        };
        let registry = adapter.mirror().snapshot();
        let counts = registry
            .agreement(&id)
            .is_some_and(|record| record.state == AgreementState::Active);
        step.state = if counts { State::Done } else { State::Waits };
    }
    Ok(steps)
}

fn done(step: &mut Step) {
    if step.state == State::Would {
        step.state = State::Done;
    }
}

/// Puts `text` in the file's place, whole.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // What could not be put in its place is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        crate::commands::switch_dir::in_file(path, error)
    })
}

fn tell(
    prepared: &Prepared,
    steps: &[Step],
    asked: &RollOut,
    seconds: f64,
    output: Output,
) -> Result<(), Failure> {
    let waits = steps.iter().any(|step| step.state == State::Waits);
    let rows = steps.iter().map(
        |step| json!({ "step": step.step, "subject": step.subject, "state": step.state.words().0 }),
    );
    let value = json!({
        "service": prepared.service.id().to_string(),
        "from": prepared.from.to_string(),
        "contract": prepared.source,
        "dry_run": asked.care.dry_run,
        "waits": waits,
        "steps": rows.collect::<Vec<Value>>(),
        "seconds": seconds,
    });
    output.show(&value, || {
        prepared.review.print(output);
        let heading = [
            output.say("step", "الخطوة"),
            output.say("what", "الموضوع"),
            output.say("state", "الحالة"),
        ];
        let rows = steps.iter().map(|step| {
            let (_, english, arabic) = step.state.words();
            let [name_en, name_ar] = step.names();
            [
                output.say(name_en, name_ar).to_owned(),
                step.subject.clone(),
                output.say(english, arabic).to_owned(),
            ]
        });
        output.table(heading, rows);
        output.line(output.say(
            &format!("{seconds:.1} seconds"),
            &format!("المدة {seconds:.1} ثانية"),
        ));
        if waits {
            output.line(output.say(
                "What waits is accepted by the other agency: mohawel agreement accept ID.",
                "ما ينتظر تقبله الجهة الأخرى بالأمر mohawel agreement accept ID.",
            ));
        }
        if !asked.serve && !asked.care.dry_run {
            output.line(format!(
                "{}: mohawel adapter run --home {} --providers {}",
                output.say("Serve it with", "شغّل الخدمة بالأمر"),
                asked.home.display(),
                prepared.path.display()
            ));
        }
    })
}

impl Step {
    fn names(&self) -> [&'static str; 2] {
        match self.step {
            "contract" => ["contract", "العقد"],
            "providers" => ["providers file", "ملف المزوّدين"],
            "definition" => ["definition", "التعريف"],
            _ => ["agreement", "الاتفاقية"],
        }
    }
}

impl State {
    /// For machines, in English, in Arabic.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Same => (
                "same",
                "the same; every column is there, of its type",
                "مطابق، وكل الأعمدة موجودة بأنواعها",
            ),
            Self::Stands => ("stands", "there already", "قائمة من قبل"),
            Self::Done => ("done", "done", "تمت"),
            Self::Would => ("would", "would be done", "ستتم"),
            Self::Waits => ("waits", "waits for the other side", "تنتظر الطرف الآخر"),
        }
    }
}

#[cfg(test)]
mod tests;
