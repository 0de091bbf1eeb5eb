//! Keys: files, wiping of formats, signatures checked by another reader.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

use super::*;
use crate::key_files;

#[test]
fn seal_keys_sign_what_their_public_key_verifies() {
    for (algorithm, raw_at, spki_len) in [
        (SealAlgorithm::Ed25519, 12, 44),
        (SealAlgorithm::Es256, 26, 91),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        let made = SealKeyFile::generate(algorithm).unwrap();
        made.save(&path).unwrap();
        assert!(matches!(
            made.save(&path),
            Err(KeyError::File(KeyFileError::Exists { .. }))
        ));
        let key = SealKeyFile::load(&path).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.public_spki_der(), made.public_spki_der());
        let spki = key.public_spki_der();
        assert_eq!(spki.len(), spki_len);
        // Another parser must read the same key out of the DER written by hand.
        use x509_parser::prelude::FromDer as _;
        let (rest, read) = x509_parser::x509::SubjectPublicKeyInfo::from_der(&spki).unwrap();
        assert!(rest.is_empty());
        assert_eq!(read.subject_public_key.data.as_ref(), &spki[raw_at..]);
        let verify = |message: &[u8], signature: &[u8]| match algorithm {
            SealAlgorithm::Ed25519 => {
                UnparsedPublicKey::new(&ED25519, &spki[raw_at..]).verify(message, signature)
            }
            SealAlgorithm::Es256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &spki[raw_at..])
                    .verify(message, signature)
            }
        };
        let signature = key.sign(b"message").unwrap();
        assert_eq!(signature.len(), 64);
        verify(b"message", &signature).unwrap();
        assert!(verify(b"massage", &signature).is_err());
    }
}

#[test]
fn es256_is_always_low_s() {
    let key = SealKeyFile::generate(SealAlgorithm::Es256).unwrap();
    let spki = key.public_spki_der();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &spki[26..]);
    for n in 0..64_u8 {
        let mut signature = key.sign(&[n]).unwrap();
        assert!(signature[32..] <= low_s::HALF[..]);
        public.verify(&[n], &signature).unwrap();
        // The other S is a valid signature too, and comes back to the same bytes.
        let low = signature.clone();
        let mut borrow = 0_u16;
        for at in (32..64).rev() {
            let difference = 256 + u16::from(low_s::ORDER[at - 32]) - u16::from(low[at]) - borrow;
            signature[at] = difference.to_le_bytes()[0];
            borrow = u16::from(difference < 256);
        }
        assert!(signature[32..] > low_s::HALF[..]);
        public.verify(&[n], &signature).unwrap();
        low_s::normalise(&mut signature);
        assert_eq!(signature, low);
    }
}

#[test]
fn half_is_the_last_low_s() {
    let mut at_half = [[7; 32], low_s::HALF].concat();
    low_s::normalise(&mut at_half);
    assert_eq!(at_half[32..], low_s::HALF);
    let mut above = low_s::HALF;
    above[31] += 1;
    let mut above = [[7; 32], above].concat();
    low_s::normalise(&mut above);
    assert_eq!(
        above,
        [[7; 32], low_s::HALF].concat(),
        "n - (half + 1) = half"
    );
}

#[test]
fn files_with_anything_else_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let pem = crate::pem::section("PRIVATE KEY", &generate_ed25519().unwrap());
    let other = |label: &str| pem.replace("PRIVATE KEY", label);
    let cases = [
        ("text", "hello".to_owned(), "not exactly one"),
        ("two", pem.repeat(2), "not exactly one"),
        ("cut", pem[..pem.len() / 2].to_owned(), "cut short"),
        ("no begin", pem[10..].to_owned(), "not exactly one"),
        ("label", other("EC PRIVATE KEY"), "`EC PRIVATE KEY`"),
        ("public", other("PUBLIC KEY"), "`PUBLIC KEY`"),
        ("certificate", other("CERTIFICATE"), "`CERTIFICATE`"),
        ("strange", other("\u{1b}[2J"), "`?[2J`"),
        (
            "bytes",
            crate::pem::section("PRIVATE KEY", b"no key at all"),
            "not exactly one",
        ),
    ];
    for (name, text, said) in cases {
        let path = dir.path().join(name);
        key_files::write_private(&path, text.as_bytes()).unwrap();
        let refusals = [
            SealKeyFile::load(&path).unwrap_err(),
            TlsKey::load(&path).unwrap_err(),
            KeyFile::read(&path).unwrap_err(),
        ];
        for refused in refusals {
            assert!(refused.to_string().contains(said), "{name}: {refused}");
        }
    }
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    assert!(matches!(
        SealKeyFile::from_pkcs8(p384.serialized_der()),
        Err(KeyError::Malformed)
    ));
    let mut torn = generate_p256().unwrap();
    torn.pop();
    assert!(matches!(
        SealKeyFile::from_pkcs8(&torn),
        Err(KeyError::Malformed)
    ));
}

#[test]
fn a_tls_key_comes_back_and_is_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tls.key");
    let key = TlsKey::generate().unwrap();
    key.save(&path).unwrap();
    let loaded = TlsKey::load(&path).unwrap();
    assert_eq!(loaded.pkcs8, key.pkcs8);
    assert_eq!(format!("{key:?}"), "TlsKey(..)");
    assert!(matches!(
        key.save(&path),
        Err(KeyError::File(KeyFileError::Exists { .. }))
    ));
    let seal = SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap();
    assert_eq!(format!("{seal:?}"), "SealKeyFile(Ed25519, ..)");
}

#[test]
fn ed25519_is_written_without_and_read_with_or_without_its_public_part() {
    let written = generate_ed25519().unwrap();
    // RFC 8410 §7: version 0, the algorithm, 32 bytes, and nothing else. OpenSSL 3.0 reads only this.
    assert_eq!(written.len(), 48);
    assert_eq!(written[..5], [0x30, 0x2e, 0x02, 0x01, 0x00]);
    let key = SealKeyFile::from_pkcs8(&written).unwrap();
    let longer = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&written)
        .unwrap()
        .to_pkcs8()
        .unwrap();
    let again = SealKeyFile::from_pkcs8(longer.as_ref()).unwrap();
    assert_eq!(again.public_spki_der(), key.public_spki_der());
    let mut foreign = longer.as_ref().to_vec();
    *foreign.last_mut().unwrap() ^= 1;
    assert!(matches!(
        SealKeyFile::from_pkcs8(&foreign),
        Err(KeyError::Malformed)
    ));
}
