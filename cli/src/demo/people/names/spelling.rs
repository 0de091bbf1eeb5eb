//! How each register spells: takes a [`FullName`], gives the text that stands in that register.
//!
//! Same person and register, same text, always: the habits that apply are drawn from the national
//! ID. All texts are in Unicode normal form C.

use super::{FullName, tables};
use crate::demo::people::ids::NationalId;
use crate::demo::people::registers::Register;
use crate::demo::people::rng::{Chance, scatter};

/// U+0640, the stroke that stretches a word.
const TATWEEL: char = '\u{0640}';

/// What a register does with the alef forms `أ إ آ`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alef {
    /// As on the card.
    Kept,
    /// All become `ا`.
    Bare,
    /// `إ` becomes `أ`, the commonest slip.
    HamzaAbove,
}

/// What a register does with a final `ي` or `ى`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FinalYa {
    Kept,
    /// Both become `ى`, the Egyptian habit in print.
    Dotless,
    /// Both become `ي`.
    Dotted,
}

/// The habits that apply to one person in one register.
#[derive(Clone, Copy)]
struct Habits {
    alef: Alef,
    final_ya: FinalYa,
    /// `ه` for a final `ة`.
    plain_ha: bool,
    /// `عبدالله` for `عبد الله`.
    joined: bool,
    /// Vowel signs on the names that have them.
    vocalised: bool,
    /// The family name stretched.
    stretched: bool,
}

impl Habits {
    fn of(register: Register, id: NationalId) -> Self {
        let mut chance = Chance::new(scatter(id.number() ^ register.salt()));
        match register {
            Register::CivilRegistry => Self {
                alef: Alef::Kept,
                final_ya: FinalYa::Kept,
                plain_ha: false,
                joined: false,
                vocalised: false,
                stretched: false,
            },
            // Typed by clerks from handwritten forms: everything happens, nothing always.
            Register::SocialSolidarity => Self {
                alef: if chance.percent(70) {
                    Alef::Bare
                } else {
                    Alef::HamzaAbove
                },
                final_ya: if chance.percent(50) {
                    FinalYa::Dotless
                } else {
                    FinalYa::Kept
                },
                plain_ha: chance.percent(70),
                joined: chance.percent(50),
                vocalised: false,
                stretched: false,
            },
            // Came from terminals with few letters and fields filled by stretching.
            Register::SocialInsurance => Self {
                alef: Alef::Bare,
                final_ya: FinalYa::Dotted,
                plain_ha: false,
                joined: true,
                vocalised: false,
                stretched: chance.percent(30),
            },
            // Printed on licence cards, with vowel signs for decoration.
            Register::Traffic => Self {
                alef: if chance.percent(60) {
                    Alef::Kept
                } else {
                    Alef::Bare
                },
                final_ya: FinalYa::Dotless,
                plain_ha: chance.percent(20),
                joined: chance.percent(30),
                vocalised: chance.percent(50),
                stretched: false,
            },
        }
    }
}

/// Writes a person's name the way `register` has it.
pub(in crate::demo::people) fn write_name(
    name: &FullName,
    register: Register,
    id: NationalId,
) -> String {
    let habits = Habits::of(register, id);
    let card = joined_parts(name, |part| part.to_owned());
    if register == Register::CivilRegistry {
        return card;
    }
    let written = joined_parts(name, |part| spell(part, habits));
    // Names such as سالم have no second spelling; the insurance register's stretching makes sure
    // that nobody is written alike everywhere.
    let same = register == Register::SocialInsurance && written == card;
    if habits.stretched || same {
        stretch(&written)
    } else {
        written
    }
}

