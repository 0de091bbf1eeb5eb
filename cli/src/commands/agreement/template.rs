//! Templates of agreements: terms with `${NAME}` placeholders, filled from the command line.
//!
//! A value can never become anything but text inside a quoted TOML string: what could end the string is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::Failure;
use crate::output::Output;

/// Name, what it is for in both languages, text.
const TEMPLATES: &[(&str, [&str; 2], &str)] = &[
    (
        "benefit-check",
        [
            "One agency checks applicants of a benefit in another one's register",
            "جهة تتحقق من مستحقي دعم في سجل جهة أخرى",
        ],
        include_str!("templates/benefit-check.toml"),
    ),
    (
        "own-residents",
        [
            "Every governorate sees the records of its own residents",
            "كل محافظة ترى بيانات المقيمين فيها فقط",
        ],
        include_str!("templates/own-residents.toml"),
    ),
    (
        "open-service",
        [
            "A service without personal data, for every agency of a class",
            "خدمة بلا بيانات شخصية لكل جهات فئة واحدة",
        ],
        include_str!("templates/open-service.toml"),
    ),
];

/// Lists the templates.
///
/// # Errors
/// That standard output cannot be written.
pub(super) fn list(output: Output) -> Result<(), Failure> {
    let value: Vec<_> = TEMPLATES
        .iter()
        .map(|(name, what, text)| {
            let names: Vec<_> = placeholders(text).into_iter().collect();
            serde_json::json!({ "template": name, "what_en": what[0], "what_ar": what[1], "placeholders": names })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("template", "القالب"),
                output.say("for", "الغرض منه"),
                output.say("to fill in", "يُملأ"),
            ],
            TEMPLATES.iter().map(|(name, what, text)| {
                let names: Vec<_> = placeholders(text).into_iter().collect();
                [
                    (*name).to_owned(),
                    output.say(what[0], what[1]).to_owned(),
                    names.join(" "),
                ]
            }),
        );
    })
}

/// Prints one.
///
/// # Errors
/// A usage failure for a name that there is not.
pub(super) fn show(name: &str, output: Output) -> Result<(), Failure> {
    let found = TEMPLATES.iter().find(|(known, ..)| *known == name);
    let (_, _, text) = found.ok_or_else(|| {
        let names: Vec<_> = TEMPLATES.iter().map(|(known, ..)| *known).collect();
        Failure::usage(format!(
            "there is no template '{name}': {}",
            names.join(", ")
        ))
    })?;
    output.show(
        &serde_json::json!({ "template": name, "text": text }),
        || {
            output.line(text.trim_end());
        },
    )
}

/// The text with every placeholder filled.
///
/// # Errors
/// Every placeholder without a value, value without a placeholder, and value that is no plain text.
pub(super) fn filled(text: &str, set: &[String]) -> Result<String, Vec<String>> {
    let mut values = BTreeMap::new();
    let mut found = Vec::new();
    for pair in set {
        match pair.split_once('=') {
            Some((name, value)) if is_name(name) => {
                if !is_plain(value) {
                    found.push(format!(
                        "--set {name}: its value holds a quote, backslash or control character"
                    ));
                } else if values.insert(name, value).is_some() {
                    found.push(format!("--set {name}: given twice"));
                }
            }
            _ => found.push(format!("--set {pair}: it is not NAME=VALUE")),
        }
    }
    let wanted = placeholders(text);
    let missing = wanted.iter().filter(|name| !values.contains_key(*name));
    found.extend(missing.map(|name| format!("${{{name}}} has no value: give --set {name}=VALUE")));
    let unused = values.keys().filter(|name| !wanted.contains(**name));
    found.extend(unused.map(|name| format!("--set {name}: the file has no ${{{name}}}")));
    if !found.is_empty() {
        return Err(found);
    }
    let mut filled = text.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("${{{name}}}"), value);
    }
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_plain(value: &str) -> bool {
    !value
        .chars()
        .any(|c| c.is_control() || matches!(c, '"' | '\'' | '\\' | '$'))
}

/// Names of the placeholders outside comments.
fn placeholders(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("${") {
            let Some((name, tail)) = after.split_once('}') else {
                break;
            };
            if is_name(name) {
                names.insert(name);
            }
            rest = tail;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::agreement::terms::Terms;

    #[test]
    fn every_template_fills_into_terms_that_can_be_sealed() {
        for (name, _, text) in TEMPLATES {
            let set: Vec<String> = placeholders(text)
                .into_iter()
                .map(|name| {
                    let value = match name {
                        "consumer" => "EG/GOV/MOSS",
                        "provider" => "EG/GOV/CIVIL",
                        "class" => "EG/GOV",
                        "purpose" => "test",
                        _ => "x1",
                    };
                    format!("{name}={value}")
                })
                .collect();
            let filled = filled(text, &set).unwrap();
            Terms::parse(&filled).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        }
    }

    #[test]
    fn a_value_stays_text_and_everything_missing_or_unused_is_told_at_once() {
        let text = "consumer = \"${who}\"\n# ${comment}\nx = \"${what}\"";
        let found = filled(text, &["other=1".to_owned(), "broken".to_owned()]).unwrap_err();
        assert_eq!(found.len(), 4, "{found:?}");
        for hostile in ["\" evil = \"", "a\nb", "a\\b", "${what}"] {
            let set = [format!("who={hostile}"), "what=1".to_owned()];
            assert!(filled(text, &set).is_err(), "{hostile}");
        }
        let set = ["who=EG/GOV/X".to_owned(), "what=y".to_owned()];
        assert!(filled(text, &set).unwrap().contains("\"EG/GOV/X\""));
    }
}
