//! What can be granted of an answer, whom a request is about, and the cut that a grant makes.
//!
//! An answer is one record (an object) or a list of records; its fields are the record's top-level
//! properties. Nothing here looks into a field.

use std::collections::{BTreeMap, BTreeSet};

use proto::id::Part;
use proto::limits::SUBJECTS_MAX;
use serde_json::{Map, Value};

use super::keywords::{Below, SUBJECT, Way, below};
use super::{ContractError, Subject, bundle::shape, place};

/// Schemas looked at in search of marked subjects, the same one at two places counted twice.
const SCHEMAS_VISITED_MAX: usize = 4_096;

/// An answer after [`strip()`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stripped {
    /// What is left.
    pub answer: Value,
    /// Names of the properties that were taken out, each once.
    pub removed: BTreeSet<String>,
    /// Values that stood where a record was expected and became null, because no grant names them.
    pub not_records: usize,
}

/// Leaves of the record, or of each record of a list, only the top-level properties in `granted`.
///
/// What is no record (a bare string, a list inside the list) becomes null: nothing that no grant names
/// passes. Null stays null.
pub fn strip<S: AsRef<str>>(answer: Value, granted: &[S]) -> Stripped {
    let granted: BTreeSet<&str> = granted.iter().map(AsRef::as_ref).collect();
    let mut stripped = Stripped {
        answer: Value::Null,
        removed: BTreeSet::new(),
        not_records: 0,
    };
    stripped.answer = match answer {
        Value::Array(records) => records
            .into_iter()
            .map(|record| stripped.cut(record, &granted))
            .collect(),
        record => stripped.cut(record, &granted),
    };
    stripped
}

impl Stripped {
    fn cut(&mut self, record: Value, granted: &BTreeSet<&str>) -> Value {
        match record {
            Value::Object(members) => {
                let mut left = Map::new();
                for (name, value) in members {
                    if granted.contains(name.as_str()) {
                        left.insert(name, value);
                    } else {
                        self.removed.insert(name);
                    }
                }
                Value::Object(left)
            }
            Value::Null => Value::Null,
            _ => {
                self.not_records += 1;
                Value::Null
            }
        }
    }
}

/// The top-level properties of an answer's record.
pub(super) fn fields(schema: &Value) -> BTreeSet<String> {
    let mut search = Fields {
        whole: schema,
        names: BTreeSet::new(),
        seen: BTreeSet::new(),
    };
    search.visit(schema, true);
    search.names
}

struct Fields<'a> {
    whole: &'a Value,
    names: BTreeSet<String>,
    /// Definitions already looked at, outside and inside a list.
    seen: BTreeSet<(&'a str, bool)>,
}

impl<'a> Fields<'a> {
    fn visit(&mut self, schema: &'a Value, outside_list: bool) {
        let Some(members) = schema.as_object() else {
            return;
        };
        if let Some(Value::String(reference)) = members.get("$ref")
            && self.seen.insert((reference, outside_list))
            && let Some((_, target)) = place::resolve(self.whole, reference)
        {
            self.visit(target, outside_list);
        }
        for part in below(members) {
            match part.way {
                // What `not` and `if` describe is not what the answer is.
                Way::Here if !matches!(part.keyword, "not" | "if") => {
                    self.visit(part.schema, outside_list);
                }
                Way::Member => self.names.extend(part.token),
                Way::Item | Way::Items if outside_list && part.keyword != "contains" => {
                    self.visit(part.schema, false);
                }
                _ => {}
            }
        }
    }
}

/// The marked properties of a request.
///
/// # Errors
/// A mark that is not one text, that stands where there could be several values or none to point at,
/// or two marks on one property; more than [`SUBJECTS_MAX`].
pub(super) fn subjects(schema: &Value) -> Result<Vec<Subject>, ContractError> {
    if !schema.to_string().contains(SUBJECT) {
        return Ok(Vec::new());
    }
    let mut search = Subjects {
        whole: schema,
        found: BTreeMap::new(),
        seen: BTreeSet::new(),
        left: SCHEMAS_VISITED_MAX,
    };
    search.visit(schema, Some(""), "#")?;
    if search.found.len() > SUBJECTS_MAX {
        return Err(ContractError::TooMany {
            what: "marked subjects in one request",
            max: SUBJECTS_MAX,
        });
    }
    Ok(search
        .found
        .into_iter()
        .map(|(pointer, scheme)| Subject { pointer, scheme })
        .collect())
}

