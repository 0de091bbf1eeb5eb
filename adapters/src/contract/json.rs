//! JSON that two readers cannot understand differently: no name twice in one object, bounded depth.
//!
//! `serde_json` alone keeps the last of two equal names; a backend may keep the first, and what was
//! validated would not be what it reads. Errors say line and column, never what stands there.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads exactly one value, its objects and arrays at most `depth_max` inside each other.
pub(super) fn read(bytes: &[u8], depth_max: usize) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Level { left: depth_max }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads a payload; `None` when it is not JSON that everybody understands alike.
pub(crate) fn read_strictly(payload: &[u8]) -> Option<Value> {
    read(payload, super::DOCUMENT_DEPTH_MAX).ok()
}

/// How many levels there may still be.
#[derive(Clone, Copy)]
struct Level {
    left: usize,
}

impl Level {
    fn down<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.down()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.down()?;
        let mut values = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if values.contains_key(&name) {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
            values.insert(name, members.next_value_seed(below)?);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_read_as_it_is_written() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"\u0628"],"b":{}}"#;
        assert_eq!(
            read(text.as_bytes(), 2).unwrap(),
            json!({ "a": [null, true, -1, u64::MAX, 1.5, "ب"], "b": {} })
        );
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for (text, why) in [
            (r#"{"nid":1,"nid":2}"#, "twice"),
            (r#"{"a":{"nid":1,"\u006eid":2}}"#, "twice"),
            ("[[[1]]]", "deep"),
            (r#"[{"a":[]}]"#, "deep"),
            ("[1] [2]", "trailing"),
            ("[1", "EOF"),
            ("", "EOF"),
            ("1e999", "range"),
            ("[NaN]", "expected"),
            ("\u{feff}1", "expected"),
        ] {
            let error = read(text.as_bytes(), 2).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(read(b"\"\xff\"", 2).is_err());
        assert!(read(&b"[".repeat(1_000_000), usize::MAX).is_err());
    }

    #[test]
    fn an_error_does_not_repeat_what_was_sent() {
        for text in [
            r#"{"29001011234567":1,"29001011234567":2}"#,
            r#"["29001011234567"#,
            "29001011234567x",
            "[29001011234567,]",
        ] {
            let error = read(text.as_bytes(), 9).unwrap_err().to_string();
            assert!(!error.contains("29001011234567"), "{error}");
        }
    }
}
