//! What a new contract takes from those who use the old one, in words.

use std::fmt;

use super::place;

/// One thing that those who use the old contract may rely on and the new one takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The operation.
    pub operation: String,
    /// What of it.
    pub part: ChangePart,
    /// JSON Pointer into the request or answer; empty for the whole. `*` stands for every item of a
    /// list, and for every name of an object whose names are not fixed.
    pub pointer: String,
    /// What happened.
    pub kind: ChangeKind,
    /// Said in English, with operation and place.
    pub en: String,
    /// The same in Arabic.
    pub ar: String,
}

/// What of an operation changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangePart {
    /// All of it.
    Operation,
    /// What is asked.
    Request,
    /// What is answered.
    Answer,
}

impl ChangePart {
    /// The stable word: `operation`, `request`, `answer`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// The ways to break a promise. A request breaks when it is taken no more, an answer when it may be
/// something that it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The operation is there no more.
    OperationRemoved,
    /// A field of the answer's record can be granted no more.
    FieldRemoved,
    /// A property is described no more.
    PropertyRemoved,
    /// A request has to have a property that it did not need.
    PropertyRequired,
    /// An answer may lack a property that it always had.
    PropertyOptional,
    /// A value has another type altogether.
    TypeChanged,
    /// A request may not have a type that it could have.
    TypeNarrowed,
    /// An answer may have a type that it never had.
    TypeWidened,
    /// A request may not have a value that it could have.
    EnumValueRemoved,
    /// An answer may have a value that it never had.
    EnumValueAdded,
    /// A request may not have properties that are not described, and could.
    PropertiesClosed,
    /// A request has to satisfy a condition that it did not.
    ConstraintTightened,
    /// An answer need not satisfy a condition that it did.
    ConstraintLoosened,
    /// The forms to choose from differ.
    AlternativesChanged,
    /// Another property says whom the request is about, or by another scheme.
    SubjectChanged,
    /// The two are too intricate to be compared in the time there is.
    NotCompared,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::OperationRemoved,
        Self::FieldRemoved,
        Self::PropertyRemoved,
        Self::PropertyRequired,
        Self::PropertyOptional,
        Self::TypeChanged,
        Self::TypeNarrowed,
        Self::TypeWidened,
        Self::EnumValueRemoved,
        Self::EnumValueAdded,
        Self::PropertiesClosed,
        Self::ConstraintTightened,
        Self::ConstraintLoosened,
        Self::AlternativesChanged,
        Self::SubjectChanged,
        Self::NotCompared,
    ];

    /// The stable word that machines and journals use.
    pub fn word(self) -> &'static str {
        match self {
            Self::OperationRemoved => "operation_removed",
            Self::FieldRemoved => "field_removed",
            Self::PropertyRemoved => "property_removed",
            Self::PropertyRequired => "property_required",
            Self::PropertyOptional => "property_optional",
            Self::TypeChanged => "type_changed",
            Self::TypeNarrowed => "type_narrowed",
            Self::TypeWidened => "type_widened",
            Self::EnumValueRemoved => "enum_value_removed",
            Self::EnumValueAdded => "enum_value_added",
            Self::PropertiesClosed => "properties_closed",
            Self::ConstraintTightened => "constraint_tightened",
            Self::ConstraintLoosened => "constraint_loosened",
            Self::AlternativesChanged => "alternatives_changed",
            Self::SubjectChanged => "subject_changed",
            Self::NotCompared => "not_compared",
        }
    }

    /// What happened, in English and Arabic, to be followed by the detail.
    fn sentences(self) -> (&'static str, &'static str) {
        match self {
            Self::OperationRemoved => ("the operation is removed", "أُزيلت العملية"),
            Self::FieldRemoved => (
                "the field is removed and can be granted no more",
                "أُزيل الحقل ولم يعد منحه ممكنًا",
            ),
            Self::PropertyRemoved => ("the property is removed", "أُزيلت الخاصية"),
            Self::PropertyRequired => ("the property is required now", "أصبحت الخاصية مطلوبة"),
            Self::PropertyOptional => (
                "the property is not promised any more and may be missing",
                "لم يعد وجود الخاصية مضمونًا",
            ),
            Self::TypeChanged => ("its type is another", "تغيّر نوعها"),
            Self::TypeNarrowed => (
                "a type that was taken is refused",
                "نوع كان مقبولًا أصبح مرفوضًا",
            ),
            Self::TypeWidened => (
                "it can have a type that it never had",
                "قد يأتي بنوع لم يكن يأتي به",
            ),
            Self::EnumValueRemoved => (
                "a value that was taken is refused",
                "قيمة كانت مقبولة أصبحت مرفوضة",
            ),
            Self::EnumValueAdded => (
                "it can have a value that it never had",
                "قد يأتي بقيمة لم يكن يأتي بها",
            ),
            Self::PropertiesClosed => (
                "properties that are not described are refused now",
                "أصبحت الخصائص غير الموصوفة مرفوضة",
            ),
            Self::ConstraintTightened => (
                "a condition is new or stricter",
                "شرط جديد أو أشد من ذي قبل",
            ),
            Self::ConstraintLoosened => (
                "a condition that it satisfied is gone or weaker",
                "شرط كان مستوفى أُلغي أو أصبح أضعف",
            ),
            Self::AlternativesChanged => (
                "the forms to choose from are others",
                "تغيّرت الصور التي يُختار منها",
            ),
            Self::SubjectChanged => (
                "whom the request is about is marked differently",
                "تغيّرت علامة صاحب البيانات في الطلب",
            ),
            Self::NotCompared => (
                "it is too intricate to be compared; take it as changed",
                "أعقد من أن تُقارن؛ تُعد متغيّرة",
            ),
        }
    }
}

