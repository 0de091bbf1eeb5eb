//! The life of an agency's authority key: a new one follows it, replaces a lost one, or does not.
//!
//! A lost key is replaced by operators, who never hold the new one: the agency makes it and writes a request that the
//! new key itself seals. Whoever still holds the old key has 72 hours to object.

use std::path::{Path, PathBuf};

use adapters::identity::FileSigner;
use bytes::Bytes;
use certs::{Passphrase, SealAlgorithm, SealKeyFile};
use proto::act::{AgencyAct, AgencyDeed, OperatorDeed};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::AgencyId;
use proto::key::{PublicKey, Signer as _};
use proto::limits::label;
use proto::seal::Seal;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fingerprint;
use crate::args::AuthorityKey;
use crate::commands::act;
use crate::failure::Failure;
use crate::output::Output;
use crate::passphrase;

/// A request to replace a lost authority key. Holds no secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    agency: String,
    /// DER SubjectPublicKeyInfo, hex.
    key: String,
    /// COSE_Sign1 of the new key, hex.
    possession: String,
}

/// Where a new authority key is made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its file; must not exist.
    pub path: PathBuf,
    /// Leave it without a passphrase.
    pub no_passphrase: bool,
    /// Owner-only file with its passphrase; asked for when not given.
    pub passphrase_file: Option<PathBuf>,
}

impl NewKey {
    fn make(&self, output: Output) -> Result<FileSigner, Failure> {
        let key = SealKeyFile::generate(SealAlgorithm::Ed25519).map_err(Failure::unavailable)?;
        if self.no_passphrase {
            key.save(&self.path).map_err(Failure::usage)?;
        } else {
            let passphrase = match &self.passphrase_file {
                Some(file) => Passphrase::load(file).map_err(Failure::usage)?,
                None => passphrase::ask_for_new(&self.path, output)?,
            };
            passphrase.suits_a_new_key().map_err(Failure::usage)?;
            key.save_encrypted(&self.path, &passphrase)
                .map_err(Failure::usage)?;
        }
        FileSigner::new(key).map_err(Failure::usage)
    }
}

/// Makes a new authority key and writes the request for operators to replace the lost one.
///
/// # Errors
/// A usage failure for a file that exists or a home that cannot be opened.
pub fn request(home: &Path, new: &NewKey, to: &Path, output: Output) -> Result<(), Failure> {
    let home = adapters::Home::open(home).map_err(Failure::usage)?;
    let agency = home.system().agency();
    let signer = new.make(output)?;
    let over = OperatorDeed::replacement_bytes(&agency, signer.key());
    let seal = Seal::one(label::POSSESSION, home.log_key().origin(), &over, &signer)
        .map_err(Failure::unavailable)?;
    let request = Request {
        agency: agency.to_string(),
        key: hex::encode(signer.key().spki()),
        possession: hex::encode(&seal.cose),
    };
    let text = toml::to_string(&request).map_err(Failure::unavailable)?;
    certs::key_files::replace_public(to, text.as_bytes()).map_err(Failure::usage)?;
    let mut value = fingerprint::json(signer.key());
    value["request"] = json!(to.display().to_string());
    value["key_file"] = json!(new.path.display().to_string());
    output.show(&value, || {
        for line in fingerprint::lines(signer.key(), output) {
            output.line(line);
        }
        output.line(format!(
            "{} {}: mohawel agency replace-authority {} --switch …",
            output.say("Hand the operators", "سلّم المشغّلين"),
            to.display(),
            to.display()
        ));
    })
}

/// Reads a request as the operator's deed.
///
/// # Errors
/// What is wrong with it, a sentence.
pub fn read_replacement(text: &str) -> Result<OperatorDeed, String> {
    let request: Request = toml::from_str(text).map_err(|error| error.to_string())?;
    let bytes = |what: &str, hex_text: &str| {
        hex::decode(hex_text).map_err(|_| format!("{what} is not hex"))
    };
    let key = PublicKey::from_spki(&bytes("key", &request.key)?);
    Ok(OperatorDeed::ReplaceAuthority {
        agency: AgencyId::parse(&request.agency).map_err(|error| error.to_string())?,
        key: key.map_err(|error| error.to_string())?,
        possession: bytes("possession", &request.possession)?.into(),
    })
}

/// Lets a new authority key follow the present one, at once.
///
/// # Errors
/// As [`act::submit`].
pub async fn rotate(
    home: &Path,
    present: &AuthorityKey,
    new: &NewKey,
    output: Output,
) -> Result<(), Failure> {
    let authority = act::authority(home, present, output)?;
    let adapter = act::connect(home).await?;
    let next = new.make(output)?;
    let mut agency_act = AgencyAct {
        agency: adapter.home().system().agency(),
        issued_at_ms: adapter.clock().now_ms(),
        deed: AgencyDeed::Succeed {
            key: next.key().clone(),
            possession: Bytes::new(),
        },
    };
    let origin = adapter.home().log_key().origin();
    let over = agency_act.possession_bytes();
    let proof = Seal::one(label::POSSESSION, origin, &over, &next).map_err(Failure::unavailable)?;
    agency_act.deed = AgencyDeed::Succeed {
        key: next.key().clone(),
        possession: proof.cose,
    };
    let header = agency_act.encode();
    let receipt = act::submit(
        &adapter,
        &authority,
        Kind::AgencyAct,
        label::AUTHORITY,
        header,
    )
    .await?;
    // What is remembered only saves typing.
    let _ = adapters::authority::remember(home, &new.path);
    let mut value = fingerprint::json(next.key());
    value["index"] = json!(receipt.index);
    output.show(&value, || {
        output.line(output.say(
            "The new authority key counts from now on; keep the old file until this entry is backed up.",
            "يسري مفتاح السلطة الجديد من الآن؛ احتفظ بالملف القديم حتى تُحفظ نسخة من هذا القيد.",
        ));
        for line in fingerprint::lines(next.key(), output) {
            output.line(line);
        }
    })
}

/// Objects to a replacement of the authority key that is under way.
///
/// # Errors
/// As [`act::submit`]; a usage failure when none is under way.
pub async fn object(home: &Path, present: &AuthorityKey, output: Output) -> Result<(), Failure> {
    let authority = act::authority(home, present, output)?;
    let adapter = act::connect(home).await?;
    let agency = adapter.home().system().agency();
    let registry = adapter.mirror().snapshot();
    let under_way: Option<Digest> = registry
        .agency(&agency)
        .and_then(|record| record.replacement.as_ref())
        .map(|replacement| replacement.act);
    let Some(replacing) = under_way else {
        return Err(Failure::usage(format!(
            "no replacement of the authority key of {agency} is under way"
        )));
    };
    let header = AgencyAct {
        agency,
        issued_at_ms: adapter.clock().now_ms(),
        deed: AgencyDeed::Object { act: replacing },
    }
    .encode();
    let receipt = act::submit(
        &adapter,
        &authority,
        Kind::AgencyAct,
        label::AUTHORITY,
        header,
    )
    .await?;
    output.show(&json!({ "index": receipt.index }), || {
        output.line(output.say(
            "Objected: the present authority key stays",
            "سُجّل الاعتراض: يبقى مفتاح السلطة الحالي",
        ));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        for (text, word) in [
            ("", "missing"),
            ("agency = 'EG/GOV/X'\nkey = 'zz'\npossession = ''", "hex"),
            ("agency = 'EG'\nkey = ''\npossession = ''", "INSTANCE"),
            ("agency = 'EG/GOV/X'\nkey = '00'\npossession = ''", "key"),
            ("colour = 1", "unknown"),
        ] {
            let error = read_replacement(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