struct Subjects<'a> {
    whole: &'a Value,
    /// Pointer into the payload → scheme.
    found: BTreeMap<String, String>,
    /// Definitions already looked at, each with the place it applies to.
    seen: BTreeSet<(&'a str, Option<String>)>,
    /// Schemas that may still be looked at: definitions that use each other twice have places
    /// without end.
    left: usize,
}

impl<'a> Subjects<'a> {
    /// `place` is the pointer to the one value that `schema` judges; `None` when there is not one.
    fn visit(
        &mut self,
        schema: &'a Value,
        place: Option<&str>,
        at: &str,
    ) -> Result<(), ContractError> {
        let Some(members) = schema.as_object() else {
            return Ok(());
        };
        self.left = self.left.checked_sub(1).ok_or(ContractError::TooMany {
            what: "places where a marked subject could stand",
            max: SCHEMAS_VISITED_MAX,
        })?;
        if let Some(mark) = members.get(SUBJECT) {
            self.mark(mark, place, at)?;
        }
        if let Some(Value::String(reference)) = members.get("$ref") {
            self.refer(reference, place)?;
        }
        for part in below(members) {
            let here = match (part.keyword, part.way) {
                ("not" | "if", _) => None,
                (_, Way::Here) => place.map(str::to_owned),
                (_, Way::Member) => place
                    .zip(part.token.as_ref())
                    .map(|(place, name)| place::below(place, name)),
                _ => None,
            };
            let at = spelt(at, &part);
            self.visit(part.schema, here.as_deref(), &at)?;
        }
        Ok(())
    }

    fn refer(&mut self, reference: &'a str, place: Option<&str>) -> Result<(), ContractError> {
        let Some((at, target)) = place::resolve(self.whole, reference) else {
            return Ok(());
        };
        // A definition that is reached from inside itself has no one place any more.
        let inside = place.is_some_and(|place| {
            let mut above = self.seen.iter().filter(|(name, _)| *name == reference);
            above.any(|(_, seen)| {
                let seen = seen.as_deref().and_then(|seen| place.strip_prefix(seen));
                seen.is_some_and(|rest| rest.starts_with('/'))
            })
        });
        let place = place.filter(|_| !inside);
        if self.seen.insert((reference, place.map(str::to_owned))) {
            self.visit(target, place, &at)?;
        }
        Ok(())
    }

    fn mark(&mut self, mark: &Value, place: Option<&str>, at: &str) -> Result<(), ContractError> {
        let scheme = mark
            .as_str()
            .ok_or_else(|| shape(at, "x-mohawel-subject names a scheme, for example nid"))?;
        if Part::parse(scheme).is_err() {
            return Err(shape(
                at,
                "the scheme after x-mohawel-subject is 1 to 64 letters, digits, '.', '_' and '-', for example nid",
            ));
        }
        let place = place.filter(|place| !place.is_empty()).ok_or_else(|| {
            shape(
                at,
                "x-mohawel-subject marks a property that every request has at one place, not the whole request, an item of a list or what refers to itself",
            )
        })?;
        let earlier = self.found.insert(place.to_owned(), scheme.to_owned());
        if earlier.is_some_and(|earlier| earlier != scheme) {
            return Err(shape(
                at,
                "one property is marked with two schemes; leave one",
            ));
        }
        Ok(())
    }
}

