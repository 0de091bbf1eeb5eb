//! Regular expressions of a schema: which are run here, and what a byte of text costs under each.
//!
//! They run on the `regex` engine, whose time is linear in the text: a pattern that would need to go
//! back (look-around in its middle, back-references) does not compile. Linear still means size of the
//! compiled pattern times length of the text, so a large one has its price.

use jsonschema::{Draft, PatternOptions, Regex};
use serde_json::json;

/// Bytes of a compiled pattern at most, and of the tables made while it runs.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// What a byte of text costs under a pattern that compiles to so many bytes: about as much more as
/// there is to step through.
const PRICES: [(usize, u64); 3] = [(8 * 1024, 1), (32 * 1024, 8), (COMPILED_BYTES_MAX, 64)];

/// How every pattern is compiled.
pub(super) fn options() -> PatternOptions<Regex> {
    limited(COMPILED_BYTES_MAX)
}

/// The price of a pattern; `None` when it is not run here.
pub(super) fn price(pattern: &str) -> Option<u64> {
    let compiles = |bytes| {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(limited(bytes))
            .build(&json!({ "pattern": pattern }))
            .is_ok()
    };
    PRICES
        .iter()
        .find(|(bytes, _)| compiles(*bytes))
        .map(|(_, price)| *price)
}

fn limited(bytes: usize) -> PatternOptions<Regex> {
    PatternOptions::regex()
        .size_limit(bytes)
        .dfa_size_limit(COMPILED_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_goes_back_is_not_run() {
        for pattern in [
            r"(a)\1",
            r"a(?=b)c",
            r"(?<!a)b",
            r"a(?!b)",
            "(",
            "[z-a]",
            "(?:a{1000}){1000}",
            r"\p{L}{2000}x",
        ] {
            assert_eq!(price(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn ordinary_patterns_are_cheap_and_large_ones_are_not() {
        for pattern in [
            "^[0-9]{14}$",
            r"^\d{4}-\d{2}$",
            "^(a+)+$",
            r"^[\p{Arabic}\s]+$",
            "^(?:EG|SA)$",
            "",
        ] {
            assert_eq!(price(pattern), Some(1), "{pattern}");
        }
        assert_eq!(price("(?:[a-z]{3}[0-9]x){40}y"), Some(8));
        assert_eq!(price("(?:[a-z]{3}[0-9]x){400}y"), Some(64));
    }
}
