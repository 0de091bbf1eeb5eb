//! What a bundle is about, and the one way from it to its files and back.
//!
//! [`Contents`] holds the evidence itself: entries, proofs, checkpoints, key, disclosed payloads. Everything else in a
//! bundle (what openssl reads, the page, the manifest) is made from it by [`Contents::to_bundle`], so whoever verifies a
//! bundle makes it again and compares every byte.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::Digest;
use proto::digest::leaf_hash;
use proto::entry::Entry;
use serde::{Deserialize, Serialize};

use super::disclosed::Opening;
use super::parts::{Keys, pem, seal_parts};
use super::{Bundle, name, page};
use crate::checkpoint::{self, Checkpoint, LogKey};
use crate::note::SignedNote;
use crate::receipt::tlog_proof::TlogProof;

mod meaning;

pub(super) use meaning::{ENDINGS, NAMED};

/// The script that checks a bundle with openssl, sha256sum and xxd.
pub(super) const CHECK_SCRIPT: &str = include_str!("check.sh");
/// The form of bundles that this code writes.
pub(super) const FORMAT: &str = "mohawel evidence bundle, version 1";
/// Who makes the page. A page is compared byte for byte only with one made by the same edition: raise it with the page.
pub(super) const MADE_BY: &str = concat!("mohawel ", env!("CARGO_PKG_VERSION"), ", page edition 1");

/// One entry with its proof.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) index: u64,
    /// As hashed.
    pub(super) bytes: Bytes,
    pub(super) entry: Entry,
    pub(super) leaf: Digest,
    /// Under the bundle's checkpoint.
    pub(super) proof: Vec<Digest>,
    /// Under the time-stamped one; only of entries that are not the registry's.
    pub(super) stamped_proof: Option<Vec<Digest>>,
}

/// A checkpoint as it was signed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) note: Bytes,
    pub(super) says: Checkpoint,
}

/// A checkpoint that a time-stamp authority saw.
#[derive(Clone, Debug)]
pub(super) struct Stamped {
    pub(super) checkpoint: Signed,
    /// RFC 3161, DER.
    pub(super) token: Bytes,
    /// Certificates that whoever made the bundle put beside it.
    pub(super) roots: Option<Bytes>,
}

/// The evidence of one bundle.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) key: LogKey,
    pub(super) checkpoint: Signed,
    /// By index.
    pub(super) items: Vec<Item>,
    /// By the index of the entry whose commitment each opens.
    pub(super) disclosed: BTreeMap<u64, Opening>,
    pub(super) policy: Option<Bytes>,
    pub(super) stamped: Option<Stamped>,
}

impl Signed {
    /// Reads a note; verifies nothing.
    pub(super) fn read(note: Bytes) -> Result<Self, String> {
        let says = checkpoint::read_unverified(&note).map_err(|error| error.to_string())?;
        Ok(Self { note, says })
    }
}

impl Item {
    /// An entry without proofs; what is wrong with it in words.
    pub(super) fn read(index: u64, bytes: Bytes) -> Result<Self, String> {
        Ok(Self {
            index,
            entry: Entry::decode(&bytes).map_err(|error| error.to_string())?,
            leaf: leaf_hash(&bytes),
            bytes,
            proof: Vec::new(),
            stamped_proof: None,
        })
    }
}

/// The name of a file of entry `index`; 20 digits, so that names sort as numbers.
pub(super) fn entry_file(index: u64, ending: &str) -> String {
    format!("entries/{index:020}.{ending}")
}

fn disclosed_file(index: u64, ending: &str) -> String {
    format!("disclosed/{index:020}.{ending}")
}

fn key_file(kid: &Digest) -> String {
    format!("keys/{kid}.pem")
}

impl Contents {
    /// All files of the bundle.
    pub(super) fn to_bundle(&self) -> Bundle {
        let mut files = BTreeMap::new();
        self.log_files(&mut files);
        self.entry_files(&mut files);
        for (index, opening) in &self.disclosed {
            files.insert(disclosed_file(*index, "payload"), opening.payload.clone());
            files.insert(disclosed_file(*index, "salt"), opening.salt.clone());
        }
        if let Some(stamped) = &self.stamped {
            files.insert(name::STAMPED.to_owned(), stamped.checkpoint.note.clone());
            files.insert(name::TOKEN.to_owned(), stamped.token.clone());
            if let Some(roots) = &stamped.roots {
                files.insert(name::ROOTS.to_owned(), roots.clone());
            }
        }
        files.insert(
            name::CHECK.to_owned(),
            Bytes::from_static(CHECK_SCRIPT.as_bytes()),
        );
        let page = page::render(self);
        files.insert(name::PAGE.to_owned(), page.into());
        let manifest = self.manifest(&files);
        files.insert(name::MANIFEST.to_owned(), manifest.into());
        Bundle { files }
    }

