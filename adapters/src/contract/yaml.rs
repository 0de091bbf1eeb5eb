//! The YAML of OpenAPI documents → the same JSON value.
//!
//! YAML 1.2 core schema with what JSON has no word for left out: one document, names are scalars, no
//! anchors and aliases (a few lines of them unfold to gigabytes; `$ref` does the same work), no tags,
//! no `.inf` and `.nan`. Nothing is called for inside itself: the open levels stand on a list.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

/// Reads one document, its maps and lists at most `depth_max` inside each other.
///
/// # Errors
/// A sentence with line and column.
pub(super) fn read(text: &str, depth_max: usize) -> Result<Value, String> {
    let mut building = Building::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let step = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                (documents == 1).then_some(()).ok_or("a second document")
            }
            Event::Alias(_) => Err(ANCHORS),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                Err("a tag; write plain strings, numbers, lists and maps")
            }
            Event::Scalar(_, _, anchor, None)
            | Event::SequenceStart(anchor, None)
            | Event::MappingStart(anchor, None)
                if anchor != 0 =>
            {
                Err(ANCHORS)
            }
            Event::Scalar(text, style, _, None) => building.scalar(text.into_owned(), style),
            Event::SequenceStart(..) => building.open(Level::List(Vec::new()), depth_max),
            Event::MappingStart(..) => building.open(Level::Map(Map::new(), None), depth_max),
            Event::SequenceEnd | Event::MappingEnd => building.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        };
        step.map_err(|what| at(what, span))?;
    }
    building.done.ok_or_else(|| "it is empty".to_owned())
}

const ANCHORS: &str = "an anchor or alias; write it out, or use $ref";

fn at(what: &str, span: Span) -> String {
    format!(
        "{what} at line {} column {}",
        span.start.line(),
        span.start.col() + 1
    )
}

/// What is read so far.
#[derive(Default)]
struct Building {
    open: Vec<Level>,
    done: Option<Value>,
}

/// A list or map that is not closed yet; a map with the name whose value comes next.
enum Level {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

impl Building {
    fn open(&mut self, level: Level, depth_max: usize) -> Result<(), &'static str> {
        if let Some(Level::Map(_, None)) = self.open.last() {
            return Err("a name that is a list or map");
        }
        if self.open.len() == depth_max {
            return Err("nested too deep");
        }
        self.open.push(level);
        Ok(())
    }

    fn close(&mut self) -> Result<(), &'static str> {
        match self.open.pop() {
            Some(Level::List(items)) => self.put(Value::Array(items)),
            Some(Level::Map(members, None)) => self.put(Value::Object(members)),
            Some(Level::Map(_, Some(_))) | None => Err("an end without a beginning"),
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle) -> Result<(), &'static str> {
        if let Some(Level::Map(members, name @ None)) = self.open.last_mut() {
            if members.contains_key(&text) {
                return Err("a name that stands twice in one map");
            }
            *name = Some(text);
            return Ok(());
        }
        let value = if style == ScalarStyle::Plain {
            plain(text)?
        } else {
            Value::String(text)
        };
        self.put(value)
    }

    fn put(&mut self, value: Value) -> Result<(), &'static str> {
        match self.open.last_mut() {
            Some(Level::List(items)) => items.push(value),
            Some(Level::Map(members, name)) => {
                let name = name.take().ok_or("a name that is a list or map")?;
                members.insert(name, value);
            }
            None => self.done = Some(value),
        }
        Ok(())
    }
}

/// What a plain scalar means in the core schema.
fn plain(text: String) -> Result<Value, &'static str> {
    Ok(match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other => match number(other)? {
            Some(number) => Value::Number(number),
            None => Value::String(text),
        },
    })
}