/// One form for all spellings of a name: strokes and vowel signs dropped, alef bare, final `ي`
/// and `ه`, `عبد` joined to what follows, single blanks. For matching, not for display.
pub fn fold(name: &str) -> String {
    let bare: String = name
        .chars()
        .filter(|c| *c != TATWEEL && !is_vowel_sign(*c))
        .collect();
    let habits = Habits {
        alef: Alef::Bare,
        final_ya: FinalYa::Dotted,
        plain_ha: true,
        joined: true,
        vocalised: false,
        stretched: false,
    };
    spell(
        &bare.split_whitespace().collect::<Vec<_>>().join(" "),
        habits,
    )
}

fn joined_parts(name: &FullName, write: impl Fn(&str) -> String) -> String {
    name.parts().map(|part| write(part.ar)).join(" ")
}

fn spell(part: &str, habits: Habits) -> String {
    let marked = if habits.vocalised {
        tables::VOCALISED.iter().find(|(plain, _)| *plain == part)
    } else {
        None
    };
    let source = marked.map_or(part, |(_, marked)| *marked);
    let words: Vec<String> = source
        .split(' ')
        .map(|word| spell_word(word, habits))
        .collect();
    if !habits.joined {
        return words.join(" ");
    }
    let mut text = String::with_capacity(source.len());
    for (index, word) in words.iter().enumerate() {
        let after_abd = index > 0 && words[index - 1] == "عبد";
        if index > 0 && !after_abd {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

fn spell_word(word: &str, habits: Habits) -> String {
    // A vowel sign may stand on the last letter, so "final" means the last letter proper.
    let last = word
        .char_indices()
        .rfind(|(_, c)| !is_vowel_sign(*c))
        .map(|(at, _)| at);
    word.char_indices()
        .map(|(at, letter)| {
            let is_final = Some(at) == last;
            match letter {
                'أ' | 'إ' | 'آ' if habits.alef == Alef::Bare => 'ا',
                'إ' if habits.alef == Alef::HamzaAbove => 'أ',
                'ة' if is_final && habits.plain_ha => 'ه',
                'ي' if is_final && habits.final_ya == FinalYa::Dotless => 'ى',
                'ى' if is_final && habits.final_ya == FinalYa::Dotted => 'ي',
                other => other,
            }
        })
        .collect()
}

/// Puts one stroke after the last letter that can take it: followed by another letter of its
/// word, and of those that join to the left.
fn stretch(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let place =
        (1..letters.len()).rfind(|next| joins_left(letters[next - 1]) && is_letter(letters[*next]));
    let mut stretched = String::with_capacity(text.len() + 2);
    for (index, letter) in letters.iter().enumerate() {
        if Some(index) == place {
            stretched.push(TATWEEL);
        }
        stretched.push(*letter);
    }
    stretched
}

fn is_letter(character: char) -> bool {
    ('\u{0621}'..='\u{064A}').contains(&character) && character != TATWEEL
}

fn joins_left(character: char) -> bool {
    const ENDS: [char; 13] = [
        'ا', 'أ', 'إ', 'آ', 'د', 'ذ', 'ر', 'ز', 'و', 'ؤ', 'ة', 'ى', 'ء',
    ];
    is_letter(character) && !ENDS.contains(&character)
}

/// The short vowels, the doubling sign and their like.
fn is_vowel_sign(character: char) -> bool {
    ('\u{064B}'..='\u{0652}').contains(&character) || character == '\u{0670}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_brings_the_spellings_together() {
        for (one, other) in [
            ("أحمد إبراهيم", "احمد ابراهيم"),
            ("آية", "ايه"),
            ("عبد الله علي", "عبدالله على"),
            ("عبد الله", "عَبْد  اللـه"),
            ("مُحَمَّد مصطفى", "محمد مصطفي"),
            ("فاطمة", "فاطـمه"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("محمد"), fold("محمود"));
        assert_ne!(fold("عبد الله"), fold("عبد العال"));
    }

    #[test]
    fn a_stroke_stands_only_between_joining_letters() {
        assert_eq!(stretch("سالم"), "سالـم");
        assert_eq!(stretch("عبد داود"), "عبـد داود");
        assert_eq!(stretch("داود"), "داود");
    }
}
