//! What does not hold about an answer, in the words of the log.

use std::fmt;

/// Why an answer does not hold. The caller hears `answer_invalid`; the log keeps this word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerFault {
    /// The header is not in its one form, or contradicts itself.
    Malformed,
    /// Not sealed by a key bound to the provider.
    Seal,
    /// For another exchange or another request.
    OtherExchange,
    /// A field that was not asked for.
    Field(String),
    /// Open where the question was sealed, or one where items were asked; or the reverse.
    Form,
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed"),
            Self::Seal => f.write_str("seal"),
            Self::OtherExchange => f.write_str("other_exchange"),
            Self::Field(field) => write!(f, "field {field}"),
            Self::Form => f.write_str("form"),
        }
    }
}
