//! The structure of the Egyptian national ID, and the allocation of IDs that nobody can hold.
//!
//! Fourteen digits: century (2 = 1900s, 3 = 2000s), birth date `YYMMDD`, two digits for the
//! governorate of birth, a four-digit serial whose last digit is odd for men and even for women,
//! and a check digit. Generated IDs carry [`SYNTHETIC_CODE`] in place of the governorate. That
//! code is assigned to nobody, so no generated ID can be a real person's.
//!
//! How the real check digit is computed is not officially published. The one used here is
//! synthetic: a weighted sum modulo 11, see [`check_digit`]. [`NationalId::parse`] therefore
//! does not judge it.

use std::fmt;
use std::str::FromStr;

use time::{Date, Month};

use super::governorates;

/// Governorate code of generated IDs. Not among the codes that real IDs carry, which a test asserts.
pub const SYNTHETIC_CODE: u8 = 99;

/// Serials a day offers to each sex: the four digits halved by the parity rule.
const SERIALS_PER_DAY: u16 = 5_000;

/// Weights of the synthetic check digit, left to right over the first thirteen digits.
const WEIGHTS: [u64; 13] = [2, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2];

/// What the civil register writes under "sex".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Odd serial.
    Male,
    /// Even serial.
    Female,
}

impl Sex {
    /// `male` or `female`, as written into the registers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }
}

/// A national ID whose structure was checked: fourteen digits, an existing date, a governorate
/// code that is assigned or [`SYNTHETIC_CODE`].
///
/// `Debug` hides the digits, because an ID must not slip into a log; `Display` writes them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NationalId(u64);

impl NationalId {
    /// Reads fourteen digits, European (`0`) or Arabic-Indic (`٠`, `۰`), with blanks around them
    /// allowed.
    ///
    /// # Errors
    /// [`IdError`] says what is wrong: a character that is no digit, the length, the century
    /// digit, the date, the governorate code. The check digit is not judged (see the file's head).
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let mut digits = [0u8; 14];
        let mut count = 0usize;
        for character in text.trim().chars() {
            let digit = digit_of(character).ok_or(IdError::NotADigit {
                position: count + 1,
            })?;
            if let Some(place) = digits.get_mut(count) {
                *place = digit;
            }
            count += 1;
        }
        if count != 14 {
            return Err(IdError::Length { found: count });
        }
        let id = Self(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u64::from(*digit)),
        );
        if !matches!(digits[0], 2 | 3) {
            return Err(IdError::Century { found: digits[0] });
        }
        id.date().ok_or(IdError::Date)?;
        let code = id.governorate_code();
        if code != SYNTHETIC_CODE && !governorates::is_assigned(code) {
            return Err(IdError::Governorate { found: code });
        }
        Ok(id)
    }

    /// Puts a synthetic ID together. `serial` counts the births of this day and sex, `0..5000`.
    fn synthetic(birth: Date, sex: Sex, serial: u16) -> Self {
        let parity = u64::from(sex == Sex::Male);
        let year = u64::try_from(birth.year()).unwrap_or_default();
        let mut body = year / 100 - 17;
        for (part, width) in [
            (year % 100, 100),
            (u64::from(u8::from(birth.month())), 100),
            (u64::from(birth.day()), 100),
            (u64::from(SYNTHETIC_CODE), 100),
            (u64::from(serial) * 2 + parity, 10_000),
        ] {
            body = body * width + part;
        }
        Self(body * 10 + check_digit(body))
    }

    /// The birth date the ID states.
    pub fn birth_date(self) -> Date {
        // `parse` and `synthetic` admit only IDs with an existing date.
        self.date().unwrap_or(Date::MIN)
    }

    /// The sex the serial's last digit states.
    pub fn sex(self) -> Sex {
        if (self.0 / 10) % 2 == 1 {
            Sex::Male
        } else {
            Sex::Female
        }
    }

    /// The governorate code the ID states.
    pub fn governorate_code(self) -> u8 {
        ((self.0 / 100_000) % 100) as u8
    }

    /// Whether this ID belongs to a generated person: its code is [`SYNTHETIC_CODE`].
    pub fn is_synthetic(self) -> bool {
        self.governorate_code() == SYNTHETIC_CODE
    }

    /// Whether the last digit is the synthetic [`check_digit`] of the others. Says nothing about
    /// real IDs.
    pub fn check_digit_fits(self) -> bool {
        check_digit(self.0 / 10) == self.0 % 10
    }

    /// The fourteen digits as a number.
    pub fn number(self) -> u64 {
        self.0
    }

    fn date(self) -> Option<Date> {
        let part = |divisor: u64| ((self.0 / divisor) % 100) as u8;
        let century = 1_700 + 100 * (self.0 / 10_000_000_000_000) as i32;
        let month = Month::try_from(part(1_000_000_000)).ok()?;
        let year = century + i32::from(part(100_000_000_000));
        Date::from_calendar_date(year, month, part(10_000_000)).ok()
    }
}

