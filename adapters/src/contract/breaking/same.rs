//! Whether two schemas say the same, each read with its own definitions.

use serde_json::{Map, Value};

use crate::contract::keywords::{Dialect, Role, SUBJECT, role};
use crate::contract::place;

/// What is said to readers only, or compared elsewhere.
const NOTES: [&str; 6] = [
    "$defs",
    "title",
    "description",
    "default",
    "deprecated",
    SUBJECT,
];
/// Schemas compared at most; past it the two count as different.
const SCHEMAS_MAX: usize = 4_096;
/// Schemas inside each other compared at most, likewise.
const DEPTH_MAX: usize = 128;

/// Whether two schemas say the same: names of definitions and notes to readers do not count. Beside
/// each stands the schema in which its references are looked up.
pub(super) fn same(a: (&Value, &Value), b: (&Value, &Value)) -> bool {
    Pairs::of(a.1, b.1).schema(a.0, b.0)
}

/// Whether what stands behind `keyword` says the same.
pub(super) fn same_behind(keyword: &str, a: (&Value, &Value), b: (&Value, &Value)) -> bool {
    Pairs::of(a.1, b.1).behind(keyword, a.0, b.0)
}

struct Pairs<'a> {
    wholes: (&'a Value, &'a Value),
    /// Pairs of references that are being compared.
    under_way: Vec<(&'a str, &'a str)>,
    depth: usize,
    left: usize,
}

impl<'a> Pairs<'a> {
    fn of(a: &'a Value, b: &'a Value) -> Self {
        Self {
            wholes: (a, b),
            under_way: Vec::new(),
            depth: 0,
            left: SCHEMAS_MAX,
        }
    }

    fn schema(&mut self, a: &'a Value, b: &'a Value) -> bool {
        let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else {
            return a == b;
        };
        if self.left == 0 || self.depth == DEPTH_MAX {
            return false;
        }
        self.left -= 1;
        self.depth += 1;
        let same = told(a).count() == told(b).count()
            && told(a).all(|(keyword, value)| {
                b.get(keyword)
                    .is_some_and(|other| self.behind(keyword, value, other))
            });
        self.depth -= 1;
        same
    }

    fn behind(&mut self, keyword: &str, a: &'a Value, b: &'a Value) -> bool {
        match (role(keyword, Dialect::Draft2020), a, b) {
            (Role::Reference, Value::String(a), Value::String(b)) => self.targets(a, b),
            (Role::Schema(_), a, b) => self.schema(a, b),
            (Role::List(_), Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.schema(a, b))
            }
            (Role::Named(_), Value::Object(a), Value::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(name, schema)| {
                        b.get(name).is_some_and(|other| self.schema(schema, other))
                    })
            }
            (_, a, b) => a == b,
        }
    }

    fn targets(&mut self, a: &'a str, b: &'a str) -> bool {
        if self.under_way.contains(&(a, b)) {
            return true;
        }
        let targets = (
            place::resolve(self.wholes.0, a),
            place::resolve(self.wholes.1, b),
        );
        let (Some((_, x)), Some((_, y))) = targets else {
            return false;
        };
        self.under_way.push((a, b));
        let same = self.schema(x, y);
        self.under_way.pop();
        same
    }
}

fn told(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .iter()
        .filter(|(keyword, _)| !NOTES.contains(&keyword.as_str()))
}
