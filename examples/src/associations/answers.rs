//! What the agencies answered in one case.
//!
//! Takes what `mohawel compose run --json` told. Gives each part's row, or why there is none: the register knows nothing,
//! the agency may not be asked, or it was away. These are three things, and a decision must not mix them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use proto::refusal::Code;
use serde_json::{Map, Value};

/// One agency's part in a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The one row that it gave.
    Row(Map<String, Value>),
    /// It answered that it has no such record.
    NoRecord,
    /// No agreement permits the question: in both languages, with the agency's name.
    NotPermitted([String; 2]),
    /// It did not come to an answer, and may another time.
    Away([String; 2]),
    /// It needs another part's answer.
    NotAsked,
}

/// A case's answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// What the log knows the case by.
    pub reference: String,
    /// The entries of the log that hold how each part ended, in their order.
    pub entries: Vec<u64>,
    /// By the name of the part.
    pub parts: BTreeMap<String, Answer>,
}

impl Answers {
    /// Reads what a run of the case told.
    ///
    /// # Errors
    /// It is not such a report, or a register has several records of one association.
    pub fn read(told: &Value) -> Result<Self> {
        let reference = told["case_reference"].as_str().context("no case")?;
        let (mut parts, mut entries) = (BTreeMap::new(), Vec::new());
        for part in told["parts"].as_array().context("no parts")? {
            let name = part["part"].as_str().context("a part without a name")?;
            let answer = answer(part).with_context(|| name.to_owned())?;
            parts.insert(name.to_owned(), answer);
            entries.extend(part["closing_index"].as_u64());
        }
        entries.sort_unstable();
        Ok(Self {
            reference: reference.to_owned(),
            entries,
            parts,
        })
    }

    /// A field of a part that answered.
    pub fn field(&self, part: &str, field: &str) -> Option<&Value> {
        match self.parts.get(part)? {
            Answer::Row(row) => row.get(field).filter(|value| !value.is_null()),
            _ => None,
        }
    }
}

fn answer(part: &Value) -> Result<Answer> {
    let outcome = part["outcome"].as_str().context("no outcome")?;
    if matches!(outcome, "answered" | "done_earlier") {
        let rows = part["rows"].as_array().context("no rows")?;
        ensure!(rows.len() < 2, "{} records of one association", rows.len());
        let Some(row) = rows.first() else {
            return Ok(Answer::NoRecord);
        };
        let row = row.as_object().context("a row without fields")?;
        return Ok(Answer::Row(row.clone()));
    }
    if outcome == "not_found" {
        return Ok(Answer::NoRecord);
    }
    if outcome.starts_with("not_asked") {
        return Ok(Answer::NotAsked);
    }
    let text = |key: &str| part[key].as_str().unwrap_or_default();
    let sentence = |name: &str, sentence: &str| {
        // The first line says it; what follows says where it stands in the log.
        let first = text(sentence).lines().next().unwrap_or_default().to_owned();
        format!("{}: {first}", text(name))
    };
    let why = [
        sentence("name_en", "sentence"),
        sentence("name_ar", "sentence_ar"),
    ];
    if why[0].ends_with(": ") {
        bail!("'{outcome}' without a reason");
    }
    Ok(match Code::parse(outcome).is_some_and(is_denial) {
        true => Answer::NotPermitted(why),
        false => Answer::Away(why),
    })
}

/// Whether only another agreement changes it.
fn is_denial(code: Code) -> bool {
    matches!(
        code,
        Code::NoAgreement
            | Code::AgreementExpired
            | Code::AgreementRevoked
            | Code::PurposeNotGranted
            | Code::OperationNotGranted
            | Code::FieldNotGranted
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(part: Value) -> Result<Answer> {
        let told = json!({ "case_reference": "ab", "parts": [part] });
        Answers::read(&told).map(|read| read.parts["tax"].clone())
    }

    #[test]
    fn no_record_no_right_and_nobody_there_are_three_things() {
        let ended = |outcome: &str| {
            one(json!({
                "part": "tax", "name_en": "Tax", "name_ar": "الضرائب", "outcome": outcome,
                "sentence": "No.\nmore", "sentence_ar": "لا.", "rows": null,
            }))
            .unwrap()
        };
        let why = ["Tax: No.".to_owned(), "الضرائب: لا.".to_owned()];
        assert_eq!(ended("not_found"), Answer::NoRecord);
        assert_eq!(ended("not_asked (no_value)"), Answer::NotAsked);
        for denied in ["purpose_not_granted", "no_agreement", "field_not_granted"] {
            assert_eq!(ended(denied), Answer::NotPermitted(why.clone()), "{denied}");
        }
        for away in [
            "provider_offline",
            "deadline",
            "unavailable",
            "unreachable",
            "quota_exceeded",
        ] {
            assert_eq!(ended(away), Answer::Away(why.clone()), "{away}");
        }
    }

    #[test]
    fn two_records_of_one_association_are_no_answer() {
        let rows = |rows: Value| one(json!({ "part": "tax", "outcome": "answered", "rows": rows }));
        assert!(rows(json!([{ "a": 1 }, { "a": 2 }])).is_err());
        assert_eq!(rows(json!([])).unwrap(), Answer::NoRecord);
        assert!(rows(json!(null)).is_err());
        assert!(Answers::read(&json!({})).is_err());
    }
}
