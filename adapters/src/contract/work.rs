//! How much work a schema can make of a payload: known before the validator starts.
//!
//! A schema of a few lines can have a validator look at one value a billion times (definitions that
//! use each other twice), for ever (a definition that is itself), or so deep that the stack ends. Takes
//! a bundled schema, refuses the first two and the third; then counts for a payload the schemas that
//! would be applied to each of its values, without applying them, and stops at [`WORK_MAX`]. Equal
//! schemas that meet at one value are counted together, so counting never costs more than validating.

mod graph;

use std::collections::BTreeMap;

use serde_json::Value;

use super::ContractError;
use graph::Graph;

/// Units of work at most for one payload; a unit is about one keyword looked at once, or one byte
/// under a pattern.
pub(super) const WORK_MAX: u64 = 4_000_000;
/// Units at most that one schema may cost at one value, with all schemas that judge the same value.
const VALUE_WORK_MAX: u64 = 100_000;
/// Bytes of text that cost as much as a value without any.
const BYTES_PER_UNIT: u64 = 64;
/// What it costs to tell whether items are unique, for each value inside them.
const UNIQUE_PRICE: u64 = 8;

/// The price list of one schema.
#[derive(Debug)]
pub(super) struct Work {
    /// By number; the whole schema is 0.
    entries: Vec<Entry>,
    /// Schemas inside each other that judge one value, at most.
    pub(super) levels: u64,
}

/// A schema together with every schema that it applies to the same value.
#[derive(Debug, Default)]
struct Entry {
    /// Units at a value.
    units: u64,
    /// Units for each byte of a string, or of an object's names.
    units_per_byte: u64,
    /// How often it looks whether items are unique.
    unique: u64,
    /// What it applies to the member of a name.
    member: BTreeMap<String, Applied>,
    /// To every member.
    members: Applied,
    /// To the item at a place.
    item: Vec<Applied>,
    /// To every item.
    items: Applied,
}

/// Entries, each with how often it is applied.
type Applied = Vec<(usize, u64)>;

impl Work {
    /// Reads a bundled schema.
    ///
    /// # Errors
    /// What makes a schema unfit whatever the payload: keywords and references that are not used
    /// here, circles, patterns that are not run, too much work at one value.
    pub(super) fn of(schema: &Value) -> Result<Self, ContractError> {
        let graph = Graph::of(schema)?;
        let entries: Vec<_> = (0..graph.len()).map(|index| graph.entry(index)).collect();
        if let Some(index) = entries
            .iter()
            .position(|entry| entry.units > VALUE_WORK_MAX)
        {
            return Err(ContractError::Schema {
                pointer: graph.pointer(index).to_owned(),
                what: "applies too many schemas to one value; merge them".to_owned(),
            });
        }
        Ok(Self {
            entries,
            levels: graph.levels(),
        })
    }

    /// The units that validating `payload` can take; `None` when they are more than [`WORK_MAX`].
    pub(super) fn for_payload(&self, payload: &Value) -> Option<u64> {
        let mut count = Count {
            work: self,
            units: 0,
        };
        count.visit(payload, 0, &[(0, 1)])?;
        Some(count.units)
    }
}

struct Count<'a> {
    work: &'a Work,
    units: u64,
}

impl Count<'_> {
    /// `name_bytes` is the length of the name under which `value` stands.
    fn visit(&mut self, value: &Value, name_bytes: usize, applied: &[(usize, u64)]) -> Option<()> {
        let own_bytes = match value {
            Value::String(text) => text.len(),
            Value::Object(members) => members.keys().map(String::len).sum(),
            _ => 0,
        };
        let bytes = (own_bytes + name_bytes) as u64;
        for (index, times) in applied {
            let entry = &self.work.entries[*index];
            let mut units = entry.units.saturating_mul(1 + bytes / BYTES_PER_UNIT);
            units = units.saturating_add(entry.units_per_byte.saturating_mul(bytes));
            if entry.unique > 0 {
                let inside = UNIQUE_PRICE.saturating_mul(size(value));
                units = units.saturating_add(entry.unique.saturating_mul(inside));
            }
            self.units = self.units.saturating_add(units.saturating_mul(*times));
        }
        if self.units > WORK_MAX {
            return None;
        }
        match value {
            Value::Object(members) => members.iter().try_for_each(|(name, member)| {
                let applied = self.gather(applied, |entry| {
                    [entry.member.get(name), Some(&entry.members)]
                });
                self.visit(member, name.len(), &applied)
            }),
            Value::Array(items) => items.iter().enumerate().try_for_each(|(place, item)| {
                let applied =
                    self.gather(applied, |entry| [entry.item.get(place), Some(&entry.items)]);
                self.visit(item, 0, &applied)
            }),
            _ => Some(()),
        }
    }

    fn gather<'s>(
        &'s self,
        applied: &[(usize, u64)],
        pick: impl Fn(&'s Entry) -> [Option<&'s Applied>; 2],
    ) -> Applied {
        let mut next = Applied::new();
        for (index, times) in applied {
            let picked = pick(&self.work.entries[*index]);
            for (target, more) in picked.into_iter().flatten().flatten() {
                next.push((*target, times.saturating_mul(*more)));
            }
        }
        merged(next)
    }
}

/// The same, every entry once.
fn merged(mut applied: Applied) -> Applied {
    applied.sort_unstable();
    applied.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = kept.1.saturating_add(later.1);
        }
        same
    });
    applied
}

/// Values in `value`, itself counted.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<u64>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
