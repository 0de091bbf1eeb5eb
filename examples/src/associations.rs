//! The support fund of civil associations: what four agencies answered about one application, what the fund's rules make of
//! it, and the view over all governorates.
//!
//! Takes the JSON of `mohawel compose run` and the rules in `stories/associations/fund/`. Gives a verdict with its reasons
//! in both languages. Never decides against an association because somebody was away or may not be asked.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
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
/// A file that is no such table, with the line; two applications under one number, or two of one association.
pub fn applications(path: &Path) -> Result<Vec<Application>> {
    let text = std::fs::read_to_string(path)?;
    listed(&text).with_context(|| path.display().to_string())
}

fn listed(text: &str) -> Result<Vec<Application>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let (mut read, mut taken) = (Vec::new(), BTreeSet::new());
    for row in reader.deserialize() {
        let one: Application = row?;
        for number in [&one.case, &one.association] {
            ensure!(taken.insert(number.clone()), "{number} stands twice");
        }
        read.push(one);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "case,association,name_en,name_ar,asked_egp,purpose\n";

    #[test]
    fn a_list_that_would_pay_twice_is_not_read() {
        let list = |rows: &str| listed(&format!("{HEAD}{rows}"));
        let one = "F-1,A-1,One,واحدة,100,support-fund\n";
        assert_eq!(list(one).unwrap().len(), 1);
        assert!(list("").unwrap().is_empty());
        for more in [
            "F-1,A-2,Two,اثنتان,100,support-fund\n",
            "F-2,A-1,Two,اثنتان,100,support-fund\n",
            "F-2,A-2,Two,اثنتان,-100,support-fund\n",
            "F-2,A-2,Two\n",
        ] {
            assert!(list(&format!("{one}{more}")).is_err(), "{more}");
        }
        assert!(listed("case\nF-1\n").is_err());
    }
}
