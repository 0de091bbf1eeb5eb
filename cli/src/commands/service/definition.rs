//! The TOML file that defines a service. Unknown keys are refused, every problem is told at once.
//!
//! ```toml
//! service = "persons.v1"
//! name_ar = "بيانات الأشخاص"
//! name_en = "Persons"
//!
//! [[operations]]
//! name = "person"
//! name_ar = "شخص"
//! name_en = "One person"
//! fields = ["name", "birth_date"]
//! ```

use std::fs;
use std::path::Path;

use proto::act::{Operation, ServiceDefinition};
use proto::id::{Part, SystemId};
use proto::limits::{FIELDS_MAX, OPERATIONS_MAX};
use serde::Deserialize;

use crate::commands::refused::problems;
use crate::commands::switch_dir::in_file;
use crate::failure::Failure;

/// A service, not yet any system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its own name, for example `persons.v1`.
    pub service: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// Ascending by name, each once.
    pub operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: String,
    name_ar: String,
    name_en: String,
    operations: Vec<FileOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOperation {
    name: String,
    name_ar: String,
    name_en: String,
    fields: Vec<String>,
}

impl Definition {
    /// Reads the file.
    ///
    /// # Errors
    /// A usage failure with every problem of the file.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| in_file(path, error))?;
        Self::parse(&text).map_err(|found| problems(path, &found))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut found = Vec::new();
        let service = parsed("service", &file.service, &mut found);
        let mut operations = Vec::new();
        for operation in file.operations {
            let name = parsed("operations.name", &operation.name, &mut found);
            let fields = parts(
                "operations.fields",
                &operation.fields,
                FIELDS_MAX,
                &mut found,
            );
            let Some(name) = name else { continue };
            let (name_ar, name_en) = (&operation.name_ar, &operation.name_en);
            operations.push(Operation::plain(name, name_ar, name_en, fields));
        }
        operations.sort_by(|one, other| one.name.cmp(&other.name));
        if operations
            .windows(2)
            .any(|pair| pair[0].name == pair[1].name)
        {
            found.push("operations: one name stands there twice".to_owned());
        }
        if found.is_empty() && (operations.is_empty() || operations.len() > OPERATIONS_MAX) {
            found.push(format!("operations: 1 to {OPERATIONS_MAX} are needed"));
        }
        let Some(service) = service.filter(|_| found.is_empty()) else {
            return Err(found);
        };
        let definition = Self {
            service,
            name_ar: file.name_ar,
            name_en: file.name_en,
            operations,
        };
        definition.readable()?;
        Ok(definition)
    }

    /// The definition as `system` publishes it at `issued_at_ms`.
    pub fn of_system(&self, system: &SystemId, issued_at_ms: u64) -> ServiceDefinition {
        ServiceDefinition {
            system: system.clone(),
            service: self.service.clone(),
            name_ar: self.name_ar.clone(),
            name_en: self.name_en.clone(),
            operations: self.operations.clone(),
            issued_at_ms,
            owner_contact: String::new(),
            sensitivity: None,
        }
    }

    /// What the protocol itself refuses, such as hidden characters in a name, is told before anything is sealed: the
    /// service's own problem and every operation's at once.
    fn readable(&self) -> Result<(), Vec<String>> {
        let any = SystemId::parse("A/B/C/d").map_err(|error| vec![error.to_string()])?;
        let open = |definition: &Self| {
            let sealed = definition.of_system(&any, 1).encode();
            ServiceDefinition::open(&sealed).map(drop)
        };
        let mut found = Vec::new();
        let harmless = Operation::plain(self.service.clone(), "ا", "a", Vec::new());
        let bare = Self {
            operations: vec![harmless],
            ..self.clone()
        };
        found.extend(open(&bare).err().map(|error| error.to_string()));
        for operation in &self.operations {
            let alone = Self {
                name_ar: "ا".to_owned(),
                name_en: "a".to_owned(),
                operations: vec![operation.clone()],
                ..self.clone()
            };
            let problem = open(&alone).err();
            found.extend(problem.map(|error| format!("operation {}: {error}", operation.name)));
        }
        match found.is_empty() {
            true => open(self).map_err(|error| vec![error.to_string()]),
            false => Err(found),
        }
    }
}

/// One name part, or a problem.
pub(crate) fn parsed(key: &str, text: &str, found: &mut Vec<String>) -> Option<Part> {
    Part::parse(text)
        .map_err(|error| found.push(format!("{key}: {error}")))
        .ok()
}

/// A list of name parts, sorted, each once.
pub(crate) fn parts(key: &str, texts: &[String], max: usize, found: &mut Vec<String>) -> Vec<Part> {
    let mut parts: Vec<Part> = texts
        .iter()
        .filter_map(|text| parsed(key, text, found))
        .collect();
    parts.sort();
    parts.dedup();
    if parts.len() > max {
        found.push(format!(
            "{key}: {} are too many, the limit is {max}",
            parts.len()
        ));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        service = "persons.v1"
        name_ar = "بيانات الأشخاص"
        name_en = "Persons"
        [[operations]]
        name = "person"
        name_ar = "شخص"
        name_en = "One person"
        fields = ["name", "birth_date", "name"]
        [[operations]]
        name = "alive"
        name_ar = "حي"
        name_en = "Whether alive"
        fields = []
    "#;

    #[test]
    fn lists_are_sorted_and_each_name_stands_once() {
        let definition = Definition::parse(GOOD).unwrap();
        let names: Vec<_> = definition
            .operations
            .iter()
            .map(|operation| operation.name.as_str())
            .collect();
        assert_eq!(names, ["alive", "person"]);
        let fields: Vec<_> = definition.operations[1]
            .fields
            .iter()
            .map(Part::as_str)
            .collect();
        assert_eq!(fields, ["birth_date", "name"]);
        let system = SystemId::parse("EG/GOV/CIVIL/registry").unwrap();
        let sealed = definition.of_system(&system, 7);
        assert_eq!(ServiceDefinition::open(&sealed.encode()).unwrap(), sealed);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let bad = GOOD
            .replace("persons.v1", "per sons")
            .replace("birth_date", "birth/date")
            .replace("\"alive\"", "\"\"");
        assert_eq!(Definition::parse(&bad).unwrap_err().len(), 3);
    }

    #[test]
    fn unknown_keys_missing_keys_twins_and_hidden_characters_are_refused() {
        let unknown = GOOD.replace("service =", "colour = 1\nservice =");
        assert!(Definition::parse(&unknown).unwrap_err()[0].contains("colour"));
        let missing = GOOD.replace("name_en = \"Persons\"", "");
        assert!(Definition::parse(&missing).unwrap_err()[0].contains("name_en"));
        let twins = GOOD.replace("\"alive\"", "\"person\"");
        assert!(Definition::parse(&twins).unwrap_err()[0].contains("twice"));
        let none = "service = 'a'\nname_ar = 'ا'\nname_en = 'a'\noperations = []";
        assert!(Definition::parse(none).is_err());
        let hidden = GOOD.replace("One person", "One\u{202e}person");
        assert!(Definition::parse(&hidden).unwrap_err()[0].contains("hidden"));
        let both = hidden
            .replace("\"Persons\"", "\"\"")
            .replace("Whether", "\u{202e}");
        assert_eq!(Definition::parse(&both).unwrap_err().len(), 3);
        let text = "not toml at all";
        assert_eq!(Definition::parse(text).unwrap_err().len(), 1);
    }
}
