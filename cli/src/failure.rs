//! What went wrong, in both languages, with what to do next and the exit code that scripts see.

use std::fmt;
use std::process::ExitCode;

use proto::refusal::Language;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A check found something.
    Found = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// The switch or the provider said no.
    Refused = 3,
    /// A proof does not hold.
    Untrusted = 4,
    /// Something is unreachable or broke.
    Unavailable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, English then Arabic.
    pub what: [String; 2],
    /// What to do next, English then Arabic; empty when `what` says it.
    pub next: [String; 2],
}

impl Failure {
    /// With a remedy of its own.
    pub fn new(exit: Exit, what: [impl Into<String>; 2], next: [impl Into<String>; 2]) -> Self {
        Self {
            exit,
            what: what.map(Into::into),
            next: next.map(Into::into),
        }
    }

    /// A file or an argument is wrong; the error says what to do.
    pub fn usage(error: impl fmt::Display) -> Self {
        let next = [
            "Correct it and run the command again; --help shows what is expected.",
            "صحّح ذلك ثم أعد تشغيل الأمر؛ يعرض ‎--help‎ المطلوب.",
        ];
        Self::new(
            Exit::Usage,
            [error.to_string(), format!("خطأ في المدخلات: {error}")],
            next,
        )
    }

    /// Something is unreachable or broke.
    pub fn unavailable(error: impl fmt::Display) -> Self {
        let next = [
            "Look at the message above; `mohawel doctor` names the failing hop.",
            "راجع الرسالة أعلاه؛ ويبيّن الأمر mohawel doctor موضع العطل.",
        ];
        Self::new(
            Exit::Unavailable,
            [error.to_string(), format!("تعذّر التنفيذ: {error}")],
            next,
        )
    }

    /// A proof does not hold.
    pub fn untrusted(error: impl fmt::Display) -> Self {
        let next = [
            "Keep the files and tell the auditor; do not use the result.",
            "احتفظ بالملفات وأبلغ المدقّق؛ ولا تستخدم النتيجة.",
        ];
        Self::new(
            Exit::Untrusted,
            [error.to_string(), format!("الإثبات لا يصح: {error}")],
            next,
        )
    }

    /// The text for `language`.
    pub fn text(&self, language: Language) -> String {
        let at = usize::from(language == Language::Arabic);
        let next = &self.next[at];
        if next.is_empty() {
            self.what[at].clone()
        } else {
            format!("{}\n  {next}", self.what[at])
        }
    }
}
