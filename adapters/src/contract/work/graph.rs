//! The schemas inside a bundled schema, and which applies which to what.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Applied, Entry, merged, size};
use crate::contract::bundle::shape;
use crate::contract::keywords::{Dialect, Role, Way, below, role};
use crate::contract::{ContractError, patterns, place};

/// Schemas in one bundled schema at most.
const SCHEMAS_MAX: usize = 1_024;
/// Different patterns in one bundled schema at most.
const PATTERNS_MAX: usize = 64;
/// Schemas inside each other that judge the same value at most (`allOf` in `$ref` in `allOf` …). The
/// stack has to hold this many for every level of a payload.
const LEVELS_MAX: u64 = 24;

/// Numbered schemas; the whole one is 0.
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Numbers, each after all that it applies to the same value.
    order: Vec<usize>,
}

#[derive(Default)]
struct Node {
    pointer: String,
    units: u64,
    units_per_byte: u64,
    unique: u64,
    /// It looks a second time at what the schemas beside it have judged.
    unevaluated: bool,
    /// Applied to the same value.
    here: Vec<usize>,
    /// Applied to what is inside: to what, by which name or place, what.
    inside: Vec<(Way, Option<String>, usize)>,
    /// Schemas below it that judge the same value, inside each other.
    levels: u64,
}

impl Graph {
    pub(super) fn of(schema: &Value) -> Result<Self, ContractError> {
        let mut building = Building {
            whole: schema,
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            waiting: Vec::new(),
            prices: BTreeMap::new(),
        };
        building.number("#", schema)?;
        while let Some((index, pointer, members)) = building.waiting.pop() {
            building.read(index, &pointer, members)?;
        }
        let mut graph = Self {
            nodes: building.nodes,
            order: Vec::new(),
        };
        let mut state = vec![State::New; graph.nodes.len()];
        for index in 0..graph.nodes.len() {
            graph.descend(index, &mut state)?;
        }
        Ok(graph)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn pointer(&self, index: usize) -> &str {
        &self.nodes[index].pointer
    }

    pub(super) fn levels(&self) -> u64 {
        self.nodes.iter().map(|node| node.levels).max().unwrap_or(0)
    }

    /// The schema with everything that it applies to the same value.
    pub(super) fn entry(&self, index: usize) -> Entry {
        let mut times = BTreeMap::from([(index, 1_u64)]);
        let mut entry = Entry::default();
        // From the outermost inwards: what applies a schema comes before it.
        for current in self.order.iter().rev() {
            let Some(count) = times.get(current).copied() else {
                continue;
            };
            let node = &self.nodes[*current];
            let again = if node.unevaluated { 2 + node.levels } else { 1 };
            let below = count.saturating_mul(again);
            entry.units = entry.units.saturating_add(count.saturating_mul(node.units));
            let per_byte = below.saturating_mul(node.units_per_byte);
            entry.units_per_byte = entry.units_per_byte.saturating_add(per_byte);
            entry.unique = entry
                .unique
                .saturating_add(count.saturating_mul(node.unique));
            for target in &node.here {
                let so_far = times.entry(*target).or_default();
                *so_far = so_far.saturating_add(below);
            }
            for (way, token, target) in &node.inside {
                slot(&mut entry, *way, token.as_deref()).push((*target, below));
            }
        }
        for applied in [&mut entry.members, &mut entry.items]
            .into_iter()
            .chain(entry.member.values_mut())
            .chain(entry.item.iter_mut())
        {
            *applied = merged(std::mem::take(applied));
        }
        entry
    }

    /// Puts `index` into the order after all that it applies to the same value.
    fn descend(&mut self, index: usize, state: &mut [State]) -> Result<(), ContractError> {
        match state[index] {
            State::Done => return Ok(()),
            State::Open => {
                return Err(ContractError::Circle {
                    pointer: self.nodes[index].pointer.clone(),
                });
            }
            State::New => state[index] = State::Open,
        }
        let mut levels = 0;
        for target in self.nodes[index].here.clone() {
            self.descend(target, state)?;
            levels = levels.max(1 + self.nodes[target].levels);
        }
        if levels > LEVELS_MAX {
            return Err(ContractError::Schema {
                pointer: self.nodes[index].pointer.clone(),
                what: format!(
                    "more than {LEVELS_MAX} schemas inside each other judge the same value; merge them"
                ),
            });
        }
        self.nodes[index].levels = levels;
        state[index] = State::Done;
        self.order.push(index);
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum State {
    New,
    Open,
    Done,
}

fn slot<'a>(entry: &'a mut Entry, way: Way, token: Option<&str>) -> &'a mut Applied {
    match (way, token) {
        (Way::Member, Some(name)) => entry.member.entry(name.to_owned()).or_default(),
        (Way::Item, Some(place)) => {
            let place: usize = place.parse().unwrap_or(0);
            if entry.item.len() <= place {
                entry.item.resize(place + 1, Applied::new());
            }
            &mut entry.item[place]
        }
        (Way::Item | Way::Items, _) => &mut entry.items,
        (Way::Here | Way::Member | Way::Members, _) => &mut entry.members,
    }
}

struct Building<'a> {
    whole: &'a Value,
    nodes: Vec<Node>,
    numbers: BTreeMap<String, usize>,
    waiting: Vec<(usize, String, &'a Map<String, Value>)>,
    prices: BTreeMap<String, u64>,
}

impl<'a> Building<'a> {
    /// The number of the schema at `pointer`.
    fn number(&mut self, pointer: &str, schema: &'a Value) -> Result<usize, ContractError> {
        if let Some(index) = self.numbers.get(pointer) {
            return Ok(*index);
        }
        let index = self.nodes.len();
        if index == SCHEMAS_MAX {
            return Err(ContractError::TooMany {
                what: "schemas in one schema",
                max: SCHEMAS_MAX,
            });
        }
        self.nodes.push(Node {
            pointer: pointer.to_owned(),
            units: 1,
            ..Node::default()
        });
        self.numbers.insert(pointer.to_owned(), index);
        match schema {
            Value::Object(members) => self.waiting.push((index, pointer.to_owned(), members)),
            Value::Bool(_) => {}
            _ => return Err(shape(pointer, "a schema is an object, true or false")),
        }
        Ok(index)
    }

