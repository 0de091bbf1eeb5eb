//! Old contract and new contract → what the new one takes away.
//!
//! Judged from the side of those who use the old one: a request that was taken has to be taken, an
//! answer may not be what it never was. What is only added (an operation, a field, an optional
//! property) is no change here. Where a difference is too intricate to be judged, it counts as a break.
//! Takes contracts from a registry, which are not believed to be well made: bounded, never recursive
//! without end.

mod same;

use std::collections::BTreeSet;

use serde_json::Value;

use super::view::View;
use super::{Change, ChangeKind, ChangePart, Contract, Operation, place};
use same::{same, same_behind};

/// Pairs of values compared for one schema at most.
const PAIRS_MAX: usize = 2_000;
/// Values inside each other compared at most.
const DEPTH_MAX: usize = 64;
/// Conditions that are stricter when larger.
const LOWER: [&str; 6] = [
    "minimum",
    "exclusiveMinimum",
    "minLength",
    "minItems",
    "minProperties",
    "minContains",
];
/// Conditions that are stricter when smaller.
const UPPER: [&str; 6] = [
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "maxProperties",
    "maxContains",
];

/// Everything that `new` takes from those who use `old`, by operation, then request before answer.
pub fn breaking(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = Vec::new();
    for before in &old.operations {
        match new.operation(&before.name) {
            Some(after) => operation(before, after, &mut changes),
            None => changes.push(Change::new(
                &before.name,
                ChangePart::Operation,
                "",
                ChangeKind::OperationRemoved,
                "",
            )),
        }
    }
    changes
}

fn operation(old: &Operation, new: &Operation, changes: &mut Vec<Change>) {
    let mut compare = |part, old_whole, new_whole| {
        let mut comparison = Comparison {
            operation: old,
            part,
            old_whole,
            new_whole,
            under_way: Vec::new(),
            left: PAIRS_MAX,
            changes,
        };
        comparison.values(&[old_whole], &[new_whole], "");
    };
    compare(
        ChangePart::Request,
        &old.request_schema,
        &new.request_schema,
    );
    compare(ChangePart::Answer, &old.answer_schema, &new.answer_schema);
    let (before, after): (BTreeSet<_>, BTreeSet<_>) =
        (old.subjects.iter().collect(), new.subjects.iter().collect());
    for subject in before.symmetric_difference(&after) {
        changes.push(Change::new(
            &old.name,
            ChangePart::Request,
            &subject.pointer,
            ChangeKind::SubjectChanged,
            &subject.scheme,
        ));
    }
    for field in old.fields.iter().filter(|name| !new.fields.contains(name)) {
        changes.push(Change::new(
            &old.name,
            ChangePart::Answer,
            &place::below("", field),
            ChangeKind::FieldRemoved,
            "",
        ));
    }
}

struct Comparison<'a, 'c> {
    operation: &'a Operation,
    part: ChangePart,
    old_whole: &'a Value,
    new_whole: &'a Value,
    /// Pairs that are being compared: what comes back to one of them has nothing new to say.
    under_way: Vec<(Vec<usize>, Vec<usize>)>,
    left: usize,
    changes: &'c mut Vec<Change>,
}

