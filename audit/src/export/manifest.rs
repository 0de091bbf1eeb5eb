//! The manifest beside an export: what was asked, what was looked at, under which signed checkpoint, and the file's
//! digest. A JSON object; unknown names are refused when it is read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use proto::Digest;
use proto::entry::Kind;
use proto::header::Subject;
use proto::id::{ExchangeId, Part};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Format, Options, TOOL, Written};
use crate::find::{Check, Scanned};
use crate::replay::Filter;

/// The version of the manifest, and of the columns of every format.
pub(super) const FORMAT_VERSION: u32 = 1;
/// Bytes of a manifest at most.
pub(super) const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// What stands in `FILE.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest, and of the columns.
    pub format_version: u32,
    /// Which program, in which version.
    pub made_by: String,
    /// When, RFC 3339.
    pub made_at: String,
    /// The file's name, in the same folder.
    pub file: String,
    /// `jsonl`, `csv` or `parquet`.
    pub format: String,
    /// Whether a byte order mark stands before CSV.
    pub byte_order_mark: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
    /// What was asked, by the names of the options of `mohawel audit find`; times in Unix milliseconds.
    pub filter: BTreeMap<String, String>,
    /// First index looked at.
    pub from: u64,
    /// The index after the last one looked at.
    pub to: u64,
    /// Entries read.
    pub scanned: u64,
    /// Entries that matched: the rows of the file.
    pub matched: u64,
    /// Entries in the range that could not be read. They are in no row.
    pub unreadable: u64,
    /// How much was proved: `nothing`, `hashes` or `replay`.
    pub proved: String,
    /// The log's verifier key that was used.
    pub log_key: Option<String>,
    /// Whether that key was given, or lay beside the log.
    pub log_key_given: bool,
    /// The checkpoint that the entries are under: a signed note.
    pub checkpoint: String,
}

impl Manifest {
    /// Where the manifest of the file at `path` stands.
    pub fn beside(path: &Path) -> PathBuf {
        let mut name = OsString::from(path);
        name.push(".manifest.json");
        name.into()
    }

    pub(super) fn of<W>(
        path: &Path,
        options: &Options<'_>,
        scanned: &Scanned,
        written: &Written<W>,
    ) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self {
            format_version: FORMAT_VERSION,
            made_by: TOOL.to_owned(),
            made_at: options.made_at.to_owned(),
            file: name.to_string_lossy().into_owned(),
            format: options.format.name().to_owned(),
            byte_order_mark: options.byte_order_mark,
            bytes: written.bytes,
            sha256: written.sha256.to_string(),
            filter: texts_of(&options.filter),
            from: scanned.range.start,
            to: scanned.range.end,
            scanned: scanned.scanned,
            matched: scanned.matched,
            unreadable: scanned
                .unreadable
                .as_ref()
                .map_or(0, |unreadable| unreadable.count),
            proved: options.check.name().to_owned(),
            log_key: scanned.key.as_ref().map(|key| key.to_vkey()),
            log_key_given: scanned.key_given,
            checkpoint: String::from_utf8_lossy(&scanned.note).into_owned(),
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        // A tree of strings and numbers: it has a JSON form.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`]: the first thing that is not as it must be.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(json)
            .map_err(|error| ManifestError::Malformed(error.to_string()))?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(ManifestError::Version(manifest.format_version));
        }
        // The file is looked for beside the manifest and nowhere else.
        if Path::new(&manifest.file).file_name() != Some(manifest.file.as_ref()) {
            return Err(ManifestError::Value("file", manifest.file));
        }
        manifest.format()?;
        manifest.check()?;
        manifest.filter()?;
        Ok(manifest)
    }

    pub(super) fn format(&self) -> Result<Format, ManifestError> {
        Format::parse(&self.format)
            .ok_or_else(|| ManifestError::Value("format", self.format.clone()))
    }

    pub(super) fn check(&self) -> Result<Check, ManifestError> {
        Check::parse(&self.proved)
            .ok_or_else(|| ManifestError::Value("proved", self.proved.clone()))
    }

    /// What was asked.
    ///
    /// # Errors
    /// [`ManifestError::Value`].
    pub fn filter(&self) -> Result<Filter, ManifestError> {
        let mut filter = Filter::default();
        for (name, text) in &self.filter {
            set(&mut filter, name, text)
                .ok_or_else(|| ManifestError::Value("filter", format!("{name}: {text}")))?;
        }
        Ok(filter)
    }
}

