//! Text that people write: the form in which it is searched, and which of it may be shown as a name.
//!
//! [`search_key`] makes what people write differently and mean alike the same, in Arabic and English; it is for
//! finding, never for identity. [`display_name_fault`] says why a name may not be shown to people: what it holds is
//! listed, everything else is refused, so a character that nobody thought of is refused too.
//! Specification: `docs/protocol.md` §1 (names).

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::is_nfc;

/// The script that a name is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Arabic, right to left.
    Arabic,
    /// Latin, left to right.
    Latin,
}

/// The form in which `text` is searched: words of letters and digits in one form, one space between two, none
/// around. The key of a key is itself.
///
/// | written | searched as |
/// |---|---|
/// | presentation forms, full width, ligatures | the plain letters (NFKC) |
/// | capital and small letters, ß | one case, ss |
/// | أ إ آ ٱ | ا |
/// | ؤ, ئ | و, ي |
/// | ء alone | nothing: شيء, شئ and شي are one word |
/// | ة, and the Urdu and Kurdish forms of heh | ه |
/// | ى, Persian ی | ي |
/// | Persian ک | ك |
/// | tashkeel, superscript alef, Quranic marks, tatweel | nothing |
/// | ٠–٩, Persian ۰–۹ | 0–9 |
/// | diacritics of Latin letters, and the marks of other scripts | nothing |
/// | invisible characters | nothing |
/// | everything else: punctuation, signs, space | one space |
pub fn search_key(text: &str) -> String {
    // Taken apart, a hamza above or below its carrier is a mark like any other. Folding the case of some letters
    // makes letters that can be taken apart once more.
    let apart = text.nfkd().filter(|c| !is_combining_mark(*c));
    let folded = apart.flat_map(one_case).nfkd();
    let mut key = String::with_capacity(text.len());
    let mut gap = false;
    for c in folded.filter(|c| !is_combining_mark(*c) && !is_silent(*c)) {
        let c = letter(c);
        if !c.is_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !key.is_empty() {
            key.push(' ');
        }
        gap = false;
        match c {
            'æ' => key.push_str("ae"),
            'œ' => key.push_str("oe"),
            c => key.push(c),
        }
    }
    key
}

/// Small, capital, small: so that ẞ, ß and SS end alike, and ς like σ.
fn one_case(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

/// What is neither a letter of a word nor a gap between two.
fn is_silent(c: char) -> bool {
    // Hamza alone and high, tatweel, the small Quranic waw and yeh, the transliterations of hamza and ayn.
    matches!(
        c,
        'ء' | '\u{674}' | '\u{640}' | '\u{6e5}' | '\u{6e6}' | '\u{2bb}'..='\u{2bf}'
    ) || is_invisible(c)
}

/// One letter for the letters that are written for each other.
fn letter(c: char) -> char {
    let digit = |zero: char| char::from_digit(u32::from(c) - u32::from(zero), 10).unwrap_or(c);
    match c {
        '\u{671}'..='\u{673}' => 'ا',
        'ة' | '\u{6be}' | '\u{6c1}' | '\u{6c3}' | '\u{6d5}' => 'ه',
        'ى' | '\u{6cc}' | '\u{6cd}' => 'ي',
        '\u{6a9}' | '\u{6aa}' => 'ك',
        '٠'..='٩' => digit('٠'),
        '۰'..='۹' => digit('۰'),
        'ø' => 'o',
        'ł' => 'l',
        'đ' => 'd',
        'ħ' => 'h',
        c => c,
    }
}

/// Characters that take no room: they join, part, turn the direction, choose a form, or fill.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Why `text` may not be shown to people as a name in `script`; `None` when it may.
///
/// Letters are those of the script and no other, so nobody can pass for somebody else by a letter that looks alike.
/// Arabic may carry tashkeel and ٠–٩, and tatweel only in the abbreviation هـ. ASCII digits, single spaces and the
/// usual punctuation are fine in both. The length is the caller's to bound.
pub fn display_name_fault(text: &str, script: Script) -> Option<&'static str> {
    if !text.chars().any(char::is_alphanumeric) {
        return Some("it holds no letter or digit");
    }
    if let Some(fault) = text.chars().find_map(hidden) {
        return Some(fault);
    }
    if !is_nfc(text) {
        return Some("it is not in Unicode normalisation form C; normalise it first");
    }
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Some("it begins or ends with a space, or has two in a row");
    }
    let foreign = text.chars().find_map(|c| foreign(c, script));
    foreign.or_else(|| match script {
        Script::Arabic => loose_mark(text),
        Script::Latin => None,
    })
}