impl<'a> Comparison<'a, '_> {
    fn is_request(&self) -> bool {
        self.part == ChangePart::Request
    }

    fn push(&mut self, pointer: &str, kind: ChangeKind, detail: &str) {
        let change = Change::new(&self.operation.name, self.part, pointer, kind, detail);
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Compares the value at `pointer`, which all of `old` judged and all of `new` judge.
    fn values(&mut self, old: &[&'a Value], new: &[&'a Value], pointer: &str) {
        let pair = (addresses(old), addresses(new));
        if self.under_way.contains(&pair) {
            return;
        }
        if self.left == 0 || self.under_way.len() == DEPTH_MAX {
            self.push("", ChangeKind::NotCompared, "");
            return;
        }
        self.left -= 1;
        self.under_way.push(pair);
        let before = View::of(old, self.old_whole);
        let after = View::of(new, self.new_whole);
        if before.cut_short || after.cut_short {
            self.push(pointer, ChangeKind::NotCompared, "");
        }
        if self.types(&before, &after, pointer) {
            self.allowed(&before, &after, pointer);
            self.properties(&before, &after, pointer);
            self.items(&before, &after, pointer);
            self.conditions(&before, &after, pointer);
            self.choices(&before, &after, pointer);
        }
        self.under_way.pop();
    }

    /// Whether the types have anything in common, so that there is more to compare.
    fn types(&mut self, old: &View<'_>, new: &View<'_>, pointer: &str) -> bool {
        let (old, new) = (&old.types, &new.types);
        let detail = || format!("{}, before: {}", named(new), named(old));
        if !old.is_empty() && old.is_disjoint(new) {
            self.push(pointer, ChangeKind::TypeChanged, &detail());
            return false;
        }
        if self.is_request() && !old.is_subset(new) {
            self.push(pointer, ChangeKind::TypeNarrowed, &detail());
        }
        if !self.is_request() && !new.is_subset(old) {
            self.push(pointer, ChangeKind::TypeWidened, &detail());
        }
        true
    }

    /// Values that are listed one by one.
    fn allowed(&mut self, old: &View<'_>, new: &View<'_>, pointer: &str) {
        let (kind, from, to) = if self.is_request() {
            (ChangeKind::EnumValueRemoved, &old.values, &new.values)
        } else {
            (ChangeKind::EnumValueAdded, &new.values, &old.values)
        };
        let Some(to) = to else {
            return;
        };
        let Some(from) = from else {
            self.push(pointer, kind, "");
            return;
        };
        let missing: Vec<_> = from.iter().filter(|value| !to.contains(value)).collect();
        if !missing.is_empty() {
            let shown: Vec<_> = missing.iter().take(4).map(ToString::to_string).collect();
            self.push(pointer, kind, &shown.join(", "));
        }
    }

    fn properties(&mut self, old: &View<'a>, new: &View<'a>, pointer: &str) {
        let is_record = !self.is_request() && matches!(pointer, "" | "/*");
        for (name, before) in &old.properties {
            let at = place::below(pointer, name);
            match new.properties.get(name) {
                Some(after) => self.values(before, after, &at),
                // Fields of the record are compared as such.
                None if is_record && self.operation.fields.iter().any(|field| field == name) => {}
                None => self.push(&at, ChangeKind::PropertyRemoved, ""),
            }
        }
        let (kind, more, fewer) = if self.is_request() {
            (ChangeKind::PropertyRequired, &new.required, &old.required)
        } else {
            (ChangeKind::PropertyOptional, &old.required, &new.required)
        };
        for name in more.difference(fewer) {
            // An answer's property that is gone altogether is said to be gone.
            if self.is_request()
                || !old.properties.contains_key(name)
                || new.properties.contains_key(name)
            {
                self.push(&place::below(pointer, name), kind, "");
            }
        }
        if self.is_request() && new.closed && !old.closed {
            self.push(pointer, ChangeKind::PropertiesClosed, "");
        }
        let at = place::below(pointer, "*");
        self.all(
            &old.additional,
            &new.additional,
            &at,
            new.closed || old.closed,
        );
    }

    fn items(&mut self, old: &View<'a>, new: &View<'a>, pointer: &str) {
        let at = place::below(pointer, "*");
        self.all(&old.items, &new.items, &at, false);
    }

    /// What judges everything inside; `told` when the difference of one side's absence is told
    /// elsewhere.
    fn all(&mut self, old: &[&'a Value], new: &[&'a Value], pointer: &str, told: bool) {
        match (old.is_empty(), new.is_empty()) {
            (true, true) => {}
            (false, false) => self.values(old, new, pointer),
            _ if told => {}
            (true, false) if self.is_request() => {
                self.push(pointer, ChangeKind::ConstraintTightened, "");
            }
            (false, true) if !self.is_request() => {
                self.push(pointer, ChangeKind::ConstraintLoosened, "");
            }
            _ => {}
        }
    }

    fn conditions(&mut self, old: &View<'a>, new: &View<'a>, pointer: &str) {
        let keywords: BTreeSet<_> = old.conditions.keys().chain(new.conditions.keys()).collect();
        for keyword in keywords {
            let (before, after) = (old.conditions.get(keyword), new.conditions.get(keyword));
            let (before, after) = (
                before.map_or(&[][..], |all| all),
                after.map_or(&[][..], |all| all),
            );
            let equal = before.len() == after.len()
                && before.iter().zip(after).all(|(before, after)| {
                    let (before, after) = ((*before, self.old_whole), (*after, self.new_whole));
                    same_behind(keyword, before, after)
                });
            if equal {
                continue;
            }
            // The side that has to be as strict as the other.
            let (strict, other) = if self.is_request() {
                (before, after)
            } else {
                (after, before)
            };
            if !at_least(keyword, strict, other) {
                let kind = if self.is_request() {
                    ChangeKind::ConstraintTightened
                } else {
                    ChangeKind::ConstraintLoosened
                };
                self.push(pointer, kind, keyword);
            }
        }
    }

    fn choices(&mut self, old: &View<'a>, new: &View<'a>, pointer: &str) {
        if old.choices.len() != new.choices.len() {
            let more = new.choices.len() > old.choices.len();
            if more == self.is_request() {
                self.push(pointer, ChangeKind::AlternativesChanged, "");
            }
            return;
        }
        for (before, after) in old.choices.iter().zip(&new.choices) {
            let found = |form: &&Value, others: &[Value], swap: bool| {
                others.iter().any(|other| {
                    let (before, after) = if swap { (other, *form) } else { (*form, other) };
                    same((before, self.old_whole), (after, self.new_whole))
                })
            };
            let kept = if self.is_request() {
                before.iter().all(|form| found(&form, after, false))
            } else {
                after.iter().all(|form| found(&form, before, true))
            };
            if kept {
                continue;
            }
            if before.len() == after.len() {
                for (before, after) in before.iter().zip(after.iter()) {
                    self.values(&[before], &[after], pointer);
                }
            } else {
                self.push(pointer, ChangeKind::AlternativesChanged, "");
            }
        }
    }
}

/// Whether `strict` says everything that `other` says about `keyword`, or more.
fn at_least(keyword: &str, strict: &[&Value], other: &[&Value]) -> bool {
    if other.is_empty() {
        return true;
    }
    let bound = |values: &[&Value], largest: bool| {
        let numbers = values.iter().filter_map(|value| value.as_f64());
        numbers.reduce(|a, b| if (a > b) == largest { a } else { b })
    };
    if LOWER.contains(&keyword) {
        return bound(strict, true) >= bound(other, true);
    }
    if UPPER.contains(&keyword) {
        let (strict, other) = (bound(strict, false), bound(other, false));
        return strict.is_some_and(|strict| other.is_none_or(|other| strict <= other));
    }
    keyword == "uniqueItems" && other.iter().all(|value| **value == Value::Bool(false))
}

fn named(types: &BTreeSet<&str>) -> String {
    // An integer is a number.
    let is_told = |name: &&&str| **name != "integer" || !types.contains("number");
    let names: Vec<_> = types.iter().filter(is_told).copied().collect();
    names.join("|")
}

fn addresses(schemas: &[&Value]) -> Vec<usize> {
    schemas
        .iter()
        .map(|schema| std::ptr::from_ref::<Value>(schema).addr())
        .collect()
}

#[cfg(test)]
mod tests;
