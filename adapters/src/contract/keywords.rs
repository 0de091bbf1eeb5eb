//! The keywords of JSON Schema 2020-12 that are used here, and what stands behind each.
//!
//! A closed list: a keyword that is not in it is refused, because a misspelt `requird` that is passed
//! over would let through what its author wanted kept out.

use serde_json::{Map, Value};

/// What stands behind a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One schema, applied as [`Way`] says.
    Schema(Way),
    /// A list of schemas.
    List(Way),
    /// Names, each with a schema.
    Named(Way),
    /// A reference to a schema, applied to the same value.
    Reference,
    /// A value that says something by itself.
    Plain,
    /// Says nothing about values; left out of what is published.
    Dropped,
    /// Not used here; what to write instead.
    Refused(&'static str),
}

/// To what a schema behind a keyword applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the very same value.
    Here,
    /// To the member of that name.
    Member,
    /// To members by another rule than their name.
    Members,
    /// To the item of that place.
    Item,
    /// To items.
    Items,
}

/// Which dialect a schema is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAPI 3.0: `nullable`, boolean `exclusiveMinimum`, nothing beside `$ref`.
    OpenApi30,
    /// JSON Schema 2020-12, also in OpenAPI 3.1.
    Draft2020,
}

/// The values of `$schema` (and `jsonSchemaDialect`) that name the dialect we read.
pub(super) const DIALECTS: [&str; 2] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://spec.openapis.org/oas/3.1/dialect/base",
];

/// What marks a property that says whom a request is about.
pub(super) const SUBJECT: &str = "x-mohawel-subject";

const BY_POINTER: &str = "refer to schemas by JSON Pointer, as #/components/schemas/NAME";

/// The role of a keyword.
pub(super) fn role(keyword: &str, dialect: Dialect) -> Role {
    match keyword {
        "$ref" => Role::Reference,
        "not" | "if" | "then" | "else" => Role::Schema(Way::Here),
        "additionalProperties" | "propertyNames" | "unevaluatedProperties" => {
            Role::Schema(Way::Members)
        }
        "items" | "contains" | "unevaluatedItems" => Role::Schema(Way::Items),
        "allOf" | "anyOf" | "oneOf" => Role::List(Way::Here),
        "prefixItems" => Role::List(Way::Item),
        "properties" => Role::Named(Way::Member),
        "patternProperties" => Role::Named(Way::Members),
        "dependentSchemas" => Role::Named(Way::Here),
        "type" | "enum" | "const" | "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum"
        | "exclusiveMaximum" | "minLength" | "maxLength" | "pattern" | "minItems" | "maxItems"
        | "uniqueItems" | "minContains" | "maxContains" | "minProperties" | "maxProperties"
        | "required" | "dependentRequired" | "format" | "contentEncoding" | "contentMediaType"
        | "title" | "description" | "default" | "deprecated" | "readOnly" | "writeOnly" => {
            Role::Plain
        }
        "example" | "examples" | "xml" | "externalDocs" | "discriminator" | "contentSchema"
        | "$comment" | "$defs" | "definitions" | "$schema" => Role::Dropped,
        "nullable" if dialect == Dialect::OpenApi30 => Role::Plain,
        "nullable" => Role::Refused("write type: [TYPE, \"null\"]"),
        "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef"
        | "$recursiveAnchor" | "$vocabulary" => Role::Refused(BY_POINTER),
        "dependencies" => Role::Refused("write dependentRequired or dependentSchemas"),
        "additionalItems" => Role::Refused("write prefixItems and items"),
        _ if keyword.starts_with("x-mohawel-") => Role::Plain,
        _ if keyword.starts_with("x-") => Role::Dropped,
        _ => Role::Refused("it is no keyword of JSON Schema 2020-12; correct it or name it x-…"),
    }
}

/// One schema below another.
pub(super) struct Below<'a> {
    /// The keyword that brings it in.
    pub(super) keyword: &'a str,
    /// The member's name or the item's place, where the keyword has more than one schema.
    pub(super) token: Option<String>,
    /// To what it applies.
    pub(super) way: Way,
    /// The schema.
    pub(super) schema: &'a Value,
}

/// The schemas below `schema`, `$ref` and `$defs` left out.
pub(super) fn below(schema: &Map<String, Value>) -> Vec<Below<'_>> {
    let mut found = Vec::new();
    for (keyword, value) in schema {
        let mut push = |token, way, schema| {
            found.push(Below {
                keyword,
                token,
                way,
                schema,
            });
        };
        match (role(keyword, Dialect::Draft2020), value) {
            (Role::Schema(way), schema) => push(None, way, schema),
            (Role::List(way), Value::Array(items)) => {
                for (index, schema) in items.iter().enumerate() {
                    push(Some(index.to_string()), way, schema);
                }
            }
            (Role::Named(way), Value::Object(members)) => {
                for (name, schema) in members {
                    push(Some(name.clone()), way, schema);
                }
            }
            _ => {}
        }
    }
    found
}