impl fmt::Display for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014}", self.0)
    }
}

impl fmt::Debug for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NationalId(..)")
    }
}

impl FromStr for NationalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

/// The synthetic check digit of a thirteen-digit body: weigh the digits, take eleven minus the
/// sum modulo 11, and of that the last digit.
pub fn check_digit(body: u64) -> u64 {
    let mut rest = body;
    let mut sum = 0;
    for weight in WEIGHTS.iter().rev() {
        sum += weight * (rest % 10);
        rest /= 10;
    }
    (11 - sum % 11) % 10
}

/// Hands out IDs, each once. Its memory is two bytes per day and sex since 1900, whatever the
/// number of people.
#[derive(Debug)]
pub(super) struct Serials {
    used: Vec<u16>,
}

impl Serials {
    /// Room for births from 1 January 1900 to `last`.
    pub(super) fn until(last: Date) -> Self {
        Self {
            used: vec![0; 2 * (day_number(last) + 1)],
        }
    }

    /// The next free ID for a birth on `birth`. On a day whose serials are used up the birth
    /// moves to the day before; the ID's own date is what counts.
    pub(super) fn issue(&mut self, birth: Date, sex: Sex) -> NationalId {
        let mut date = birth;
        loop {
            let day = day_number(date);
            let slot = 2 * day + usize::from(sex == Sex::Male);
            let full = match self.used.get_mut(slot) {
                Some(used) if *used < SERIALS_PER_DAY => {
                    let order = *used;
                    *used += 1;
                    return NationalId::synthetic(date, sex, spread(order, day));
                }
                _ => day > 0,
            };
            match date.previous_day() {
                Some(earlier) if full => date = earlier,
                // Every day back to 1900 is full: excluded by `MAX_PEOPLE`, which is far below
                // what a single decade offers.
                _ => return NationalId::synthetic(date, sex, 0),
            }
        }
    }
}

/// Spreads the count of a day over all its serials, each once: 1,237 and 5,000 have no common
/// divisor. Without it every ID would end in a tiny serial.
fn spread(order: u16, day: usize) -> u16 {
    let step = usize::from(order) * 1_237 + day * 389;
    (step % usize::from(SERIALS_PER_DAY)) as u16
}

/// Days since 1 January 1900; 0 for earlier dates.
fn day_number(date: Date) -> usize {
    // Julian day of 1 January 1900.
    usize::try_from(date.to_julian_day() - 2_415_021).unwrap_or(0)
}

fn digit_of(character: char) -> Option<u8> {
    let zero = match character {
        '0'..='9' => '0',
        '\u{0660}'..='\u{0669}' => '\u{0660}',
        '\u{06F0}'..='\u{06F9}' => '\u{06F0}',
        _ => return None,
    };
    u8::try_from(u32::from(character) - u32::from(zero)).ok()
}

/// Why a text is no national ID. Never repeats the text, which may be a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A character is no digit.
    #[error("character {position} of the national ID is not a digit")]
    NotADigit {
        /// Its place, counted from 1.
        position: usize,
    },
    /// Not fourteen digits.
    #[error("a national ID has 14 digits, this one has {found}")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The first digit is neither 2 nor 3.
    #[error("a national ID begins with 2 or 3, this one with {found}")]
    Century {
        /// The digit found.
        found: u8,
    },
    /// No such day.
    #[error("digits 2 to 7 of the national ID are no calendar date")]
    Date,
    /// No such governorate.
    #[error("governorate code {found:02} of the national ID is not assigned")]
    Governorate {
        /// The code found.
        found: u8,
    },
}

#[cfg(test)]
mod tests;
