//! Reads the evidence out of a bundle's files. Shapes only: nothing is verified here.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::Digest;
use proto::entry::Kind;

use super::super::contents::{Contents, Item, Signed, Stamped, entry_file};
use super::super::disclosed::Opening;
use super::super::{Bundle, ENTRIES_MAX, name};
use crate::checkpoint::LogKey;
use crate::receipt::tlog_proof::TlogProof;

/// The evidence; otherwise which file is missing or is not what its name says.
pub(super) fn contents(bundle: &Bundle) -> Result<Contents, String> {
    let vkey = String::from_utf8_lossy(file(bundle, name::VKEY)?);
    let key = LogKey::from_vkey(&vkey).map_err(|error| format!("{}: {error}", name::VKEY))?;
    let checkpoint = signed(bundle, name::CHECKPOINT)?;
    let stamped = match bundle.file(name::TOKEN) {
        None => None,
        Some(token) => Some(Stamped {
            checkpoint: signed(bundle, name::STAMPED)?,
            token: token.clone(),
            roots: bundle.file(name::ROOTS).cloned(),
        }),
    };
    let mut items = Vec::new();
    let mut disclosed = BTreeMap::new();
    for path in bundle.files().keys() {
        if let Some(index) = index_of(path, "entries/", ".entry") {
            items.push(item(bundle, index, &checkpoint, stamped.as_ref())?);
        }
        if let Some(index) = index_of(path, "disclosed/", ".payload") {
            disclosed.insert(index, opening(bundle, path)?);
        }
    }
    if items.is_empty() || items.len() > ENTRIES_MAX {
        return Err(format!(
            "{} entries; 1 to {ENTRIES_MAX} are possible",
            items.len()
        ));
    }
    let followed = items
        .iter()
        .filter(|item| item.entry.kind == Kind::LogKeySucceeded)
        .map(|item| (item.index, item.bytes.clone()));
    key.follow(&followed.collect::<Vec<_>>())
        .map_err(|error| error.to_string())?;
    Ok(Contents {
        key,
        checkpoint,
        items,
        disclosed,
        policy: bundle.file(name::POLICY).cloned(),
        stamped,
    })
}

fn file<'a>(bundle: &'a Bundle, name: &str) -> Result<&'a Bytes, String> {
    bundle
        .file(name)
        .ok_or_else(|| format!("{name} is missing"))
}

fn signed(bundle: &Bundle, name: &str) -> Result<Signed, String> {
    Signed::read(file(bundle, name)?.clone()).map_err(|what| format!("{name}: {what}"))
}

/// The index in a name of 20 digits.
fn index_of(path: &str, folder: &str, ending: &str) -> Option<u64> {
    let digits = path.strip_prefix(folder)?.strip_suffix(ending)?;
    let index = digits.parse().ok()?;
    (digits == format!("{index:020}")).then_some(index)
}

fn item(
    bundle: &Bundle,
    index: u64,
    checkpoint: &Signed,
    stamped: Option<&Stamped>,
) -> Result<Item, String> {
    let path = entry_file(index, "entry");
    let bytes = file(bundle, &path)?.clone();
    let mut item = Item::read(index, bytes).map_err(|what| format!("{path}: {what}"))?;
    item.proof = proof(bundle, index, "proof", checkpoint)?;
    if let Some(stamped) = stamped
        && bundle.file(&entry_file(index, "time-proof")).is_some()
    {
        item.stamped_proof = Some(proof(bundle, index, "time-proof", &stamped.checkpoint)?);
    }
    Ok(item)
}

fn proof(bundle: &Bundle, index: u64, ending: &str, under: &Signed) -> Result<Vec<Digest>, String> {
    let path = entry_file(index, ending);
    let proof =
        TlogProof::from_text(file(bundle, &path)?).map_err(|error| format!("{path}: {error}"))?;
    if proof.index != index || proof.checkpoint != under.note || proof.extra.is_some() {
        return Err(format!(
            "{path} is of another entry, or under another checkpoint"
        ));
    }
    Ok(proof.proof)
}

fn opening(bundle: &Bundle, path: &str) -> Result<Opening, String> {
    let payload = file(bundle, path)?.clone();
    let salt = path.strip_suffix("payload").unwrap_or(path);
    let salt = file(bundle, &format!("{salt}salt"))?.clone();
    Opening::new(salt, payload).map_err(|error| format!("{path}: {error}"))
}
