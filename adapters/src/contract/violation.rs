//! What is wrong with a payload, said without repeating it: a payload is personal data.
//!
//! Only the schema's own words appear: its property names, its types, its limits. A name that only the
//! payload has stands as `*` in the pointer.

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::place;

/// The first thing that is wrong with a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the payload; empty for the whole. `*` stands for a name that the schema
    /// does not know.
    pub pointer: String,
    /// The keyword of the schema that says no, or `bytes`, `json`, `depth`, `work` where no
    /// schema was asked; `schema` where to say more would take too long.
    pub rule: String,
    /// What is wrong, in English.
    pub en: String,
    /// The same in Arabic.
    pub ar: String,
}

impl Violation {
    /// Before a schema was asked.
    pub(super) fn whole(rule: &str, en: String, ar: String) -> Self {
        Self {
            pointer: String::new(),
            rule: rule.to_owned(),
            en,
            ar,
        }
    }

    /// What the validator found in `payload`; `names` are the schema's words.
    pub(super) fn of(
        error: &ValidationError<'_>,
        payload: &Value,
        names: &BTreeSet<String>,
    ) -> Self {
        let rule = error.kind().keyword().to_owned();
        let (en, ar) = sentences(error.kind(), &rule);
        Self {
            pointer: pointer(error.instance_path().as_str(), payload, names),
            rule,
            en,
            ar,
        }
    }

    /// Something is wrong, and to say where would take too long.
    pub(super) fn somewhere() -> Self {
        Self::whole(
            "schema",
            "it does not have the form that the operation asks for".to_owned(),
            "ليست على الصورة التي تطلبها العملية".to_owned(),
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "the payload: {}", self.en)
        } else {
            write!(f, "{}: {}", self.pointer, self.en)
        }
    }
}

impl std::error::Error for Violation {}

/// The same pointer, names that the schema does not have replaced.
fn pointer(found: &str, payload: &Value, names: &BTreeSet<String>) -> String {
    let mut shown = String::new();
    let mut value = Some(payload);
    for token in found.split('/').skip(1) {
        let name = place::last(token);
        let is_place = value.is_some_and(Value::is_array);
        let known = is_place || names.contains(&name);
        shown = place::below(&shown, if known { &name } else { "*" });
        value = value.and_then(|value| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            other => other.get(&name),
        });
    }
    shown
}

fn sentences(kind: &ValidationErrorKind, rule: &str) -> (String, String) {
    if let Some(sentences) = detailed(kind) {
        return sentences;
    }
    match plain(kind) {
        Some((en, ar)) => (en.to_owned(), ar.to_owned()),
        None => (
            format!("it does not satisfy '{rule}'"),
            format!("لا تستوفي الشرط '{rule}'"),
        ),
    }
}

/// Sentences that repeat a word or a number of the schema.
fn detailed(kind: &ValidationErrorKind) -> Option<(String, String)> {
    use ValidationErrorKind as Kind;
    Some(match kind {
        Kind::Required { property } => {
            let name = place::shown(property.as_str().unwrap_or_default());
            (
                format!("the required property '{name}' is missing"),
                format!("الخاصية المطلوبة '{name}' غير موجودة"),
            )
        }
        Kind::Type { kind } => {
            let types = types(kind);
            (
                format!("its type has to be {types}"),
                format!("يجب أن يكون نوعها {types}"),
            )
        }
        Kind::Format { format } => {
            let format = place::shown(format);
            (
                format!("it is not written as the format '{format}' wants"),
                format!("ليست مكتوبة على الصيغة '{format}'"),
            )
        }
        Kind::MinLength { limit } => limited("at least", limit, "characters", "أقل عدد لحروفها"),
        Kind::MaxLength { limit } => limited("at most", limit, "characters", "أقصى عدد لحروفها"),
        Kind::MinItems { limit } => limited("at least", limit, "items", "أقل عدد لعناصرها"),
        Kind::MaxItems { limit } => limited("at most", limit, "items", "أقصى عدد لعناصرها"),
        _ => return None,
    })
}

/// Sentences that are always the same.
fn plain(kind: &ValidationErrorKind) -> Option<(&'static str, &'static str)> {
    use ValidationErrorKind as Kind;
    Some(match kind {
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => (
            "it has a property that the operation does not take",
            "بها خاصية لا تقبلها العملية",
        ),
        Kind::Enum { .. } | Kind::Constant { .. } => (
            "it is none of the values allowed",
            "ليست من القيم المسموح بها",
        ),
        Kind::Pattern { .. } => (
            "it is not written as the pattern wants",
            "ليست مكتوبة على النمط المطلوب",
        ),
        Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::ExclusiveMinimum { .. }
        | Kind::ExclusiveMaximum { .. } => {
            ("it is outside the range allowed", "خارج المدى المسموح به")
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => (
            "it has none of the forms allowed",
            "ليست على أي صورة من الصور المسموح بها",
        ),
        Kind::OneOfMultipleValid { .. } => (
            "it has more than one of the forms allowed; exactly one is wanted",
            "على أكثر من صورة من الصور المسموح بها، والمطلوب واحدة فقط",
        ),
        Kind::PropertyNames { .. } => (
            "the name of one of its properties is not allowed",
            "اسم إحدى خصائصها غير مسموح به",
        ),
        Kind::UniqueItems => (
            "its items are not all different",
            "عناصرها ليست كلها مختلفة",
        ),
        Kind::FalseSchema | Kind::Not { .. } => ("it is not allowed here", "غير مسموح بها هنا"),
        _ => return None,
    })
}

fn limited(en: &str, limit: &u64, unit: &str, ar: &str) -> (String, String) {
    (
        format!("it has to have {en} {limit} {unit}"),
        format!("{ar} {limit}"),
    )
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(name) => name.to_string(),
        TypeKind::Multiple(names) => {
            let names: Vec<_> = names
                .iter()
                .map(|name: JsonType| name.to_string())
                .collect();
            names.join(" | ")
        }
    }
}
