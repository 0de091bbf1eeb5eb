//! Texts with places in them: `Case {input.number}: receipt {fee.receipt_no}`. A brace is written twice to stand for itself.

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Chunk {
    /// As it is.
    Literal(String),
    /// The input with this place.
    Input(usize),
    /// A field of the part with this place.
    Field(usize, proto::id::Part),
}

/// A piece as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Literal(String),
    /// `input.NAME`, or `PART.FIELD`.
    Place(String, String),
}

/// Takes a text apart; an error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Vec<Written>, String> {
    let mut found = Vec::new();
    let mut literal = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.peek() == Some(&c) => {
                rest.next();
                literal.push(c);
            }
            '}' => return Err("a '}' closes nothing; write '}}' for the sign itself".to_owned()),
            '{' => {
                let place: String = rest.by_ref().take_while(|c| *c != '}').collect();
                let named = place.split_once('.').filter(|(_, name)| !name.is_empty());
                let Some((of, name)) = named else {
                    return Err(format!(
                        "'{{{place}}}' is neither {{input.NAME}} nor {{PART.FIELD}}"
                    ));
                };
                if !literal.is_empty() {
                    found.push(Written::Literal(std::mem::take(&mut literal)));
                }
                found.push(Written::Place(of.to_owned(), name.to_owned()));
            }
            c => literal.push(c),
        }
    }
    if !literal.is_empty() || found.is_empty() {
        found.push(Written::Literal(literal));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_places() {
        let literal = |text: &str| Written::Literal(text.to_owned());
        let place = |of: &str, name: &str| Written::Place(of.to_owned(), name.to_owned());
        assert_eq!(
            parse("إيصال {fee.receipt_no}، {{رقم}} {input.n}").unwrap(),
            [
                literal("إيصال "),
                place("fee", "receipt_no"),
                literal("، {رقم} "),
                place("input", "n")
            ]
        );
        assert_eq!(parse("").unwrap(), [literal("")]);
        for bad in ["{", "}", "{}", "{a}", "{a.}", "a {b", "{ a"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
