//! `mohawel batch`: words and options.

use std::path::PathBuf;

use adapters::batch::{SEGMENT_DEFAULT, WINDOW_DEFAULT, is_segment_size};
use clap::{Args, Subcommand};
use proto::id::{Part, ServiceId};

use super::LogDir;

/// `mohawel batch`.
#[derive(Debug, Subcommand)]
pub enum Batch {
    /// Ask a service for each line of a file, and write the results in the same order. Run again under the same name, a
    /// batch goes on where it stopped.
    Run(Box<RunBatch>),
    /// List this home's batches with how far each is.
    List {
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Show a batch: its segments with their entries in the log.
    Show {
        /// The batch's name.
        batch: String,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
    },
    /// Write the proof of one item: what was asked and what came back, without any other item.
    Prove {
        /// The batch's name.
        batch: String,
        /// The item's number, from 1, as in the results.
        item: u64,
        /// The adapter's home.
        #[arg(long, env = "MOHAWEL_HOME")]
        home: PathBuf,
        /// The new file. It holds this item's personal data in the clear.
        #[arg(long)]
        out: PathBuf,
    },
    /// Hold the proof of one item against a log directory.
    Verify {
        /// The proof.
        file: PathBuf,
        /// The log.
        #[command(flatten)]
        log: LogDir,
    },
}

/// `mohawel batch run`.
#[derive(Debug, Args)]
pub struct RunBatch {
    /// The items: .csv, whose columns are the operation's parameters, or .jsonl, whose lines are payloads as they are.
    pub file: PathBuf,
    /// The adapter's home.
    #[arg(long, env = "MOHAWEL_HOME")]
    pub home: PathBuf,
    /// The agency's own name for this batch. It never leaves this home; the log holds a commitment to it.
    #[arg(long = "batch", value_name = "NAME")]
    pub name: String,
    /// INSTANCE/CLASS/AGENCY/SYSTEM/service.
    #[arg(long, value_parser = ServiceId::parse)]
    pub service: ServiceId,
    /// The operation.
    #[arg(long, value_parser = Part::parse)]
    pub operation: Part,
    /// The legal reason, a purpose code.
    #[arg(long, value_parser = Part::parse)]
    pub purpose: Part,
    /// Fields asked for, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = Part::parse)]
    pub fields: Vec<Part>,
    /// The results: a new file, .csv or .jsonl. Until all are there it is called FILE.partial.
    #[arg(long)]
    pub out: PathBuf,
    /// The columns are the payload itself; without it they are the parameters of a stock payload.
    #[arg(long)]
    pub bare: bool,
    /// Items of one exchange: a power of two. Fewer where one item's result is long: all of a segment's have 1 MiB.
    #[arg(long, default_value_t = SEGMENT_DEFAULT, value_parser = segment)]
    pub segment: u32,
    /// Segments under way at once.
    #[arg(long, default_value_t = WINDOW_DEFAULT as u32, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub window: u32,
    /// How long one segment's answer is waited for.
    #[arg(long, default_value_t = 60_000)]
    pub deadline_ms: u32,
    /// How often a segment is tried again where that is safe.
    #[arg(long, default_value_t = 5)]
    pub retries: u32,
    /// The clerk for whom it is asked: headers carry a pseudonym that only this agency can tell.
    #[arg(long)]
    pub actor: Option<String>,
}

fn segment(text: &str) -> Result<u32, String> {
    let items = text.parse().ok().filter(|items| is_segment_size(*items));
    items.ok_or_else(|| "not a power of two up to 16384".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_a_power_of_two() {
        assert_eq!(segment("4096"), Ok(4096));
        for bad in ["", "0", "3", "-1", "32768", "4e3"] {
            assert!(segment(bad).is_err(), "{bad}");
        }
    }
}