impl Change {
    /// The top-level field of the answer's record that this touches, where it touches one: who was
    /// granted it is touched too.
    pub fn field(&self) -> Option<&str> {
        let mut tokens = self.pointer.split('/').skip(1);
        let first = tokens.next()?;
        let field = if first == "*" { tokens.next()? } else { first };
        (self.part == ChangePart::Answer).then_some(field)
    }

    pub(super) fn new(
        operation: &str,
        part: ChangePart,
        pointer: &str,
        kind: ChangeKind,
        detail: &str,
    ) -> Self {
        let (en, ar) = kind.sentences();
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", place::shown(detail))
        };
        let shown = place::shown(pointer);
        let (place_en, place_ar) = match part {
            ChangePart::Operation => (String::new(), String::new()),
            ChangePart::Request => (format!(", request {shown}"), format!("، الطلب {shown}")),
            ChangePart::Answer => (format!(", answer {shown}"), format!("، الرد {shown}")),
        };
        let operation_shown = place::shown(operation);
        let said = |place: &str, sentence: &str| {
            format!("{operation_shown}{}: {sentence}{detail}", place.trim_end())
        };
        Self {
            en: said(&place_en, en),
            ar: said(&place_ar, ar),
            operation: operation.to_owned(),
            part,
            pointer: pointer.to_owned(),
            kind,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_own_word_and_its_own_sentences() {
        let words: BTreeSet<_> = ChangeKind::ALL.iter().map(|kind| kind.word()).collect();
        let texts: BTreeSet<_> = ChangeKind::ALL
            .iter()
            .map(|kind| kind.sentences())
            .collect();
        assert_eq!((words.len(), texts.len()), (16, 16));
        for (en, ar) in texts {
            assert!(en.is_ascii() && !ar.is_ascii(), "{en} {ar}");
        }
    }

    #[test]
    fn a_change_says_where() {
        let change = Change::new(
            "lookup",
            ChangePart::Answer,
            "/name",
            ChangeKind::TypeChanged,
            "string, before: integer",
        );
        assert_eq!(
            change.to_string(),
            "lookup, answer /name: its type is another (string, before: integer)"
        );
        assert!(change.ar.starts_with("lookup، الرد /name: "));
        assert_eq!(change.field(), Some("name"));
        let inside = Change::new(
            "x",
            ChangePart::Answer,
            "/*/a/b",
            ChangeKind::TypeChanged,
            "",
        );
        assert_eq!(inside.field(), Some("a"));
        let whole = Change::new(
            "lookup",
            ChangePart::Request,
            "",
            ChangeKind::NotCompared,
            "",
        );
        assert_eq!(whole.field(), None);
        assert!(whole.en.starts_with("lookup, request: it"), "{}", whole.en);
    }
}
