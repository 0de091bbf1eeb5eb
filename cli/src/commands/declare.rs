//! `mohawel plan`, `apply` and `export`: a directory of TOML files describes what the registry should hold.
//!
//! | file | keys |
//! |---|---|
//! | `purposes.toml` | `[[purposes]]` code, name_ar, name_en, legal_basis_ar, legal_basis_en, ended |
//! | `roles.toml` | `[[people]]` role, name, key (hex SubjectPublicKeyInfo) or fingerprint, ended |
//! | `policy.toml` | two_operators |
//! | `agencies/*.toml` | agency, name_ar, name_en, suspended, reason, daily_quota, `[[systems]]` name, adapters, `[[services]]` system, name, operations |
//! | `agreements.toml` | `[[agreements]]` consumer, provider |
//!
//! What a directory does not mention stays as it is. Operators seal what they can; what only agencies can seal is a
//! request that waits for them.
//!
//! [`read`] makes [`described`] of the [`files`], [`difference`] compares it with a registry, [`mod@apply`] acts, [`tell`]
//! prints, [`mod@export`] writes the same files.

use std::io::IsTerminal as _;
use std::path::Path;

use serde_json::json;

use super::operate;
use super::registry;
use super::switch_dir::SwitchDir;
use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub mod apply;
pub mod described;
pub mod difference;
pub mod export;
mod files;
pub mod read;
pub mod tell;

#[cfg(test)]
mod tests;

/// Runs `mohawel plan`.
///
/// # Errors
/// [`Exit::Found`] when something differs; a usage failure with every mistake of the directory.
pub async fn plan(plan: args::Plan, output: Output) -> Result<(), Failure> {
    let described = read::directory(&plan.dir)?;
    let registry = registry::read(&plan.source).await?;
    let plan = difference::now(&described, &registry);
    output.show(&tell::plan_json(&plan, registry.policy()), || {
        tell::plan(&plan, registry.policy(), output);
    })?;
    match plan.differences.len() {
        0 => Ok(()),
        many => Err(Failure::new(
            Exit::Found,
            [
                format!("{many} difference(s)"),
                format!("عدد الفروق: {many}"),
            ],
            [
                "`mohawel apply` carries out what operators can seal.",
                "ينفّذ الأمر mohawel apply ما يستطيع المشغّلون ختمه.",
            ],
        )),
    }
}

/// Runs `mohawel apply`.
///
/// # Errors
/// What stopped it, after saying how far it came; a usage failure before anything was done.
pub async fn apply(wish: args::ApplyPlan, output: Output) -> Result<(), Failure> {
    let described = read::directory(&wish.dir)?;
    let registry = operate::registry_of(&wish.acting).await?;
    let plan = difference::now(&described, &registry);
    let order = apply::order(&plan, &wish)?;
    if !order.is_empty() {
        if !output.json {
            tell::plan(&plan, registry.policy(), output);
        }
        agreed(wish.yes, output)?;
    }
    let outcome = if order.is_empty() {
        apply::Outcome::default()
    } else {
        let operator = operate::open(&wish.acting)?;
        apply::carry_out(&operator, registry.policy(), order, &wish).await
    };
    let log = SwitchDir::new(&wish.acting.switch).log();
    if let Some(last) = outcome.done.iter().map(|done| done.index).max()
        && !apply::published(&log, last).await
    {
        output.note(output.say(
            "The published log does not show all of it yet; wait before you plan again.",
            "السجل المنشور لا يبيّن كل ذلك بعد؛ انتظر قبل التخطيط من جديد.",
        ));
    }
    let after = operate::registry_of(&wish.acting).await?;
    let left = difference::now(&described, &after);
    let value = tell::outcome_json(&outcome, &left, after.policy());
    output.show(&value, || {
        tell::outcome(&outcome, &left, after.policy(), output)
    })?;
    outcome.failure.map_or(Ok(()), |failure| {
        Err(Failure {
            next: [
                format!(
                    "{} What is listed as done stays; run the command again to go on.",
                    failure.next[0]
                ),
                format!(
                    "{} ما ذُكر أنه نُفّذ يبقى؛ أعد تشغيل الأمر للمتابعة.",
                    failure.next[1]
                ),
            ],
            ..failure
        })
    })
}

/// Runs `mohawel export`.
///
/// # Errors
/// A usage failure for a folder that is not empty; that it cannot be written.
pub async fn export(wish: args::Export, output: Output) -> Result<(), Failure> {
    let registry = registry::read(&wish.source).await?;
    let files = export::write(&registry, &wish.dir)?;
    let value = json!({ "dir": wish.dir.display().to_string(), "files": files });
    output.show(&value, || {
        output.line(format!(
            "{} {} ({files})",
            output.say("The registry is described in", "وُصف السجل في"),
            shown(&wish.dir)
        ));
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Asks on the terminal, unless `yes` was given.
fn agreed(yes: bool, output: Output) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if output.json || !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            [
                "there is nobody to ask; nothing was done",
                "لا يوجد من يُسأل؛ ولم يُنفَّذ شيء",
            ],
            [
                "Read what `mohawel plan` shows, then run the command with --yes.",
                "اقرأ ما يعرضه الأمر mohawel plan ثم شغّل الأمر بالخيار ‎--yes‎.",
            ],
        ));
    }
    output.note(output.say(
        "Seal what operators can seal? Type yes:",
        "هل يُختم ما يستطيع المشغّل ختمه؟ اكتب نعم:",
    ));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(Failure::unavailable)?;
    if ["yes", "y", "نعم"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        ["nothing was done", "لم يُنفَّذ شيء"],
        ["", ""],
    ))
}