    fn read(
        &mut self,
        index: usize,
        pointer: &str,
        members: &'a Map<String, Value>,
    ) -> Result<(), ContractError> {
        for (keyword, value) in members {
            let at = place::below(pointer, keyword);
            match role(keyword, Dialect::Draft2020) {
                Role::Refused(remedy) => {
                    return Err(ContractError::Keyword {
                        pointer: pointer.to_owned(),
                        keyword: place::shown(keyword),
                        remedy,
                    });
                }
                Role::Reference => {
                    let target = self.target(value, &at)?;
                    self.nodes[index].here.push(target);
                }
                Role::Plain => self.plain(index, keyword, value, &at)?,
                Role::Dropped if keyword == "$schema" => {
                    return Err(shape(&at, "leave it out; schemas are JSON Schema 2020-12"));
                }
                Role::Schema(_) | Role::List(_) | Role::Named(_) | Role::Dropped => {}
            }
        }
        let patterns = members.get("patternProperties").and_then(Value::as_object);
        for pattern in patterns.into_iter().flat_map(Map::keys) {
            let at = place::below(pointer, "patternProperties");
            let price = self.price(pattern, &at)?;
            self.nodes[index].units_per_byte += price;
        }
        for part in below(members) {
            let at = place::below(pointer, part.keyword);
            let at = part
                .token
                .iter()
                .fold(at, |at, token| place::below(&at, token));
            let target = self.number(&at, part.schema)?;
            let node = &mut self.nodes[index];
            node.unevaluated |= part.keyword.starts_with("unevaluated");
            match part.way {
                Way::Here => node.here.push(target),
                way => node.inside.push((way, part.token, target)),
            }
        }
        Ok(())
    }

    /// The definition that `#/$defs/NAME` names.
    fn target(&mut self, reference: &'a Value, at: &str) -> Result<usize, ContractError> {
        let reference = reference
            .as_str()
            .ok_or_else(|| shape(at, "a reference is a string"))?;
        let name = reference.strip_prefix("#/$defs/");
        if name.is_none_or(|name| name.contains('/')) {
            return Err(ContractError::Remote {
                pointer: at.to_owned(),
                reference: place::shown(reference),
            });
        }
        let (pointer, schema) =
            place::resolve(self.whole, reference).ok_or_else(|| ContractError::Dangling {
                pointer: at.to_owned(),
                reference: place::shown(reference),
            })?;
        self.number(&pointer, schema)
    }

    fn plain(
        &mut self,
        index: usize,
        keyword: &str,
        value: &Value,
        at: &str,
    ) -> Result<(), ContractError> {
        let (units, per_byte) = match (keyword, value) {
            ("title" | "description" | "default" | "deprecated", _) => (0, 0),
            ("pattern", Value::String(pattern)) => (1, self.price(pattern, at)?),
            ("format", _) => (1, 1),
            (_, value) => (size(value), 0),
        };
        let node = &mut self.nodes[index];
        node.units += units;
        node.units_per_byte += per_byte;
        node.unique += u64::from(keyword == "uniqueItems" && *value == Value::Bool(true));
        Ok(())
    }

    fn price(&mut self, pattern: &str, at: &str) -> Result<u64, ContractError> {
        if let Some(price) = self.prices.get(pattern) {
            return Ok(*price);
        }
        if self.prices.len() == PATTERNS_MAX {
            return Err(ContractError::TooMany {
                what: "patterns in one schema",
                max: PATTERNS_MAX,
            });
        }
        let price = patterns::price(pattern).ok_or_else(|| ContractError::Schema {
            pointer: at.to_owned(),
            what: "its pattern is not one, is too large, or has to go back (look-around, back-references); write it without".to_owned(),
        })?;
        self.prices.insert(pattern.to_owned(), price);
        Ok(price)
    }
}
