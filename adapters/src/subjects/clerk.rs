//! The pseudonym of the clerk who asks: under a key that only this agency has, so that only it can say who it was.

use std::path::Path;

use certs::key_files::{self, KeyFileError};
use proto::digest::Digest;
use proto::id::Part;
use proto::subject::{ACTOR, SubjectKey};
use zeroize::Zeroizing;

use super::{SubjectKeyError, private_text};
use crate::identity::Home;

/// The file in the home that holds the agency's own key for its clerks, as 64 hex digits. To give several homes of one
/// agency the same pseudonyms, copy it.
pub const ACTOR_KEY_FILE: &str = "actor.key";

/// The pseudonym of the clerk `name`. The key is made at the first use.
///
/// # Errors
/// [`SubjectKeyError`]: the name is none, or the key file is damaged, open to others, or cannot be written.
pub fn clerk(home: &Home, name: &str) -> Result<Digest, SubjectKeyError> {
    let scheme =
        Part::parse(ACTOR).map_err(|error| SubjectKeyError::malformed(home.dir(), error))?;
    Ok(key(home.dir())?.pseudonym(&scheme, name)?)
}

fn key(home: &Path) -> Result<SubjectKey, SubjectKeyError> {
    let path = home.join(ACTOR_KEY_FILE);
    if std::fs::symlink_metadata(&path).is_err() {
        let made = SubjectKey::random()?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(made.as_bytes())));
        match key_files::write_private(&path, text.as_bytes()) {
            Ok(()) => return Ok(made),
            // Another process was faster: its key counts.
            Err(KeyFileError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let text = private_text(&path)?;
    let bytes = hex::decode(text.trim()).map(Zeroizing::new);
    let key = bytes.ok().and_then(|bytes| SubjectKey::from_slice(&bytes));
    key.ok_or_else(|| {
        SubjectKeyError::malformed(&path, "it is not 64 hex digits; restore it from a backup")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clerk_has_one_pseudonym_in_one_home_and_another_elsewhere() {
        let [home, other] = [0; 2].map(|_| tempfile::tempdir().unwrap());
        let scheme = Part::parse(ACTOR).unwrap();
        let of = |dir: &tempfile::TempDir, name: &str| {
            key(dir.path()).unwrap().pseudonym(&scheme, name).unwrap()
        };
        let first = of(&home, "m.hassan");
        assert_eq!(of(&home, " m.hassan "), first);
        assert_ne!(of(&home, "m.hassan2"), first);
        assert_ne!(of(&other, "m.hassan"), first);
        std::fs::remove_file(other.path().join(ACTOR_KEY_FILE)).unwrap();
        key_files::write_private(&other.path().join(ACTOR_KEY_FILE), b"short").unwrap();
        let error = key(other.path()).unwrap_err();
        assert!(error.to_string().contains("backup"), "{error}");
    }
}
