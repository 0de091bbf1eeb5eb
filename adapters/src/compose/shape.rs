//! The shape of a composition's TOML, each value with its place. Unknown keys are refused by the reader.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) composition: Text,
    pub(super) name_en: Text,
    pub(super) name_ar: Text,
    pub(super) deadline_ms: Option<Spanned<i64>>,
    pub(super) retries: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) actor_required: bool,
    #[serde(default)]
    pub(super) inputs: Vec<FileInput>,
    pub(super) parts: Vec<FilePart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileInput {
    pub(super) name: Text,
    pub(super) name_en: Text,
    pub(super) name_ar: Text,
    pub(super) kind: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePart {
    pub(super) name: Text,
    pub(super) name_en: Text,
    pub(super) name_ar: Text,
    pub(super) service: Text,
    pub(super) operation: Text,
    pub(super) purpose: Text,
    pub(super) fields: Vec<Text>,
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Spanned<FileSource>>,
    #[serde(default)]
    pub(super) after: Vec<Text>,
    pub(super) payload: Option<Text>,
    pub(super) deadline_ms: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) once: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSource {
    pub(super) input: Option<Text>,
    pub(super) part: Option<Text>,
    pub(super) field: Option<Text>,
    pub(super) value: Option<toml::Value>,
    pub(super) text: Option<Text>,
}
