//! What is wrong with a composition, with its place in the file, in both languages.

use proto::authorise::Change;
use proto::refusal::{Code, Language};

/// A place in a file: line and column, both from 1; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// The places of a text.
#[derive(Debug)]
pub(super) struct Lines<'a>(pub(super) &'a str);

impl Lines<'_> {
    /// The place of a byte.
    pub(super) fn at(&self, byte: usize) -> At {
        let mut byte = byte.min(self.0.len());
        while !self.0.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &self.0[..byte];
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default();
        At {
            line: count(line + 1),
            column: count(column.chars().count() + 1),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where.
    pub at: At,
    /// What.
    pub what: What,
}

impl Problem {
    /// One sentence.
    pub fn sentence(&self, language: Language) -> String {
        match language {
            Language::English => self.what.english(),
            Language::Arabic => self.what.arabic(),
        }
    }
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Not TOML, a key that is not known or missing, a value of another type: as the reader says it.
    Syntax(String),
    /// More bytes than a composition may have.
    Large(usize),
    /// Not UTF-8.
    NotText,
    /// No part at all.
    Empty,
    /// More of something than there may be.
    TooMany {
        /// What, as its key in the file.
        what: &'static str,
        /// How many at most.
        max: usize,
    },
    /// Two with one name.
    Twice {
        /// What, as its key in the file.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Something that is not what its key wants.
    NotOne {
        /// The key.
        key: &'static str,
        /// Why not.
        why: String,
    },
    /// An input that is not declared.
    NoInput(String),
    /// A part that is not declared.
    NoPart(String),
    /// A field that the other part does not ask for.
    NotTaken {
        /// The other part.
        part: String,
        /// The field.
        field: String,
    },
    /// Parts that need each other in a circle; the first once more at the end.
    Circle(Vec<String>),
    /// A parameter that says none, or more than one, of where its value comes from.
    Source(String),
    /// An input that the caller did not give.
    Missing(String),
    /// Something given that is no input.
    Unwanted(String),
    /// An input that is given, and is not what it must be.
    Input {
        /// The input.
        name: String,
        /// What it must be.
        kind: &'static str,
    },
    /// Nobody is named who asks.
    NoActor,
    /// Nobody publishes this service.
    NoService(String),
    /// The service has no such operation.
    NoOperation(String),
    /// The operation has no such field.
    NoField(String),
    /// The contract wants a parameter that the part does not send.
    Needed(String),
    /// The contract takes no parameter of this name.
    NotTakenIn(String),
    /// A value that the contract does not take.
    Unfit {
        /// The parameter.
        name: String,
        /// What is wrong with it, in English.
        en: String,
        /// The same in Arabic.
        ar: String,
    },
    /// A value of another type than the contract takes, as JSON Schema calls them.
    OtherKind {
        /// The parameter.
        name: String,
        /// What the part sends.
        given: &'static str,
        /// What the contract takes.
        wanted: String,
    },
    /// No agreement permits it; with what would change that, where something is known to.
    Denied {
        /// The part.
        part: String,
        /// The refusal that it would get.
        code: Code,
        /// What would change it.
        change: Option<Change>,
    },
}

impl What {
    fn english(&self) -> String {
        match self {
            Self::Syntax(said) => said.clone(),
            Self::Large(max) => {
                format!("the file is over {max} bytes; a composition is a page or two")
            }
            Self::NotText => "the file is not UTF-8 text".to_owned(),
            Self::Empty => "there is no part; declare at least one [[parts]]".to_owned(),
            Self::TooMany { what, max } => {
                format!("there are more than {max} {what}; make two cases of it")
            }
            Self::Twice { what, name } => {
                format!("{what}: '{name}' stands here a second time; give it another name")
            }
            Self::NotOne { key, why } => format!("{key}: {why}"),
            Self::NoInput(name) => {
                format!("no input is called '{name}'; declare it under [[inputs]]")
            }
            Self::NoPart(name) => format!("no part is called '{name}'"),
            Self::NotTaken { part, field } => {
                format!("part '{part}' does not take the field '{field}'; add it to its fields")
            }
            Self::Circle(parts) => format!(
                "these parts wait for each other in a circle: {}; take one of the references away",
                parts.join(" → ")
            ),
            Self::Source(name) => format!(
                "parameter '{name}' must say exactly one of: input; part and field; value; text"
            ),
            Self::Missing(name) => {
                format!("input '{name}' is not given; give it with --input {name}=…")
            }
            Self::Unwanted(name) => format!("'{name}' is no input of this composition"),
            Self::Input { name, kind } => format!("input '{name}' is not what it must be: {kind}"),
            Self::NoActor => {
                "this composition wants to know who asks; name the clerk with --actor".to_owned()
            }
            Self::NoService(name) => format!("nobody publishes the service {name}"),
            Self::NoOperation(name) => format!("the service has no operation '{name}'"),
            Self::NoField(name) => format!("the operation has no field '{name}'"),
            Self::Needed(name) => format!(
                "the contract wants the parameter '{name}'; add parameters.{name} to this part"
            ),
            Self::NotTakenIn(name) => format!(
                "the contract takes no parameter '{name}'; `mohawel service show` lists those that it takes"
            ),
            Self::Unfit { name, en, .. } => {
                format!("parameter '{name}' is not what the contract takes: {en}")
            }
            Self::OtherKind {
                name,
                given,
                wanted,
            } => format!(
                "parameter '{name}' is of the type {given}, and the contract takes {wanted}; give it from another source"
            ),
            Self::Denied { part, code, change } => {
                let change = change
                    .as_ref()
                    .map(|change| change.sentence(Language::English));
                let sentence = code.sentence(Language::English);
                format!(
                    "part '{part}' would be refused: {sentence} ({code}) {}",
                    change.unwrap_or_default()
                )
                .trim_end()
                .to_owned()
            }
        }
    }

    fn arabic(&self) -> String {
        match self {
            Self::Syntax(said) => format!("خطأ في الصياغة: {said}"),
            Self::Large(max) => {
                format!("حجم الملف أكبر من {max} بايت؛ والطلب المركّب صفحة أو صفحتان")
            }
            Self::NotText => "الملف ليس نصًا بترميز UTF-8".to_owned(),
            Self::Empty => "لا يوجد أي جزء؛ اذكر [[parts]] واحدًا على الأقل".to_owned(),
            Self::TooMany { what, max } => format!("عدد {what} أكثر من {max}؛ اجعلها حالتين"),
            Self::Twice { what, name } => format!("{what}: الاسم '{name}' مكرر هنا؛ اختر اسمًا آخر"),
            Self::NotOne { key, why } => format!("القيمة غير صحيحة: {key}: {why}"),
            Self::NoInput(name) => format!("لا يوجد مُدخل باسم '{name}'؛ اذكره تحت [[inputs]]"),
            Self::NoPart(name) => format!("لا يوجد جزء باسم '{name}'"),
            Self::NotTaken { part, field } => {
                format!("الجزء '{part}' لا يأخذ الحقل '{field}'؛ أضفه إلى حقوله")
            }
            Self::Circle(parts) => format!(
                "هذه الأجزاء ينتظر بعضها بعضًا في حلقة: {}؛ احذف إحدى الإحالات",
                parts.join(" ← ")
            ),
            Self::Source(name) => format!(
                "المُعطى '{name}' يجب أن يذكر مصدرًا واحدًا فقط: input، أو part مع field، أو value، أو text"
            ),
            Self::Missing(name) => {
                format!("لم يُذكر المُدخل '{name}'؛ اذكره بالخيار ‎--input {name}=…‎")
            }
            Self::Unwanted(name) => format!("'{name}' ليس من مُدخلات هذا الطلب المركّب"),
            Self::Input { name, kind } => format!("المُدخل '{name}' ليس من النوع المطلوب: {kind}"),
            Self::NoActor => {
                "يتطلب هذا الطلب المركّب معرفة من يسأل؛ اذكر الموظف بالخيار ‎--actor‎".to_owned()
            }
            Self::NoService(name) => format!("لا أحد ينشر الخدمة {name}"),
            Self::NoOperation(name) => format!("لا توجد في الخدمة عملية باسم '{name}'"),
            Self::NoField(name) => format!("لا يوجد في العملية حقل باسم '{name}'"),
            Self::Needed(name) => {
                format!("يطلب العقد المُعطى '{name}'؛ أضف parameters.{name} إلى هذا الجزء")
            }
            Self::NotTakenIn(name) => {
                format!("لا يقبل العقد مُعطى باسم '{name}'؛ ويعرض الأمر mohawel service show ما يقبله")
            }
            Self::Unfit { name, ar, .. } => {
                format!("المُعطى '{name}' ليس مما يقبله العقد: {ar}")
            }
            Self::OtherKind {
                name,
                given,
                wanted,
            } => format!(
                "المُعطى '{name}' من النوع {given} بينما يقبل العقد {wanted}؛ خذه من مصدر آخر"
            ),
            Self::Denied { part, code, change } => {
                let change = change
                    .as_ref()
                    .map(|change| change.sentence(Language::Arabic));
                let sentence = code.sentence(Language::Arabic);
                format!(
                    "سيُرفض الجزء '{part}': {sentence} ({code}) {}",
                    change.unwrap_or_default()
                )
                .trim_end()
                .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let lines = Lines("اسم = 1\nb = 2\n");
        let at = |byte| {
            let at = lines.at(byte);
            (at.line, at.column)
        };
        assert_eq!(
            (at(0), at("اسم".len()), at("اسم".len() - 1)),
            ((1, 1), (1, 4), (1, 3))
        );
        assert_eq!(at("اسم = 1\n".len()), (2, 1));
        assert_eq!(at(usize::MAX), (3, 1));
    }
}
