//! The fund's rules, as its committee wrote them, and what they make of one application.
//!
//! Takes `rules.toml` and a case's answers. Gives a verdict. A condition counts as broken only when a register said so;
//! without every answer there is no decision at all.

use std::path::Path;

use adapters::compose::Composition;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use time::Date;
use time::macros::format_description;

use super::answers::{Answer, Answers};

/// Everything that the committee decided.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The year of the fund, and of the statistics.
    pub year: u16,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// The first that holds is the most that may be granted.
    pub ceilings: Vec<Ceiling>,
}

/// A condition on one field of one part.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    name_en: String,
    name_ar: String,
    part: String,
    field: String,
    is: Option<String>,
    at_least: Option<f64>,
    at_most: Option<f64>,
    not_before: Option<String>,
    because_en: String,
    because_ar: String,
    no_record_en: Option<String>,
    no_record_ar: Option<String>,
}

/// The most that may be granted, where a figure lies below a mark.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    name_en: String,
    name_ar: String,
    part: Option<String>,
    field: Option<String>,
    below: Option<f64>,
    /// In EGP.
    pub egp: u64,
}

/// What becomes of an application. Sentences are English, then Arabic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is supported with so much.
    Eligible {
        /// In EGP.
        amount_egp: u64,
        /// Which ceiling held, in words.
        ceiling: [String; 2],
    },
    /// Registers said what keeps it from support.
    NotEligible(Vec<[String; 2]>),
    /// Somebody was away: no decision yet.
    AskAgain(Vec<[String; 2]>),
    /// Somebody may not be asked: no decision without an agreement.
    NotCovered(Vec<[String; 2]>),
}

/// Whether a condition holds, and why not.
enum Held {
    Yes,
    No([String; 2]),
    Unknown([String; 2]),
}

impl Rules {
    /// Reads the file.
    ///
    /// # Errors
    /// It is no such file, or a condition has no test or several.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let rules: Self = toml::from_str(text)?;
        for condition in &rules.conditions {
            let tests = [
                condition.is.is_some(),
                condition.at_least.is_some(),
                condition.at_most.is_some(),
                condition.not_before.is_some(),
            ];
            if tests.iter().filter(|given| **given).count() != 1 {
                bail!(
                    "'{}' needs exactly one of is, at_least, at_most, not_before",
                    condition.name_en
                );
            }
            if condition
                .not_before
                .as_deref()
                .is_some_and(|day| date(day).is_none())
            {
                bail!("'{}': not_before is a day, YYYY-MM-DD", condition.name_en);
            }
        }
        let everywhere = |ceiling: &Ceiling| ceiling.below.is_none();
        match rules.ceilings.split_last() {
            Some((last, others)) if everywhere(last) && !others.iter().any(everywhere) => {}
            _ => bail!("the last of the ceilings, and it alone, is for everywhere"),
        }
        let named = |one: &Ceiling| one.part.is_some() && one.field.is_some();
        if rules
            .ceilings
            .iter()
            .any(|one| !everywhere(one) && !named(one))
        {
            bail!("a ceiling with below names part and field");
        }
        Ok(rules)
    }

    /// Whether what the rules look at is asked for. A slip of the pen would otherwise keep everybody waiting.
    ///
    /// # Errors
    /// What the composition does not take.
    pub fn fit(&self, composition: &Composition) -> Result<()> {
        let conditions = self.conditions.iter().map(|one| (&one.part, &one.field));
        let ceilings = self.ceilings.iter();
        let ceilings = ceilings.filter_map(|one| one.part.as_ref().zip(one.field.as_ref()));
        for (part, field) in conditions.chain(ceilings) {
            let mut parts = composition.parts.iter();
            let asked = parts.find(|one| one.name.as_str() == part);
            let taken =
                asked.is_some_and(|one| one.fields.iter().any(|name| name.as_str() == field));
            if !taken {
                bail!(
                    "a rule looks at {part}.{field}, which {} does not ask for",
                    composition.name
                );
            }
        }
        Ok(())
    }

    /// What becomes of an application that asks for so much.
    pub fn judge(&self, answers: &Answers, asked_egp: u64) -> Verdict {
        let (mut denied, mut away) = (Vec::new(), Vec::new());
        for answer in answers.parts.values() {
            match answer {
                Answer::NotPermitted(why) => denied.push(why.clone()),
                Answer::Away(why) => away.push(why.clone()),
                Answer::Row(_) | Answer::NoRecord | Answer::NotAsked => {}
            }
        }
        if !denied.is_empty() {
            return Verdict::NotCovered(denied);
        }
        if !away.is_empty() {
            return Verdict::AskAgain(away);
        }
        let (mut broken, mut unknown) = (Vec::new(), Vec::new());
        for condition in &self.conditions {
            match condition.held(answers) {
                Held::Yes => {}
                Held::No(why) => broken.push(why),
                Held::Unknown(why) => unknown.push(why),
            }
        }
        // One register has no record: its conditions share the one reason.
        broken.dedup();
        if !broken.is_empty() {
            return Verdict::NotEligible(broken);
        }
        match self.ceiling(answers) {
            Ok(ceiling) if unknown.is_empty() => Verdict::Eligible {
                amount_egp: asked_egp.min(ceiling.egp),
                ceiling: [
                    format!("at most {} EGP: {}", ceiling.egp, ceiling.name_en),
                    format!("{} جنيه على الأكثر: {}", ceiling.egp, ceiling.name_ar),
                ],
            },
            Ok(_) => Verdict::AskAgain(unknown),
            Err(why) => {
                unknown.push(why);
                Verdict::AskAgain(unknown)
            }
        }
    }

    fn ceiling(&self, answers: &Answers) -> Result<&Ceiling, [String; 2]> {
        for ceiling in &self.ceilings {
            let (Some(part), Some(field), Some(below)) =
                (&ceiling.part, &ceiling.field, ceiling.below)
            else {
                return Ok(ceiling);
            };
            match answers.field(part, field).and_then(number) {
                Some(figure) if figure < below => return Ok(ceiling),
                Some(_) => {}
                None => return Err(silent(part, field)),
            }
        }
        Err(silent("rules", "ceilings"))
    }
}

