//! `mohawel audit replay --what-if`: which recorded decisions a change of agreements would have changed.
//!
//! The file says what is supposed. Unknown keys are refused, and every problem is told at once.
//!
//! ```toml
//! revoke = ["a1b2c3"]            # these count as revoked, over the whole log
//! add = ["wider.toml"]           # terms as `mohawel agreement propose` takes them, beside this file
//!
//! [[without_grant]]              # this grant permits nothing
//! agreement = "a1b2c3"
//! grant = 2
//! ```
//!
//! Added terms count from their `not_before` to their `not_after`, without them over the whole log, and take the place of
//! what they say in `supersedes`. What is printed says so: nothing of it happened, and it never says that a log holds.

use std::fs;
use std::path::Path;

use audit::replay::what_if::{Added, Changed, Decision, Flip, WhatIf};
use proto::act::AgreementContent;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::agreement::terms::{End, Terms};
use crate::commands::agreement::{PREFIX_MIN, is_prefix};
use crate::commands::refused::problems;
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Flips that people are shown; machines get all.
const SHOWN_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    revoke: Vec<String>,
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    without_grant: Vec<FileGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileGrant {
    agreement: String,
    grant: u32,
}

/// Reads the file and the terms that it names.
///
/// # Errors
/// A usage failure with every problem of the file.
pub(super) fn load(path: &Path) -> Result<WhatIf, Failure> {
    let text = fs::read_to_string(path).map_err(|error| in_file(path, error))?;
    let file: File = toml::from_str(&text).map_err(|error| in_file(path, error))?;
    let mut found = Vec::new();
    let mut prefix = |key: &str, text: &str| {
        let text = text.to_ascii_lowercase();
        if !is_prefix(&text) {
            found.push(format!(
                "{key}: '{text}' is not an agreement's id: give at least {PREFIX_MIN} of its hex digits"
            ));
        }
        text
    };
    let revoke: Vec<String> = file
        .revoke
        .iter()
        .map(|text| prefix("revoke", text))
        .collect();
    let without_grant: Vec<(String, u32)> = file
        .without_grant
        .iter()
        .map(|one| (prefix("without_grant", &one.agreement), one.grant))
        .collect();
    if file.without_grant.iter().any(|one| one.grant == 0) {
        found.push("without_grant: grants are numbered from 1".to_owned());
    }
    if revoke.is_empty() && without_grant.is_empty() && file.add.is_empty() {
        found.push("it supposes nothing: give revoke, add or [[without_grant]]".to_owned());
    }
    if !found.is_empty() {
        return Err(problems(path, &found));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let add = (0_u128..)
        .zip(&file.add)
        .map(|(place, name)| added(folder, name, place))
        .collect::<Result<_, _>>()?;
    Ok(WhatIf {
        revoke,
        without_grant,
        add,
    })
}

fn added(folder: &Path, name: &str, place: u128) -> Result<Added, Failure> {
    let path = folder.join(name);
    let terms = Terms::load(&path, &[])?;
    let (not_before_ms, not_after_ms) = match (terms.validity.not_before_ms, terms.validity.end) {
        (None, End::Days(_)) => (0, u64::MAX),
        (None, End::At(until)) => (0, until),
        (Some(_), _) => terms.validity.at(0),
    };
    if let Some(text) = &terms.supersedes
        && !is_prefix(text)
    {
        let what =
            format!("supersedes: give at least {PREFIX_MIN} hex digits of an agreement's id");
        return Err(in_file(&path, what));
    }
    Ok(Added {
        name: name.to_owned(),
        content: AgreementContent {
            // No two of them are one.
            nonce: place.to_be_bytes(),
            origin: String::new(),
            consumer: terms.consumer,
            provider: terms.provider,
            grants: terms.grants,
            not_before_ms,
            not_after_ms,
            supersedes: None,
        },
        supersedes: terms.supersedes.map(|text| text.to_ascii_lowercase()),
    })
}

/// Flips as they come: printed at once for machines, kept for the table of people.
#[derive(Debug)]
pub(super) struct Flips {
    output: Output,
    names: Vec<String>,
    shown: Vec<[String; 6]>,
    failed: Option<Failure>,
}

impl Flips {
    pub(super) fn new(what_if: &WhatIf, output: Output) -> Self {
        Self {
            output,
            names: what_if.add.iter().map(|added| added.name.clone()).collect(),
            shown: Vec::new(),
            failed: None,
        }
    }

    pub(super) fn take(&mut self, flip: &Flip) {
        if self.output.json {
            let line = json!({ "flip": {
                "index": flip.index,
                "recorded_at": time_of_ms(flip.recorded_at_us / 1_000),
                "exchange_id": flip.exchange.to_string(),
                "consumer": flip.consumer.as_str(),
                "service": flip.service.as_str(),
                "operation": flip.operation.as_str(),
                "purpose": flip.purpose.as_str(),
                "was": self.decision_json(&flip.was),
                "would_be": self.decision_json(&flip.would_be),
            }});
            let told = self.output.json_line(&line);
            self.failed = self.failed.take().or(told.err());
        } else if self.shown.len() < SHOWN_MAX {
            self.shown.push([
                flip.index.to_string(),
                time_of_ms(flip.recorded_at_us / 1_000),
                flip.consumer.to_string(),
                format!("{} {} ({})", flip.service, flip.operation, flip.purpose),
                self.decision(&flip.was),
                self.decision(&flip.would_be),
            ]);
        }
    }

    fn name(&self, added: usize) -> &str {
        self.names.get(added).map_or("", String::as_str)
    }

    fn decision_json(&self, decision: &Decision) -> Value {
        match decision {
            Decision::Permitted { agreement, grant } => {
                json!({ "permitted": true, "agreement": agreement.to_string(), "grant": grant })
            }
            Decision::Supposed { added, grant } => {
                json!({ "permitted": true, "supposed": self.name(*added), "grant": grant })
            }
            Decision::Refused { code, clause } => {
                json!({ "permitted": false, "code": code.name(), "clause": clause })
            }
        }
    }

    fn decision(&self, decision: &Decision) -> String {
        let output = self.output;
        match decision {
            Decision::Permitted { agreement, grant } => format!(
                "{} {}…/{grant}",
                output.say("permitted by", "مسموح بموجب"),
                agreement.short()
            ),
            Decision::Supposed { added, grant } => format!(
                "{} {}/{grant}",
                output.say("permitted by the supposed", "مسموح بموجب المفترضة"),
                self.name(*added)
            ),
            Decision::Refused { code, clause } => format!("{code} [{clause}]"),
        }
    }

    /// Says what would have changed. `errors` are those of the log itself.
    ///
    /// # Errors
    /// What could not be printed; a usage failure where the file names agreements that this log does not have.
    pub(super) fn tell(self, changed: &Changed, errors: u64) -> Result<(), Failure> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if !changed.unclear.is_empty() {
            return Err(unclear(changed));
        }
        let total = changed.total();
        if self.output.json {
            return self.output.json_line(&json!({ "what_if": {
                "decisions": changed.decisions,
                "would_be_refused": total.refused,
                "would_be_permitted": total.permitted,
                "by": changed.turned.iter().map(|((consumer, service, purpose), turned)| json!({
                    "consumer": consumer.as_str(),
                    "service": service.as_str(),
                    "purpose": purpose.as_str(),
                    "would_be_refused": turned.refused,
                    "would_be_permitted": turned.permitted,
                })).collect::<Vec<_>>(),
                "errors_in_the_log": errors,
            }}));
        }
        self.print(changed);
        Ok(())
    }

    fn print(self, changed: &Changed) {
        let (output, total) = (self.output, changed.total());
        output.line(output.say(
            "What if: nothing below happened. Agreements that nobody sealed are supposed, decisions judged by them, quotas and rates not counted.",
            "ماذا لو: لم يحدث شيء مما يلي. تُفترض اتفاقيات لم يوقّعها أحد ويُحكم بموجبها، ولا تُحتسب الحصص ولا المعدلات.",
        ));
        let all = total.refused + total.permitted;
        let left_out = all.saturating_sub(self.shown.len() as u64);
        if all > 0 {
            let heading = [
                output.say("entry", "القيد"),
                output.say("recorded", "وقت القيد"),
                output.say("asked by", "الطالب"),
                output.say("for", "المطلوب"),
                output.say("was", "كان"),
                output.say("would be", "لكان"),
            ];
            output.table(heading, self.shown);
        }
        if left_out > 0 {
            output.line(format!(
                "{left_out} {}",
                output.say("more; --json lists all of them", "أخرى؛ يعرضها كلها ‎--json‎")
            ));
        }
        if all > 0 {
            let heading = [
                output.say("agency", "الجهة"),
                output.say("service", "الخدمة"),
                output.say("purpose", "الغرض"),
                output.say("would be refused", "لرُفض"),
                output.say("would be permitted", "لسُمح به"),
            ];
            let rows = changed.turned.iter();
            output.table(
                heading,
                rows.map(|((consumer, service, purpose), turned)| {
                    [
                        consumer.to_string(),
                        service.to_string(),
                        purpose.to_string(),
                        turned.refused.to_string(),
                        turned.permitted.to_string(),
                    ]
                }),
            );
        }
        output.line(format!(
            "{} {}, {} {}, {} {}",
            output.say("decisions by agreements:", "القرارات بموجب الاتفاقيات:"),
            changed.decisions,
            output.say("would be refused:", "لرُفض منها:"),
            total.refused,
            output.say("would be permitted:", "لسُمح منها بـ:"),
            total.permitted,
        ));
    }
}

fn unclear(changed: &Changed) -> Failure {
    let named = |text: &String, found: &[proto::Digest], none: &str, several: &str| {
        let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
        match ids.is_empty() {
            true => format!("{none} {text}"),
            false => format!("{several} {text}: {}", ids.join(", ")),
        }
    };
    let all = |none: &str, several: &str| {
        let each = changed.unclear.iter();
        let each = each.map(|(text, found)| named(text, found, none, several));
        each.collect::<Vec<_>>().join("; ")
    };
    Failure::new(
        Exit::Usage,
        [
            all(
                "no agreement of this log begins with",
                "several agreements begin with",
            ),
            all("لا توجد في السجل اتفاقية تبدأ بـ", "عدة اتفاقيات تبدأ بـ"),
        ],
        [
            "Give the id as `mohawel audit replay --list --json` or `mohawel agreement list` shows it.",
            "أعط الرقم كما يعرضه الأمر mohawel audit replay --list --json أو mohawel agreement list.",
        ],
    )
}

#[cfg(test)]
mod tests;
