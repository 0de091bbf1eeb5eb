//! What the caller gives, as what the composition wants it to be.

use std::collections::BTreeMap;

use proto::id::Part as Name;
use proto::subject::{NID, normalise};
use serde_json::Value;
use time::Date;
use time::macros::format_description;

use super::problem::{At, Problem, What};
use super::{Composition, Input};

/// Bytes of one text.
const TEXT_BYTES_MAX: usize = 4_096;

/// What an input must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1 to 4,096 bytes.
    Text,
    /// 64 bits with a sign.
    Integer,
    /// `true` or `false`.
    Bool,
    /// A day that exists: `2026-02-28`.
    Date,
    /// An Egyptian national ID, in any digits that people write.
    Nid,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Integer, Self::Bool, Self::Date, Self::Nid];

    /// The word in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Nid => "nid",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => {
                let holds =
                    !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
                holds.then(|| text.into())
            }
            Self::Integer => text.trim().parse::<i64>().ok().map(Value::from),
            Self::Bool => text.trim().parse::<bool>().ok().map(Value::from),
            Self::Date => {
                let format = format_description!("[year]-[month]-[day]");
                Date::parse(text.trim(), format)
                    .ok()
                    .map(|_| text.trim().into())
            }
            Self::Nid => {
                let scheme = Name::parse(NID).ok()?;
                normalise(&scheme, text).ok().map(Value::from)
            }
        }
    }
}

/// Every input of a composition, read. `Debug` shows no value: they are about people.
#[derive(Clone, PartialEq)]
pub struct Inputs(Vec<Value>);

impl std::fmt::Debug for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inputs({})", self.0.len())
    }
}

impl Inputs {
    /// Reads what is given, by name.
    ///
    /// # Errors
    /// What is missing, unwanted, or not what it must be: all of it.
    pub fn read(
        composition: &Composition,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut say = |what| {
            problems.push(Problem {
                at: At::default(),
                what,
            })
        };
        for name in given.keys() {
            if !composition
                .inputs
                .iter()
                .any(|input| input.name.as_str() == name)
            {
                say(What::Unwanted(name.clone()));
            }
        }
        let mut read = |Input { name, kind, .. }: &Input| {
            let name = name.to_string();
            let Some(text) = given.get(&name) else {
                say(What::Missing(name));
                return Value::Null;
            };
            kind.read(text).unwrap_or_else(|| {
                let kind = kind.name();
                say(What::Input { name, kind });
                Value::Null
            })
        };
        let values = composition.inputs.iter().map(&mut read).collect();
        match problems.is_empty() {
            true => Ok(Self(values)),
            false => Err(problems),
        }
    }

    /// The input at `place`.
    pub(super) fn value(&self, place: usize) -> &Value {
        self.0.get(place).unwrap_or(&Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_what_it_is_and_nothing_else() {
        for (kind, text, value) in [
            (Kind::Text, " a b", Value::from(" a b")),
            (Kind::Integer, " -12 ", Value::from(-12)),
            (Kind::Bool, "true", Value::from(true)),
            (Kind::Date, "2024-02-29", Value::from("2024-02-29")),
            (Kind::Nid, "٢٩٠٠١٠١٨٨٠٠٠١٧", Value::from("29001018800017")),
        ] {
            assert_eq!(kind.read(text), Some(value), "{text}");
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
        for (kind, text) in [
            (Kind::Text, " "),
            (Kind::Text, "a\0"),
            (Kind::Integer, "1.5"),
            (Kind::Integer, "9223372036854775808"),
            (Kind::Bool, "yes"),
            (Kind::Date, "2026-02-30"),
            (Kind::Nid, "2900101880001"),
        ] {
            assert_eq!(kind.read(text), None, "{text}");
        }
        assert_eq!(Kind::Text.read(&"x".repeat(TEXT_BYTES_MAX + 1)), None);
        assert_eq!(Kind::parse("number"), None);
    }
}
