//! Whether an export is what its manifest says, and, with the log, whether the log makes it again.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use thiserror::Error;

use super::manifest::MANIFEST_BYTES_MAX;
use super::{Format, Manifest, ManifestError, TOOL, digesting::Hashing, write};
use crate::checkpoint::{self, Checkpoint, CheckpointError, LogKey};
use crate::export::ExportError;
use crate::find::{self, Standing};
use crate::tiles::read_bounded;
use crate::verify::OnProgress;

/// An export that is what its manifest says.
#[derive(Debug)]
pub struct Checked {
    /// The manifest.
    pub manifest: Manifest,
    /// The checkpoint in it.
    pub checkpoint: Checkpoint,
    /// Whether the checkpoint's signature was verified under a key that the caller gave.
    pub signed: bool,
    /// What the log says, if it was asked.
    pub compared: Option<Compared>,
}

/// What the log makes of the same question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The very same bytes.
    Bytes,
    /// The same numbers; another version of the program made the file, so its bytes may differ.
    Counts,
}

/// Checks the export that the manifest at `path` is of. With `log`, scans that log as it was under the manifest's
/// checkpoint, proves it, and makes the file again.
///
/// # Errors
/// [`CheckError`]: the first thing that does not hold.
pub fn check(
    path: &Path,
    key: Option<LogKey>,
    log: Option<&Path>,
    on_progress: OnProgress<'_>,
) -> Result<Checked, CheckError> {
    let unreadable = |source| CheckError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let json = read_bounded(path, MANIFEST_BYTES_MAX).map_err(unreadable)?;
    let manifest = Manifest::from_json(&json)?;
    check_file(path, &manifest)?;
    if let (Some(key), Some(log)) = (&key, log) {
        key.follow_beside(log)?;
    }
    let note = manifest.checkpoint.as_bytes();
    let checkpoint = match &key {
        Some(key) => checkpoint::open(note, key)?,
        None => checkpoint::read_unverified(note)?,
    };
    let compared = log
        .map(|log| compare(log, key.clone(), &manifest, &checkpoint, on_progress))
        .transpose()?;
    Ok(Checked {
        signed: key.is_some(),
        manifest,
        checkpoint,
        compared,
    })
}

/// Size, digest and rows.
fn check_file(path: &Path, manifest: &Manifest) -> Result<(), CheckError> {
    let file = path.with_file_name(&manifest.file);
    let unreadable = |source| CheckError::Unreadable {
        path: file.clone(),
        source,
    };
    let mut reader = File::open(&file).map_err(unreadable)?;
    let (mut bytes, mut hashing) = (0, Hashing::new());
    let mut block = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut block).map_err(unreadable)?;
        let Some(block) = block.get(..read).filter(|block| !block.is_empty()) else {
            break;
        };
        hashing.update(block);
        bytes += read as u64;
    }
    let sha256 = hashing.finish().to_string();
    if bytes != manifest.bytes || sha256 != manifest.sha256 {
        return Err(CheckError::OtherBytes {
            file,
            bytes,
            sha256,
            wanted: manifest.sha256.clone(),
        });
    }
    let rows = rows_of(&file, manifest.format()?).map_err(unreadable)?;
    if rows != manifest.matched {
        return Err(CheckError::Numbers {
            what: "rows in the file",
            found: rows,
            wanted: manifest.matched,
        });
    }
    Ok(())
}

/// Rows of a file whose bytes are known.
fn rows_of(file: &Path, format: Format) -> io::Result<u64> {
    let file = File::open(file)?;
    match format {
        Format::JsonLines => {
            let (mut reader, mut line, mut rows) = (BufReader::new(file), Vec::new(), 0);
            while reader.read_until(b'\n', &mut line)? > 0 {
                rows += 1;
                line.clear();
            }
            Ok(rows)
        }
        Format::Csv => {
            let (mut reader, mut record) = (csv::Reader::from_reader(file), csv::ByteRecord::new());
            let mut rows = 0;
            while reader.read_byte_record(&mut record)? {
                rows += 1;
            }
            Ok(rows)
        }
        Format::Parquet => {
            let reader = SerializedFileReader::new(file).map_err(io::Error::other)?;
            let rows = reader.metadata().file_metadata().num_rows();
            Ok(u64::try_from(rows).unwrap_or_default())
        }
    }
}

/// Asks the log the same question.
fn compare(
    log: &Path,
    key: Option<LogKey>,
    manifest: &Manifest,
    checkpoint: &Checkpoint,
    on_progress: OnProgress<'_>,
) -> Result<Compared, CheckError> {
    // What nobody proved then is proved now all the same.
    let scan = find::Options {
        key,
        filter: manifest.filter()?,
        check: find::Check::Hashes,
        by_index: false,
        threads: 0,
        under: Some(checkpoint.clone()),
        on_progress: Some(on_progress),
    };
    let form = (manifest.format()?, manifest.byte_order_mark);
    let (written, scanned) = write(log, scan, form, io::sink())?;
    if let Standing::Broken(why) = scanned.standing {
        return Err(CheckError::Log(why));
    }
    let unreadable = scanned.unreadable.map_or(0, |found| found.count);
    for (what, found, wanted) in [
        ("first entry looked at", scanned.range.start, manifest.from),
        ("end of what was looked at", scanned.range.end, manifest.to),
        ("entries looked at", scanned.scanned, manifest.scanned),
        ("entries that match", scanned.matched, manifest.matched),
        ("unreadable entries", unreadable, manifest.unreadable),
    ] {
        if found != wanted {
            return Err(CheckError::Numbers {
                what,
                found,
                wanted,
            });
        }
    }
    if manifest.made_by != TOOL {
        return Ok(Compared::Counts);
    }
    let sha256 = written.sha256.to_string();
    if sha256 != manifest.sha256 {
        return Err(CheckError::MadeAgain {
            sha256,
            wanted: manifest.sha256.clone(),
        });
    }
    Ok(Compared::Bytes)
}

/// What does not hold.
#[derive(Debug, Error)]
pub enum CheckError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The manifest is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The file was changed after it was exported, or is another one.
    #[error("{} is not the file of this manifest: {bytes} bytes with SHA-256 {sha256}, not {wanted}", file.display())]
    OtherBytes {
        /// The file.
        file: PathBuf,
        /// Its bytes.
        bytes: u64,
        /// Their digest.
        sha256: String,
        /// What the manifest says.
        wanted: String,
    },
    /// A number is another.
    #[error("{what}: {found}, the manifest says {wanted}")]
    Numbers {
        /// Which number.
        what: &'static str,
        /// What is.
        found: u64,
        /// What the manifest says.
        wanted: u64,
    },
    /// The checkpoint is not one that this log signed.
    #[error("the checkpoint in the manifest does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log does not hold, or does not extend the manifest's checkpoint.
    #[error("the log: {0}")]
    Log(String),
    /// The log cannot be looked at.
    #[error("the log: {0}")]
    Export(#[from] ExportError),
    /// The log makes another file.
    #[error("the log makes another file of this: SHA-256 {sha256}, not {wanted}")]
    MadeAgain {
        /// Of what the log makes.
        sha256: String,
        /// What the manifest says.
        wanted: String,
    },
}