    fn log_files(&self, files: &mut BTreeMap<String, Bytes>) {
        let mut put = |name: &str, bytes: Bytes| files.insert(name.to_owned(), bytes);
        put(name::CHECKPOINT, self.checkpoint.note.clone());
        put(name::CHECKPOINT_TEXT, self.checkpoint.says.to_text().into());
        put(name::CHECKPOINT_SIGNATURE, self.log_signature());
        put(name::VKEY, format!("{}\n", self.key.to_vkey()).into());
        put(name::LOG_PEM, pem(self.key.note_key().public()).into());
        if let Some(policy) = &self.policy {
            put(name::POLICY, policy.clone());
        }
    }

    /// The log's own signature under the checkpoint; empty where there is none.
    fn log_signature(&self) -> Bytes {
        let key = self.key.note_key();
        let note = SignedNote::parse(&self.checkpoint.note).ok();
        let lines = note.iter().flat_map(|note| note.signatures());
        let mut own = lines.filter(|line| line.key_name == key.name() && line.key_id == key.id());
        own.next()
            .map(|line| Bytes::copy_from_slice(&line.signature))
            .unwrap_or_default()
    }

    fn entry_files(&self, files: &mut BTreeMap<String, Bytes>) {
        let keys = self.keys();
        for item in &self.items {
            let mut put = |ending: &str, bytes: Bytes| {
                files.insert(entry_file(item.index, ending), bytes);
            };
            put("entry", item.bytes.clone());
            put("proof", self.proof_of(item, &item.proof, &self.checkpoint));
            if let (Some(stamped), Some(proof)) = (&self.stamped, &item.stamped_proof) {
                put(
                    "time-proof",
                    self.proof_of(item, proof, &stamped.checkpoint),
                );
            }
            if !item.entry.header.is_empty() {
                put("header", item.entry.header.clone());
            }
            let Some(parts) = seal_parts(&item.entry, self.key.origin(), &keys) else {
                continue;
            };
            put("signed", parts.signed.into());
            put("signature", parts.signature.into());
            if let Some(der) = parts.der {
                put("signature-der", der.into());
            }
            if let Some(key) = keys.key(&parts.kid) {
                files.insert(key_file(&parts.kid), pem(key).into());
            }
        }
    }

    fn proof_of(&self, item: &Item, proof: &[Digest], under: &Signed) -> Bytes {
        let proof = TlogProof {
            extra: None,
            index: item.index,
            proof: proof.to_vec(),
            checkpoint: under.note.clone(),
        };
        proof.to_text().into()
    }

    /// Every key that an entry of the bundle names.
    pub(super) fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        for item in &self.items {
            keys.note(&item.entry);
        }
        keys
    }

    fn manifest(&self, files: &BTreeMap<String, Bytes>) -> String {
        let head = Head {
            format: FORMAT,
            made_by: MADE_BY,
            origin: self.key.origin(),
            size: self.checkpoint.says.size,
            root: self.checkpoint.says.root.to_string(),
        };
        let line = |(path, bytes): (&String, &Bytes)| {
            let [en, ar] = meaning::of(path);
            json(&Line {
                path,
                sha256: Digest::of(bytes).to_string(),
                bytes: bytes.len(),
                en,
                ar,
            })
        };
        // One file a line, so that a shell reads it too.
        let lines: Vec<String> = files.iter().map(line).collect();
        let head = json(&head);
        let head = head.strip_suffix('}').unwrap_or(&head);
        format!("{head},\"files\":[\n{}\n]}}\n", lines.join(",\n"))
    }
}

/// Texts and numbers always have a JSON form.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A manifest as it is read: who made it, and which files it lists.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    format: String,
    pub(super) made_by: String,
    files: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    path: String,
    sha256: String,
    bytes: usize,
}

impl Manifest {
    /// Reads the manifest of `bundle`; `None` for another form.
    pub(super) fn read(bundle: &Bundle) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bundle.file(name::MANIFEST)?).ok()?;
        (manifest.format == FORMAT).then_some(manifest)
    }

    /// Whether it lists every file but itself, as it is, once.
    pub(super) fn lists(&self, bundle: &Bundle) -> bool {
        let listed: BTreeMap<&str, &Listed> = self
            .files
            .iter()
            .map(|listed| (listed.path.as_str(), listed))
            .collect();
        let fits = |(path, bytes): (&String, &Bytes)| {
            let listed = listed.get(path.as_str());
            path == name::MANIFEST
                || listed.is_some_and(|listed| {
                    listed.sha256 == Digest::of(bytes).to_string() && listed.bytes == bytes.len()
                })
        };
        self.files.len() + 1 == bundle.files.len()
            && listed.len() == self.files.len()
            && bundle.files.iter().all(fits)
    }
}

#[derive(Serialize)]
struct Head<'a> {
    format: &'a str,
    made_by: &'a str,
    origin: &'a str,
    size: u64,
    root: String,
}

#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    sha256: String,
    bytes: usize,
    en: &'a str,
    ar: &'a str,
}
