//! What can be typed about cases: several agencies asked together, as a file declares it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::id::Part;

/// `mohawel compose …`.
#[derive(Debug, Subcommand)]
pub enum Compose {
    /// Say what is wrong with a composition, each mistake with its place; nothing is sent.
    Check {
        /// The composition, TOML; see docs/stories.md.
        file: PathBuf,
        /// An adapter's home; the registry is then asked, too, whether each part would be permitted.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: Option<PathBuf>,
    },
    /// Run a case: ask every part, as soon as what it needs is there, and show the answers side by side.
    Run(RunCase),
    /// List this home's cases with what the log knows them by.
    List {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Show a case: what was sent in it, and how an auditor is shown that a thread of the log is this case.
    Show {
        /// The case's reference.
        case: String,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Destroy the opening of a case: nobody can then tell which thread of the log it is. Receipts of its exchanges stay, and
    /// so does what was exchanged, unless a ground is given.
    Forget {
        /// The case's reference.
        case: String,
        /// Destroy, too, payload and salt of everything that was exchanged in the case, and say so in the log. Why: a code,
        /// for example subject-request.
        #[arg(long, value_parser = Part::parse)]
        ground: Option<Part>,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
}

/// `mohawel compose run`.
#[derive(Debug, Args)]
pub struct RunCase {
    /// The composition, TOML.
    pub file: PathBuf,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The agency's own number of the case. It never leaves this home; the log holds a commitment to it. Run again under
    /// the same reference, a case asks the very same again, and does nothing twice.
    #[arg(long)]
    pub case: String,
    /// An input, NAME=VALUE; or NAME=@FILE, so that it stands in no list of processes.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = input)]
    pub inputs: Vec<(String, String)>,
    /// The clerk for whom it is asked: headers carry a pseudonym that only this agency can tell.
    #[arg(long)]
    pub actor: Option<String>,
    /// A part to do again although it may have been done in this case.
    #[arg(long, value_name = "PART")]
    pub again: Vec<String>,
    /// Begin nothing unless every part would be permitted; otherwise what is not is asked all the same, refused on record, and told.
    #[arg(long)]
    pub strict: bool,
    /// Write the receipt of each part that was answered to this new folder, as PART.receipt.
    #[arg(long)]
    pub receipts: Option<PathBuf>,
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "not of the form NAME=VALUE".to_owned())?;
    let value = match value.strip_prefix('@') {
        None => value.to_owned(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("{path}: {error}"))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_has_a_name_and_a_value_or_a_file() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(input("a=b=c"), pair("a", "b=c"));
        assert_eq!(input("a="), pair("a", ""));
        assert!(input("a").is_err() && input("a=@/nowhere/at/all").is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        std::fs::write(&path, "12\r\n").unwrap();
        assert_eq!(input(&format!("a=@{}", path.display())), pair("a", "12"));
    }
}