/// What is asked, by the names of the command line's options; times are Unix milliseconds.
pub(crate) fn texts_of(filter: &Filter) -> BTreeMap<String, String> {
    let Filter {
        kind,
        exchange,
        party,
        consumer,
        provider,
        service,
        operation,
        purpose,
        code,
        agreement,
        key,
        actor,
        case,
        subject,
        from_ms,
        to_ms,
        from,
        to,
    } = filter;
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let digest = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
    let subject = subject.as_ref();
    [
        ("kind", kind.map(|kind| kind.name().to_owned())),
        ("exchange", exchange.map(|id| id.to_string())),
        ("party", party.clone()),
        ("consumer", consumer.clone()),
        ("provider", provider.clone()),
        ("service", service.clone()),
        ("operation", operation.clone()),
        ("purpose", purpose.clone()),
        ("code", code.clone()),
        ("agreement", digest(agreement)),
        ("seal-key", digest(key)),
        ("actor", digest(actor)),
        ("case", digest(case)),
        (
            "subject",
            subject.map(|subject| format!("{}:{}", subject.scheme, subject.pseudonym)),
        ),
        ("since", number(from_ms)),
        ("until", number(to_ms)),
        ("from", number(from)),
        ("to", number(to)),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name.to_owned(), text?)))
    .collect()
}

/// Sets what `name` stands for; `None` for an unknown name or a text that is not its value.
fn set(filter: &mut Filter, name: &str, text: &str) -> Option<()> {
    let plain = || Some(text.to_owned());
    let subject = || {
        let (scheme, pseudonym) = text.split_once(':')?;
        Some(Subject {
            scheme: Part::parse(scheme).ok()?,
            pseudonym: Digest::from_hex(pseudonym)?,
        })
    };
    match name {
        "kind" => {
            filter.kind = Some(Kind::ALL.into_iter().find(|kind| kind.name() == text)?);
        }
        "exchange" => filter.exchange = Some(ExchangeId::parse(text)?),
        "party" => filter.party = plain(),
        "consumer" => filter.consumer = plain(),
        "provider" => filter.provider = plain(),
        "service" => filter.service = plain(),
        "operation" => filter.operation = plain(),
        "purpose" => filter.purpose = plain(),
        "code" => filter.code = plain(),
        "agreement" => filter.agreement = Some(Digest::from_hex(text)?),
        "seal-key" => filter.key = Some(Digest::from_hex(text)?),
        "actor" => filter.actor = Some(Digest::from_hex(text)?),
        "case" => filter.case = Some(Digest::from_hex(text)?),
        "subject" => filter.subject = Some(subject()?),
        "since" => filter.from_ms = Some(text.parse().ok()?),
        "until" => filter.to_ms = Some(text.parse().ok()?),
        "from" => filter.from = Some(text.parse().ok()?),
        "to" => filter.to = Some(text.parse().ok()?),
        _ => return None,
    }
    Some(())
}

/// Why bytes are not a manifest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Not JSON, or not with these names.
    #[error("the manifest is not one: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the manifest is of format version {0}, this program reads {FORMAT_VERSION}")]
    Version(u32),
    /// A value that is none.
    #[error("the manifest's {0} is not one: {1}")]
    Value(&'static str, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Filter {
        Filter {
            kind: Some(Kind::Closing),
            exchange: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b"),
            party: Some("EG/GOV/MOSS".to_owned()),
            consumer: Some("EG/GOV/MOSS/takaful".to_owned()),
            provider: Some("EG/GOV/CIVIL".to_owned()),
            service: Some("persons.v1".to_owned()),
            operation: Some("lookup".to_owned()),
            purpose: Some("takaful".to_owned()),
            code: Some("answered".to_owned()),
            agreement: Some(Digest([1; 32])),
            key: Some(Digest([2; 32])),
            actor: Some(Digest([3; 32])),
            case: Some(Digest([5; 32])),
            subject: Some(Subject {
                scheme: Part::parse("nid").unwrap(),
                pseudonym: Digest([4; 32]),
            }),
            from_ms: Some(1),
            to_ms: Some(u64::MAX),
            from: Some(0),
            to: Some(9),
        }
    }

    #[test]
    fn every_part_of_a_filter_comes_back() {
        let texts = texts_of(&full());
        assert_eq!(texts.len(), 18);
        let mut back = Filter::default();
        for (name, text) in &texts {
            set(&mut back, name, text).unwrap();
            assert!(set(&mut Filter::default(), &format!("{name}s"), text).is_none());
        }
        assert_eq!(texts_of(&back), texts);
        for (name, text) in [
            ("from", "-1"),
            ("kind", "x"),
            ("subject", "nid"),
            ("actor", "0"),
        ] {
            assert!(set(&mut Filter::default(), name, text).is_none(), "{name}");
        }
    }
}