impl Condition {
    /// Its name, English then Arabic.
    pub fn names(&self) -> [&str; 2] {
        [&self.name_en, &self.name_ar]
    }

    /// What it looks at, and what that must be, as the file says it.
    pub fn reads(&self) -> [String; 2] {
        let must = [
            self.is.as_ref().map(|is| format!("= {is}")),
            self.at_least.map(|least| format!("≥ {least}")),
            self.at_most.map(|most| format!("≤ {most}")),
            self.not_before.as_ref().map(|day| format!("≥ {day}")),
        ];
        let must = must.into_iter().flatten().collect();
        [format!("{}.{}", self.part, self.field), must]
    }

    fn held(&self, answers: &Answers) -> Held {
        let no_record = self.no_record_en.clone().zip(self.no_record_ar.clone());
        if let (Some(Answer::NoRecord), Some((english, arabic))) =
            (answers.parts.get(&self.part), no_record)
        {
            return Held::No([english, arabic]);
        }
        let found = answers.field(&self.part, &self.field);
        let holds = found.and_then(|value| self.test(value));
        match (holds, found) {
            (Some(true), _) => Held::Yes,
            (Some(false), Some(value)) => {
                let value = value.as_str().map_or(value.to_string(), str::to_owned);
                let because = |text: &str| text.replace("{value}", &value);
                Held::No([because(&self.because_en), because(&self.because_ar)])
            }
            // A register that knows nothing of an association is silent of each of its fields.
            _ => Held::Unknown(silent(&self.part, &self.field)),
        }
    }

    fn test(&self, value: &Value) -> Option<bool> {
        if let Some(is) = &self.is {
            return value.as_str().map(|text| text == is);
        }
        if let Some(day) = &self.not_before {
            return Some(date(value.as_str()?)? >= date(day)?);
        }
        let found = number(value)?;
        let least = self.at_least.is_none_or(|least| found >= least);
        Some(least && self.at_most.is_none_or(|most| found <= most))
    }
}

/// Part and field without a value that the rules can read.
fn silent(part: &str, field: &str) -> [String; 2] {
    [
        format!("{part} says nothing of {field}"),
        format!("لم يذكر {part} قيمة {field}"),
    ]
}

/// A number, as databases and tables give it.
fn number(value: &Value) -> Option<f64> {
    let read = value.as_str().map(|text| text.parse().ok());
    read.unwrap_or(value.as_f64())
        .filter(|read: &f64| read.is_finite())
}

fn date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests;
