//! The support fund of civil associations: what four agencies answered about one application, what the fund's rules make of
//! it, and the view over all governorates.
//!
//! Takes the JSON of `mohawel compose run` and the rules in `stories/associations/fund/`. Gives a verdict with its reasons
//! in both languages. Never decides against an association because somebody was away or may not be asked.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

pub mod answers;
pub mod rules;
pub mod tables;
pub mod view;

pub use answers::{Answer, Answers};
pub use rules::{Rules, Verdict};
pub use view::Row;

/// One application, as the fund's desk has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Application {
    /// The number under which the fund keeps it; it never leaves the fund.
    pub case: String,
    /// The association's number.
    pub association: String,
    /// Its English name.
    pub name_en: String,
    /// Its Arabic name.
    pub name_ar: String,
    /// What it asks for, in EGP.
    pub asked_egp: u64,
    /// For what.
    pub purpose: String,
}

/// Reads the applications.
///
/// # Errors
/// A file that is no such table, with the line.
pub fn applications(path: &Path) -> Result<Vec<Application>> {
    let mut reader = csv::Reader::from_path(path)?;
    let read: Result<Vec<_>, _> = reader.deserialize().collect();
    read.with_context(|| path.display().to_string())
}
