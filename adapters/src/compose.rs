//! A case: several services of several agencies, asked together under one deadline, as a file declares it.
//!
//! ```text
//! FILE.toml → read (places of mistakes) → the registry asked beforehand → parts, each as soon as what it needs is there
//!           → each sealed, judged and recorded alone → what came, and of what did not come why
//! ```
//!
//! A part that is refused, or whose agency is away, hides no other part. What needs it is not asked, and says so. All
//! exchanges carry one commitment to the case, so that they are a thread in the log; the opening lies in this home's
//! journal ([`Book`]). A file holds no code: which services, which operations, for which purposes, which fields are
//! taken, and what comes from what.
//!
//! ```toml
//! composition = "building-licence"
//! name_en = "Building licence"
//! name_ar = "رخصة بناء"
//! deadline_ms = 8000              # for the case as a whole; 10000 when left out, 120000 at most
//! retries = 1                     # of each part, where that is safe; 1 when left out
//! actor_required = true           # somebody must be named who asks; false when left out
//!
//! [[inputs]]
//! name = "national_id"
//! name_en = "National ID"
//! name_ar = "الرقم القومي"
//! kind = "nid"                    # text, integer, bool, date or nid; text when left out
//!
//! [[parts]]
//! name = "household"
//! name_en = "Civil registry"
//! name_ar = "السجل المدني"
//! service = "EG/GOV/CIVIL/registry/persons.v1"
//! operation = "household"
//! purpose = "building-licence"
//! fields = ["household_id", "governorate_en"]
//! parameters = { national_id = { input = "national_id" } }
//!
//! [[parts]]
//! name = "property"
//! name_en = "Property register"
//! name_ar = "الشهر العقاري"
//! service = "EG/GOV/PROPERTY/register/units.v1"
//! operation = "of_household"
//! purpose = "building-licence"
//! fields = ["unit", "share"]
//! parameters.household_id = { part = "household", field = "household_id" }
//! after = []                      # parts that must be answered first, whatever they say
//! once = false                    # true: it acts, and is never done twice in one case
//! payload = "stock"               # or "plain": the parameters are the whole payload
//! ```
//!
//! A parameter is one of `{ input = "…" }`, `{ part = "…", field = "…" }`, `{ value = … }`, or a text with places in
//! it: `{ text = "Case {input.number}: receipt {fee.receipt_no}" }`.
//!
//! | file | what it holds |
//! |---|---|
//! | `file`, `shape` | from TOML to a [`Composition`], with every mistake at its place |
//! | `template` | texts with places in them |
//! | `order` | what needs what; circles |
//! | `granted` | the registry asked beforehand |
//! | `inputs` | what the caller gives |
//! | `question` | one part's request, from inputs and answers |
//! | `run` | the parts, side by side |
//! | `outcome` | what came of each |
//! | `book` | the case's page in the journal: its opening, and what was sent |

use std::collections::BTreeSet;
use std::path::Path;

use proto::id::{Part as Name, ServiceId};
use proto::refusal::Language;
use serde_json::Value;
use thiserror::Error;

mod book;
mod file;
mod granted;
mod inputs;
mod order;
mod outcome;
mod problem;
mod promised;
mod question;
mod run;
mod shape;
mod template;
#[cfg(test)]
mod tests;

pub use book::{Book, BookError, CaseFile, Page, Sent};
pub use granted::problems_in;
pub use inputs::{Inputs, Kind};
pub use outcome::{End, NotAsked, Outcome, Rows};
pub use problem::{At, Problem, What};
pub use run::{Event, Run, run};
use template::Chunk;

/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Parts of a composition; inputs of one; parameters of a part.
pub const PARTS_MAX: usize = 64;

/// A composition, read and checked as far as its file tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Its name.
    pub name: Name,
    /// Shown to people, English then Arabic.
    pub titles: [String; 2],
    /// Milliseconds for the case as a whole.
    pub deadline_ms: u32,
    /// Tries after the first, of each part.
    pub retries: u32,
    /// Whether somebody must be named who asks.
    pub actor_required: bool,
    /// What the caller gives.
    pub inputs: Vec<Input>,
    /// What is asked; in the order of the file.
    pub parts: Vec<Part>,
}

/// Something that the caller gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: Name,
    /// Shown to people, English then Arabic.
    pub titles: [String; 2],
    /// What it must be.
    pub kind: Kind,
}

/// One question to one agency.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: Name,
    /// Shown to people, English then Arabic.
    pub titles: [String; 2],
    /// Who is asked.
    pub service: ServiceId,
    /// What.
    pub operation: Name,
    /// Why.
    pub purpose: Name,
    /// The fields taken, and no others; ascending, each once.
    pub fields: Vec<Name>,
    /// The request's parameters.
    pub parameters: Vec<(String, Source)>,
    /// The parts that it needs, by their places in [`Composition::parts`].
    pub needs: BTreeSet<usize>,
    /// Milliseconds of its own, where it has fewer than the case.
    pub deadline_ms: Option<u32>,
    /// Whether it acts, and must not be done twice in one case.
    pub once: bool,
    /// Whether the parameters are the whole payload.
    pub plain: bool,
    /// Where in the file its parts stand.
    pub places: Places,
}

impl Part {
    /// Its title in a language.
    pub fn title(&self, language: Language) -> &str {
        &self.titles[usize::from(language == Language::Arabic)]
    }
}

/// Where in the file a part says what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Its service.
    pub service: At,
    /// Its operation.
    pub operation: At,
    /// Its purpose.
    pub purpose: At,
    /// Each field, in the order of [`Part::fields`].
    pub fields: Vec<At>,
    /// Each parameter, in the order of [`Part::parameters`].
    pub parameters: Vec<At>,
}

/// Where a parameter's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The input with this place.
    Input(usize),
    /// A field of the part with this place.
    Field(usize, Name),
    /// The file itself.
    Value(Value),
    /// A text with places in it.
    Text(Vec<Chunk>),
}

impl Composition {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ComposeError::Io`], or [`ComposeError::Problems`] with everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ComposeError> {
        use std::io::Read as _;
        let io = |cause| ComposeError::Io {
            path: path.to_owned(),
            cause,
        };
        let file = std::fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        // One byte over the limit tells that there is more; the rest is not read.
        file.take(FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        Self::parse(&bytes).map_err(ComposeError::Problems)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        file::read(bytes)
    }
}

/// Why a case cannot be run at all. What becomes of its parts is no error: see [`Outcome`].
#[derive(Debug, Error)]
pub enum ComposeError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file, or what is given for it, is wrong.
    #[error("{} problem(s) in the composition, the first: {}", .0.len(), .0.first().map(|problem| problem.sentence(Language::English)).unwrap_or_default())]
    Problems(Vec<Problem>),
    /// The case's page in the journal.
    #[error(transparent)]
    Book(#[from] BookError),
}