/// Where `part` stands in the schema.
fn spelt(at: &str, part: &Below<'_>) -> String {
    let at = place::below(at, part.keyword);
    match &part.token {
        Some(token) => place::below(&at, token),
        None => at,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_granted_is_left_of_every_record() {
        let cases = [
            (
                json!({ "a": 1, "b": { "c": 2 } }),
                json!({ "b": { "c": 2 } }),
                vec!["a"],
                0,
            ),
            (
                json!([{ "a": 1, "b": 2 }, { "d": 3 }]),
                json!([{ "b": 2 }, {}]),
                vec!["a", "d"],
                0,
            ),
            (json!([]), json!([]), vec![], 0),
            (json!({}), json!({}), vec![], 0),
            (json!(null), json!(null), vec![], 0),
            (
                json!([null, { "b": 1 }]),
                json!([null, { "b": 1 }]),
                vec![],
                0,
            ),
            (json!("secret"), json!(null), vec![], 1),
            (
                json!([1, [{ "b": 1 }], "x", { "b": 2 }]),
                json!([null, null, null, { "b": 2 }]),
                vec![],
                3,
            ),
            (json!({ "B": 1, "b ": 2 }), json!({}), vec!["B", "b "], 0),
        ];
        for (answer, left, removed, not_records) in cases {
            let stripped = strip(answer.clone(), &["b", "never"]);
            assert_eq!(stripped.answer, left, "{answer}");
            assert_eq!(
                stripped.removed.iter().collect::<Vec<_>>(),
                removed,
                "{answer}"
            );
            assert_eq!(stripped.not_records, not_records, "{answer}");
        }
        let nothing: [&str; 0] = [];
        assert_eq!(strip(json!({ "a": 1 }), &nothing).answer, json!({}));
    }

    fn names(schema: Value) -> Vec<String> {
        fields(&schema).into_iter().collect()
    }

    #[test]
    fn fields_are_the_properties_of_the_record_wherever_it_is_described() {
        let person =
            json!({ "properties": { "name": {}, "born": { "properties": { "in": {} } } } });
        let defs = json!({ "person": person, "people": { "items": { "$ref": "#/$defs/person" } } });
        for schema in [
            person.clone(),
            json!({ "$ref": "#/$defs/person", "$defs": defs }),
            json!({ "$ref": "#/$defs/people", "$defs": defs }),
            json!({ "type": "array", "items": person }),
            json!({ "prefixItems": [person], "contains": { "properties": { "x": {} } } }),
            json!({ "anyOf": [{ "type": "null" }, person] }),
            json!({ "allOf": [{ "properties": { "name": {} } }, { "properties": { "born": {} } }] }),
            json!({ "oneOf": [person, { "items": person }] }),
            json!({ "properties": { "name": {} }, "if": { "properties": { "x": {} } },
                "then": { "properties": { "born": {} } }, "not": { "properties": { "y": {} } } }),
        ] {
            assert_eq!(names(schema.clone()), ["born", "name"], "{schema}");
        }
        for schema in [
            json!(true),
            json!({}),
            json!({ "type": "string" }),
            json!({ "additionalProperties": person }),
            json!({ "items": { "items": person } }),
            json!({ "$ref": "#" }),
        ] {
            assert!(names(schema.clone()).is_empty(), "{schema}");
        }
    }

    #[test]
    fn a_subject_is_found_at_its_place_in_the_payload() {
        let nid = json!({ "type": "string", SUBJECT: "nid" });
        let schema = json!({
            "properties": {
                "nid": nid,
                "a/b": { "properties": { "~": { "$ref": "#/$defs/nid" } } },
                "twice": { "$ref": "#/$defs/nid" },
            },
            "allOf": [{ "properties": { "nid": nid, "card": { SUBJECT: "card" } } }],
            "$defs": { "nid": nid },
        });
        let found = subjects(&schema).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|subject| (subject.pointer.as_str(), subject.scheme.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("/a~1b/~0", "nid"),
                ("/card", "card"),
                ("/nid", "nid"),
                ("/twice", "nid")
            ]
        );
    }

    #[test]
    fn a_mark_that_points_at_no_one_value_is_refused() {
        let nid = json!({ SUBJECT: "nid" });
        let many: Map<_, _> = (0..9)
            .map(|index| (format!("p{index}"), nid.clone()))
            .collect();
        for schema in [
            nid.clone(),
            json!({ "items": nid }),
            json!({ "properties": { "list": { "items": { "properties": { "nid": nid } } } } }),
            json!({ "additionalProperties": nid }),
            json!({ "patternProperties": { "n": nid } }),
            json!({ "not": { "properties": { "n": nid } } }),
            json!({ "properties": { "n": { SUBJECT: 1 } } }),
            json!({ "properties": { "n": { SUBJECT: "" } } }),
            json!({ "properties": { "n": { SUBJECT: "a b" } } }),
            json!({ "properties": { "n": { SUBJECT: "a" } }, "allOf": [{ "properties": { "n": { SUBJECT: "b" } } }] }),
            json!({ "$ref": "#/$defs/p", "$defs": { "p": { "properties": { "nid": nid, "parent": { "$ref": "#/$defs/p" } } } } }),
            json!({ "properties": many }),
        ] {
            assert!(subjects(&schema).is_err(), "{schema}");
        }
        let recursive = json!({ "properties": { "nid": nid, "tree": { "$ref": "#/$defs/t" } },
            "$defs": { "t": { "properties": { "left": { "$ref": "#/$defs/t" }, "right": { "$ref": "#/$defs/t" } } } } });
        assert_eq!(subjects(&recursive).unwrap().len(), 1);
    }
}
