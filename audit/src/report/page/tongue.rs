//! One of the two languages of the page, and figures as both show them.

use proto::refusal::Language;

use crate::html::escape;
use crate::report::By;
use crate::stats::{Tally, bytes, duration};

/// The language of a half of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tongue {
    language: Language,
}

impl Tongue {
    pub(super) fn of(language: Language) -> Self {
        Self { language }
    }

    pub(super) fn language(self) -> Language {
        self.language
    }

    /// As in `lang`, and the anchor of this half.
    pub(super) fn code(self) -> &'static str {
        self.say("en", "ar")
    }

    /// As in `dir`.
    pub(super) fn direction(self) -> &'static str {
        self.say("ltr", "rtl")
    }

    pub(super) fn mirrored(self) -> bool {
        self.language == Language::Arabic
    }

    pub(super) fn say<'a>(self, english: &'a str, arabic: &'a str) -> &'a str {
        match self.language {
            Language::English => english,
            Language::Arabic => arabic,
        }
    }

    /// Of `[English, Arabic]` the one to show.
    pub(super) fn one_of(self, names: &[String; 2]) -> &str {
        let [english, arabic] = names;
        self.say(english, arabic)
    }

    pub(super) fn section(self, by: By) -> &'static str {
        match by {
            By::Service => self.say("By service", "حسب الخدمة"),
            By::Agency => self.say("By agency that asks", "حسب الجهة الطالبة"),
            By::Centre => self.say("By centre (system that asks)", "حسب المركز (النظام الطالب)"),
            By::Provider => self.say("By agency that is asked", "حسب الجهة المزوّدة"),
            By::Official => self.say("By official (pseudonym)", "حسب الموظف (اسم مستعار)"),
        }
    }
}

/// `1,234`, with the number itself for machines.
pub(super) fn number(number: u64) -> String {
    data(number, &grouped(number))
}

/// A time in microseconds.
pub(super) fn time(time_us: u64) -> String {
    data(time_us, &duration(time_us))
}

/// A size in bytes.
pub(super) fn size(size: u64) -> String {
    data(size, &bytes(size))
}

/// `(3.4 %)` of what was asked was refused; empty where nothing was.
pub(super) fn percent(tally: &Tally) -> String {
    match tally.refused_share() {
        Some(share) if tally.refused > 0 => {
            format!("<bdi dir=\"ltr\">({:.1} %)</bdi>", share * 100.0)
        }
        _ => String::new(),
    }
}

fn data(value: u64, shown: &str) -> String {
    format!(
        "<bdi dir=\"ltr\"><data value=\"{value}\">{}</data></bdi>",
        escape(shown)
    )
}

/// Thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 12, 999, 1_000, 1_234_567, u64::MAX].map(grouped);
        let wanted = [
            "0",
            "12",
            "999",
            "1,000",
            "1,234,567",
            "18,446,744,073,709,551,615",
        ];
        assert_eq!(shown, wanted);
    }
}