fn number(text: &str) -> Result<Option<Number>, &'static str> {
    let signless = text.trim_start_matches(['+', '-']);
    if text.len() - signless.len() > 1 {
        return Ok(None);
    }
    if matches!(
        signless,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) {
        return Err("a number that JSON does not have");
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let all = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            return if all {
                let value = u64::from_str_radix(digits, radix);
                value.map(|value| Some(value.into())).map_err(|_| LARGE)
            } else {
                Ok(None)
            };
        }
    }
    if !is_decimal(signless) {
        return Ok(None);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = text.parse::<u64>() {
        return Ok(Some(value.into()));
    }
    if let Ok(value) = text.parse::<i64>() {
        return Ok(Some(value.into()));
    }
    let value = text.parse::<f64>().map_err(|_| LARGE)?;
    Number::from_f64(value).map(Some).ok_or(LARGE)
}

const LARGE: &str = "a number out of range";

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, then an exponent or none.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let good = digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty());
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    good && exponent.is_none_or(|text| !text.is_empty() && digits(text))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_reads_as_its_json_twin() {
        let text = "
openapi: 3.0.3   # a comment
info: {title: 'سجل', version: \"1.0\"}
paths:
  /persons/{nid}:
    get:
      responses:
        200:
          description: >
            one
            line
list:
- 1
- -2
- +3
- 0x1F
- 0o17
- 1.5
- .5
- 1.
- 6.02e+23
- true
- FALSE
- ~
-
- null
- yes
- 2024-01-01
- 0x
- 1_000
- 1.2.3
- --1
- e5
- '1'
";
        assert_eq!(
            read(text, 9).unwrap(),
            json!({
                "openapi": "3.0.3",
                "info": { "title": "سجل", "version": "1.0" },
                "paths": { "/persons/{nid}": { "get": { "responses": {
                    "200": { "description": "one line\n" },
                } } } },
                "list": [
                    1, -2, 3, 31, 15, 1.5, 0.5, 1.0, 6.02e23, true, false, null, null, null, "yes",
                    "2024-01-01", "0x", "1_000", "1.2.3", "--1", "e5", "1",
                ],
            })
        );
    }

    #[test]
    fn what_json_has_no_word_for_is_refused() {
        let deep = "[".repeat(10) + &"]".repeat(10);
        for (text, why) in [
            ("a: 1\na: 2", "twice"),
            ("a: &x 1", "anchor"),
            ("a: *x", "anchor"),
            ("a: &x [1]\nb: *x", "anchor"),
            ("<<: *x", "anchor"),
            ("a: !!str 1", "tag"),
            ("a: !Ref x", "tag"),
            ("a: .inf", "number"),
            ("a: -.nan", "number"),
            ("a: 1e999", "range"),
            ("a: 0xfffffffffffffffff", "range"),
            ("? [1]\n: 2", "name"),
            ("? {a: 1}\n: 2", "name"),
            ("a: 1\n---\nb: 2", "second document"),
            (deep.as_str(), "deep"),
            ("", "empty"),
            ("# nothing", "empty"),
            ("a: [1", ""),
            ("a: 'x", ""),
            ("a: b: c", ""),
        ] {
            let error = read(text, 9).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_billion_laughs_are_refused_at_the_first() {
        let mut text = "a0: &a0 [lol]\n".to_owned();
        for level in 1..40 {
            let one = format!("*a{},", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", one.repeat(9));
        }
        assert!(read(&text, 9).unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_megabyte_of_nonsense_costs_no_more_than_seconds() {
        const SIZE: usize = 1024 * 1024;
        for unit in [
            "[",
            "{",
            "- ",
            "? ",
            "a: ",
            "!",
            "&a ",
            "'",
            "\"",
            "|\n",
            "%",
            "a\n",
            " ",
            "\n",
            "#",
            ",",
            "[a,",
            "{a: ",
            "{a,",
            "\"\\x41",
            "- a\n",
            "a: |\n  b\n",
            "---\n",
            "-\n ",
            "[]",
            "[a]: ",
            "[?",
        ] {
            let text = unit.repeat(SIZE / unit.len());
            let start = Instant::now();
            let _ = read(&text, 64);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(10), "{unit:?}: {took:?}");
        }
    }
}
