//! The file of a roll-out: whose service, and in which table of the own store its answers lie. Unknown keys are refused
//! and every problem is told at once; whom an agreement is made with has no default.
//!
//! ```toml
//! from = "EG/GOV/GIZA/local/licences.v1"
//! as = "licences.v1"                        # the own name of it; may be left out
//! contract = "9f31c2"                       # first digits: roll out this contract and no newer one; may be left out
//! owner_contact = "licences@qena.example"
//! consumers = ["EG/GOV/LOCALDEV"]           # whose agreement with the origin is made here, too; may be left out
//!
//! [store]                                   # as in a providers file: sqlite, postgres or a CSV file
//! postgres = "postgres://erp_reader@127.0.0.1:5432/erp"
//! password = { file = "erp.password" }
//!
//! [operations.lookup]                       # each operation of the contract
//! table = "erp.building_permits"            # of a database only
//! key = { licence_no = "PERMIT_NO" }        # each parameter and its column; a list where they are called alike
//! fields = { holder_ar = "OWNER_NAME" }     # columns that are not called as their field
//! empty = "answer"                          # no row is an empty answer, not "not found"; may be left out
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proto::id::{Part, ServiceId};
use serde::Deserialize;

use crate::commands::agreement::is_prefix;
use crate::commands::refused::problems;
use crate::commands::service::definition::parsed;
use crate::commands::switch_dir::in_file;
use crate::commands::toml_keys::{self, Shape};
use crate::failure::Failure;

/// What every plan says.
const KEYS: Shape = Shape {
    top: &["from", "owner_contact", "store", "operations"],
    list: "",
    each: &[],
};

/// What the file says, read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Where it stands.
    pub(super) path: PathBuf,
    /// The proven service.
    pub(super) from: ServiceId,
    /// Its name here.
    pub(super) name: Part,
    /// First digits of the only contract that may be taken over.
    pub(super) contract: Option<String>,
    /// Whom to ask about it here.
    pub(super) owner_contact: String,
    /// Whose agreements are made here, too, as agreements write them.
    pub(super) consumers: Vec<String>,
    /// The store, as a providers file describes it, without its kind.
    pub(super) store: toml::Table,
    /// Where each operation's answers lie.
    pub(super) operations: BTreeMap<String, Place>,
}

/// Where an operation's answers lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// In a database.
    pub(super) table: Option<String>,
    /// Parameter and column.
    pub(super) key: BTreeMap<String, String>,
    /// Field and column, where they are not called alike.
    pub(super) fields: BTreeMap<String, String>,
    /// What an answer without rows is.
    pub(super) empty: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    from: String,
    #[serde(rename = "as")]
    name: Option<String>,
    contract: Option<String>,
    owner_contact: String,
    #[serde(default)]
    consumers: Vec<String>,
    store: toml::Table,
    operations: BTreeMap<String, FilePlace>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlace {
    table: Option<String>,
    key: Key,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    empty: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Key {
    Alike(Vec<String>),
    Named(BTreeMap<String, String>),
}

impl Plan {
    /// Reads the file.
    ///
    /// # Errors
    /// A usage failure with every problem of the file.
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| in_file(path, error))?;
        Self::parse(&text, path).map_err(|found| problems(path, &found))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Every problem, a sentence each.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, Vec<String>> {
        let file: File = toml_keys::read(text, &KEYS)?;
        let mut found = Vec::new();
        let from = ServiceId::parse(&file.from)
            .map_err(|error| found.push(format!("from: {error}")))
            .ok();
        let name = match &file.name {
            Some(text) => parsed("as", text, &mut found),
            None => from.as_ref().map(ServiceId::service),
        };
        if let Some(digits) = file.contract.as_deref().filter(|text| !is_prefix(text)) {
            found.push(format!("contract: '{digits}' is not the beginning of one: give at least 6 of its hex digits"));
        }
        let mut consumers = file.consumers;
        consumers.sort();
        consumers.dedup();
        let operations: BTreeMap<_, _> = file
            .operations
            .into_iter()
            .map(|(name, place)| (name, place.read()))
            .collect();
        for (name, place) in &operations {
            if place.key.is_empty() {
                found.push(format!(
                    "operations.{name}: key names no column; who asks would get the whole table"
                ));
            }
        }
        let (Some(from), Some(name)) = (from, name) else {
            return Err(found);
        };
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            path: path.to_owned(),
            from,
            name,
            contract: file.contract.map(|digits| digits.to_ascii_lowercase()),
            owner_contact: file.owner_contact,
            consumers,
            store: file.store,
            operations,
        })
    }

    /// The folder in which the file's paths start.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl FilePlace {
    fn read(self) -> Place {
        Place {
            table: self.table,
            key: match self.key {
                Key::Alike(names) => names.into_iter().map(|name| (name.clone(), name)).collect(),
                Key::Named(named) => named,
            },
            fields: self.fields,
            empty: self.empty,
        }
    }
}