/// What cannot be seen, in names of any script.
fn hidden(c: char) -> Option<&'static str> {
    match c {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some("it holds a character that changes the direction of writing")
        }
        c if c.is_control() => Some("it holds a control character"),
        c if is_invisible(c) => Some("it holds an invisible character"),
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => {
            Some("it holds a private-use character, which everybody sees differently")
        }
        _ => None,
    }
}

/// What is not of the script: the more exact the sentence, the sooner it stands.
fn foreign(c: char, script: Script) -> Option<&'static str> {
    let own = match script {
        Script::Arabic => is_arabic(c),
        Script::Latin => is_latin(c),
    };
    if own || is_common(c) {
        return None;
    }
    let plain = std::iter::once(c).nfkc().eq(std::iter::once(c));
    Some(match (c, script) {
        _ if !plain => {
            "it holds a presentation, full-width, mathematical or other stand-in form; write the plain character"
        }
        ('\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{870}'..='\u{8ff}', Script::Arabic) => {
            "it holds a character that Arabic does not write, such as the Persian ک or ی; write the Arabic one"
        }
        _ if is_latin(c) => "an Arabic name holds a Latin letter",
        _ if is_arabic(c) => "a Latin name holds an Arabic character",
        (_, _) if is_combining_mark(c) => "it holds a mark that belongs to no letter of the script",
        (_, Script::Arabic) if c.is_alphanumeric() => {
            "an Arabic name holds a letter or digit of another script"
        }
        (_, Script::Latin) if c.is_alphanumeric() => {
            "a Latin name holds a letter or digit of another script, which may look like a Latin one"
        }
        _ => "it holds a sign that names do not have",
    })
}

/// Digits, the space, and punctuation of both scripts.
fn is_common(c: char) -> bool {
    matches!(
        c,
        '0'..='9'
            | ' '
            | '.'
            | ','
            | ':'
            | ';'
            | '!'
            | '?'
            | '-'
            | '–'
            | '—'
            | '/'
            | '&'
            | '+'
            | '%'
            | '('
            | ')'
            | '\''
            | '"'
            | '‘'
            | '’'
            | '“'
            | '”'
            | '«'
            | '»'
    )
}

/// Letters of Arabic and of the sounds it borrows, tashkeel, tatweel, digits, punctuation.
fn is_arabic(c: char) -> bool {
    matches!(
        c,
        '\u{621}'..='\u{63a}' | '\u{641}'..='\u{64a}' | 'پ' | 'چ' | 'ژ' | 'ڤ' | 'گ' | '٠'..='٩' | '\u{640}'
            | '،' | '؛' | '؟' | '٪' | '٫' | '٬'
    ) || is_tashkeel(c)
}

fn is_tashkeel(c: char) -> bool {
    matches!(c, '\u{64b}'..='\u{652}' | '\u{670}')
}

/// Letters of the languages that are written in Latin script, without its phonetic and medieval ones.
fn is_latin(c: char) -> bool {
    let listed = matches!(
        c,
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{17e}' | '\u{218}'..='\u{21b}' | '\u{1e00}'..='\u{1e99}' | 'ẞ'
            | '\u{1ea0}'..='\u{1ef9}'
    );
    // Signs of arithmetic, kra (a small Cyrillic к to the eye), and letters that stand for two.
    let odd = matches!(c, '×' | '÷' | 'ĸ' | 'ŉ' | 'Ŀ' | 'ŀ' | 'Ĳ' | 'ĳ');
    listed && !odd
}

/// Tashkeel without its letter or three deep, tatweel anywhere but in هـ.
fn loose_mark(text: &str) -> Option<&'static str> {
    let (mut before, mut marks) = (' ', 0);
    let mut following = text.chars().skip(1);
    for c in text.chars() {
        let next = following.next().unwrap_or(' ');
        if is_tashkeel(c) {
            marks += 1;
            if marks > 2 || (marks == 1 && !matches!(before, '\u{621}'..='\u{64a}')) {
                return Some("it holds tashkeel without a letter, or more than two on one");
            }
        } else {
            marks = 0;
        }
        if c == '\u{640}' && (before != 'ه' || next.is_alphanumeric()) {
            return Some(
                "it is stretched with tatweel; only the abbreviation هـ is written with it",
            );
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests;
