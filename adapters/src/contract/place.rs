//! Where something stands in a document: JSON Pointers (RFC 6901), as people read them in errors.
//!
//! A pointer into a document begins with `#`, one into a payload does not.

use std::fmt::Write as _;

use serde_json::Value;

/// The pointer to `token` below `pointer`.
pub(super) fn below(pointer: &str, token: impl AsRef<str>) -> String {
    let token = token.as_ref();
    let mut whole = String::with_capacity(pointer.len() + token.len() + 1);
    whole.push_str(pointer);
    whole.push('/');
    for c in token.chars() {
        match c {
            '~' => whole.push_str("~0"),
            '/' => whole.push_str("~1"),
            c => whole.push(c),
        }
    }
    whole
}

/// The pointer to item `index` below `pointer`.
pub(super) fn item(pointer: &str, index: usize) -> String {
    let mut whole = pointer.to_owned();
    // Writing to a string cannot fail.
    let _ = write!(whole, "/{index}");
    whole
}

/// The last token of a pointer, unescaped.
pub(super) fn last(pointer: &str) -> String {
    unescape(pointer.rsplit('/').next().unwrap_or_default())
}

/// What a local reference (`#/…`) points to, with the pointer in its one spelling; `None` when it is
/// not local, is spelt wrongly, or points to nothing.
pub(super) fn resolve<'a>(document: &'a Value, reference: &str) -> Option<(String, &'a Value)> {
    let fragment = decode(reference.strip_prefix('#')?)?;
    let mut value = document;
    let mut pointer = "#".to_owned();
    if fragment.is_empty() {
        return Some((pointer, value));
    }
    for token in fragment.strip_prefix('/')?.split('/') {
        let token = unescape(token);
        value = match value {
            Value::Object(members) => members.get(&token)?,
            Value::Array(items) => items.get(index(&token)?)?,
            _ => return None,
        };
        pointer = below(&pointer, token);
    }
    Some((pointer, value))
}

/// What of a hostile text an error repeats: short and printable.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .flat_map(|c| {
            let mark = c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            let plain = (!mark).then_some(c);
            let escaped = mark.then(|| c.escape_default());
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    plain.then(|| token.parse().ok())?
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Percent-decoding of a URI fragment.
fn decode(fragment: &str) -> Option<String> {
    if !fragment.contains('%') {
        return Some(fragment.to_owned());
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let pair = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(pair).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_says_the_same_whichever_way_it_is_spelt() {
        let document = json!({ "paths": { "/a b/{x}": [10, { "~": 1 }] } });
        for reference in ["#/paths/~1a b~1{x}/1/~0", "#/paths/~1a%20b~1%7Bx%7D/1/~0"] {
            let (pointer, value) = resolve(&document, reference).unwrap();
            assert_eq!(pointer, "#/paths/~1a b~1{x}/1/~0");
            assert_eq!(value, &json!(1));
        }
        assert_eq!(resolve(&document, "#").unwrap().0, "#");
        assert_eq!(last("#/paths/~1a b~1{x}"), "/a b/{x}");
    }

    #[test]
    fn what_points_to_nothing_is_nothing() {
        let document = json!({ "a": [1] });
        for reference in [
            "",
            "a",
            "/a",
            "#a",
            "#/b",
            "#/a/1",
            "#/a/00",
            "#/a/+0",
            "#/a/0/0",
            "#/%",
            "#/%zz",
            "#/%ff",
            "http://x/#/a",
        ] {
            assert_eq!(resolve(&document, reference), None, "{reference}");
        }
    }

    #[test]
    fn an_error_repeats_a_hostile_text_short_and_printable() {
        let text = format!("a\u{202e}b\n{}", "c".repeat(1000));
        let shown = shown(&text);
        assert!(shown.starts_with("a\\u{202e}b\\nccc"), "{shown}");
        assert!(shown.len() < 200);
        assert_eq!(super::shown("بحث"), "بحث");
    }
}
