//! The checkpoint's one form, whose it is, and what is refused.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proto::key::{PublicKey, SignError};

use super::*;

/// A log key for tests in this crate.
#[derive(Debug)]
pub(crate) struct TestSigner(Ed25519KeyPair, PublicKey);

impl TestSigner {
    /// The key grown from `seed`.
    pub(crate) fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        Self(pair, PublicKey::from_ed25519(&public).unwrap())
    }
}

impl Signer for TestSigner {
    fn key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "log.example/one".into(),
        size: 42,
        root: Digest::of(b"root"),
    }
}

#[test]
fn a_signed_checkpoint_opens_with_its_key_only() {
    let signer = TestSigner::new(1);
    let signed = checkpoint().sign(&signer).unwrap();
    let key = LogKey::new("log.example/one", signer.key()).unwrap();
    assert_eq!(open(&signed.note, &key).unwrap(), checkpoint());
    assert_eq!(read_unverified(&signed.note).unwrap(), checkpoint());
    assert_eq!(
        LogKey::from_vkey(&format!("{}\n", key.to_vkey())).unwrap(),
        key
    );
    let other = LogKey::new("log.example/one", TestSigner::new(2).key()).unwrap();
    assert_eq!(open(&signed.note, &other), Err(NoteError::NotSigned.into()));
    let renamed = LogKey::new("log.example/two", signer.key()).unwrap();
    assert_eq!(
        open(&signed.note, &renamed),
        Err(NoteError::NotSigned.into())
    );
}

#[test]
fn a_key_that_signs_another_logs_checkpoint_does_not_speak_for_it() {
    let signer = TestSigner::new(1);
    let mut note = SignedNote::new(&checkpoint().to_text()).unwrap();
    note.sign("log.example/two", &signer).unwrap();
    let key = LogKey::new("log.example/two", signer.key()).unwrap();
    assert!(matches!(
        open(&note.to_bytes(), &key),
        Err(CheckpointError::WrongOrigin { .. })
    ));
}

#[test]
fn any_other_spelling_is_refused() {
    let good = checkpoint().to_text();
    assert_eq!(Checkpoint::from_text(&good).unwrap(), checkpoint());
    for bad in [
        good.replace("42", "042"),
        good.replace("42", "+42"),
        good.replace("42", "-1"),
        good.replace("42", "18446744073709551616"),
        good.replace("log.example/one", ""),
        good.trim_end().to_owned(),
        good.clone() + "an extension\n",
        good.clone() + "\n",
        good.replace("=\n", "\n"),
        good.replace("=\n", "==\n"),
        String::new(),
    ] {
        assert_eq!(
            Checkpoint::from_text(&bad),
            Err(CheckpointError::Malformed),
            "accepted {bad:?}"
        );
    }
}
