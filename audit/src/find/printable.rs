//! Text out of a log as it may be shown: what would move a cursor or turn the reading direction is spelled out.
//!
//! Most text of an entry is name parts of a narrow alphabet. Codes, clauses and versions are the switch's, media types
//! an agency's, and a log that lies may hold anything there.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` for a terminal: control characters and those that change the reading direction as `\u{202e}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    spelled(text, char::is_control)
}

/// `text` for a cell: as [`printable`], but tab and line ends stay.
pub(crate) fn spelled_cell(text: &str) -> Cow<'_, str> {
    spelled(text, |c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

fn spelled(text: &str, control: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hidden = |c: char| {
        control(c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
    };
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_spelled_and_what_is_read_stays() {
        assert_eq!(printable("field الاسم [é]"), "field الاسم [é]");
        assert_eq!(printable("\u{1b}[2Jx\u{202e}y"), "\\u{1b}[2Jx\\u{202e}y");
        assert_eq!(printable("a\nb"), "a\\u{a}b");
        assert_eq!(
            printable("\u{61c}\u{2067}\u{feff}"),
            "\\u{61c}\\u{2067}\\u{feff}"
        );
    }
}
