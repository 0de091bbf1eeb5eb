//! How the story is told: headings, lines and marks, in English or Arabic.

use crate::output::Output;

/// Tells the story on standard output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Teller {
    output: Output,
}

impl Teller {
    /// In the language of `output`.
    pub(super) fn new(output: Output) -> Self {
        Self { output }
    }

    /// The text in the story's language.
    pub(super) fn say<'a>(&self, texts: [&'a str; 2]) -> &'a str {
        self.output.say(texts[0], texts[1])
    }

    /// The heading of a part.
    pub(super) fn part(&self, number: usize, texts: [&str; 2]) {
        self.output
            .line(format!("\n── {number}. {} ──", self.say(texts)));
    }

    /// An indented line.
    pub(super) fn line(&self, texts: [&str; 2]) {
        self.output.line(format!("   {}", self.say(texts)));
    }

    /// Something that went as it should.
    pub(super) fn good(&self, texts: [&str; 2]) {
        self.output.line(format!("   ✔ {}", self.say(texts)));
    }

    /// A refusal, which in this story is what should happen.
    pub(super) fn refused(&self, texts: [&str; 2]) {
        self.output.line(format!("   ✘ {}", self.say(texts)));
    }

    /// A table.
    pub(super) fn table<const N: usize>(&self, heading: [[&str; 2]; N], rows: Vec<[String; N]>) {
        self.output
            .table(heading.map(|texts| self.say(texts)), rows);
    }
}
