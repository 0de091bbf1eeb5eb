//! Keys under a passphrase: what comes back, what other tools read and write, and what a hostile file is told.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::*;
use crate::keys::{KeyFile, SealAlgorithm};
use crate::{key_files, pem};

const FEW: NonZeroU32 = NonZeroU32::MIN;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn ours() -> Passphrase {
    passphrase("صباح الخير يا مصر")
}

fn key() -> SealKeyFile {
    SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap()
}

/// OpenSSL is another reader and writer, where the machine has one.
fn openssl(dir: &Path, arguments: &[&str]) -> Option<Output> {
    let mut run = Command::new("openssl");
    run.args(arguments).current_dir(dir).output().ok()
}

#[test]
fn a_key_comes_back_with_its_passphrase_and_with_no_other() {
    for algorithm in [SealAlgorithm::Ed25519, SealAlgorithm::Es256] {
        let key = SealKeyFile::generate(algorithm).unwrap();
        let der = encrypt(&key.pkcs8, &ours(), FEW).unwrap();
        let closed = EncryptedKey::parse(&der).unwrap();
        let opened = closed.open(&ours()).unwrap();
        assert_eq!(opened.public_spki_der(), key.public_spki_der());
        // Enough of them that some pass the padding by chance: what comes out is still no key.
        for n in 0..600 {
            let refused = closed.open(&passphrase(&format!("guess {n}")));
            assert!(matches!(refused, Err(KeyError::WrongPassphrase)), "{n}");
        }
    }
}

#[test]
fn nothing_of_the_key_stands_in_the_file_and_no_two_files_are_alike() {
    let key = key();
    let (one, two) = (
        encrypt(&key.pkcs8, &ours(), FEW).unwrap(),
        encrypt(&key.pkcs8, &ours(), FEW).unwrap(),
    );
    for window in key.pkcs8.windows(8) {
        assert!(!one.windows(8).any(|found| found == window));
    }
    let (one, two) = (
        EncryptedKey::parse(&one).unwrap(),
        EncryptedKey::parse(&two).unwrap(),
    );
    assert!(one.salt != two.salt && one.iv != two.iv && one.ciphertext != two.ciphertext);
    assert_eq!(one.salt.len(), SALT_LEN);
    assert_eq!(format!("{one:?}"), "EncryptedKey(1 iterations, ..)");
}

#[test]
fn a_written_file_has_the_whole_cost_and_is_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("MOSS.authority.key");
    let key = key();
    key.save_encrypted(&path, &ours()).unwrap();
    let KeyFile::Encrypted(closed) = KeyFile::read(&path).unwrap() else {
        panic!("written without its passphrase");
    };
    assert!(closed.iterations.get() >= 600_000);
    let text = String::from_utf8(key_files::read_private(&path).unwrap().to_vec()).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let again = key.save_encrypted(&path, &ours());
    assert!(matches!(
        again,
        Err(KeyError::File(key_files::KeyFileError::Exists { .. }))
    ));
    let short = key.save_encrypted(&dir.path().join("short"), &passphrase("short"));
    assert!(matches!(short, Err(KeyError::Passphrase(_))));
    assert!(!dir.path().join("short").exists());
}

#[test]
fn openssl_reads_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    key_files::write_private(&dir.path().join("pass"), "صباح الخير يا مصر\n".as_bytes()).unwrap();
    for (name, algorithm) in [("ed", SealAlgorithm::Ed25519), ("ec", SealAlgorithm::Es256)] {
        let key = SealKeyFile::generate(algorithm).unwrap();
        key.save_encrypted(&dir.path().join(name), &ours()).unwrap();
        let read = |pass: &str| {
            let form = ["-pubout", "-outform", "DER", "-passin", pass];
            openssl(dir.path(), &[&["pkey", "-in", name], &form[..]].concat())
        };
        let Some(read_by_openssl) = read("file:pass") else {
            return;
        };
        assert_eq!(
            read_by_openssl.stdout,
            key.public_spki_der(),
            "{}",
            String::from_utf8_lossy(&read_by_openssl.stderr)
        );
        assert!(!read("pass:another one").unwrap().status.success());
    }
}

#[test]
fn what_openssl_writes_is_read_when_it_is_our_way_and_told_apart_when_not() {
    let dir = tempfile::tempdir().unwrap();
    let key = key();
    key.save(&dir.path().join("plain")).unwrap();
    let written = |name: &str, how: &[&str]| {
        let fixed = ["pkcs8", "-topk8", "-in", "plain", "-out", name];
        let pass = ["-passout", "pass:open sesame"];
        let done = openssl(dir.path(), &[&fixed[..], how, &pass].concat())?;
        // An older or a restricted OpenSSL may not know one of the ways.
        done.status.success().then(|| {
            let path = dir.path().join(name);
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            KeyFile::read(&path)
        })
    };
    let ours = ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"];
    for (name, more) in [("usual", &[][..]), ("costly", &["-iter", "600000"])] {
        let Some(read) = written(name, &[&ours[..], more].concat()) else {
            continue;
        };
        let opened = read
            .unwrap()
            .open(|| Ok::<_, KeyError>(passphrase("open sesame")))
            .unwrap();
        assert_eq!(opened.public_spki_der(), key.public_spki_der(), "{name}");
    }
    for (name, how) in [
        ("scrypt", &["-scrypt"][..]),
        ("aes128", &["-v2", "aes-128-cbc"]),
        ("sha1", &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"]),
        ("old", &["-v1", "PBE-SHA1-3DES"]),
    ] {
        if let Some(read) = written(name, how) {
            let refused = read.unwrap_err();
            assert!(matches!(refused, KeyError::Scheme), "{name}: {refused}");
            assert!(refused.to_string().contains("openssl pkcs8"), "{refused}");
        }
    }
}

/// The DER of a key that asks for `iterations`, which its writer never paid.
fn asking_for(iterations: u64) -> Vec<u8> {
    let der = encrypt(&key().pkcs8, &ours(), FEW).unwrap();
    let honest = [0x02, 0x01, 0x01, 0x30, 0x0c];
    let at = der
        .windows(honest.len())
        .position(|window| window == honest)
        .unwrap();
    let number = yasna::construct_der(|writer| writer.write_u64(iterations));
    let grown = u8::try_from(number.len() - 3).unwrap();
    let mut der = [&der[..at], &number, &der[at + 3..]].concat();
    // The lengths of the five sequences around it; all are below 256.
    for (tag, length) in [(0, 2), (3, 4), (16, 17), (18, 19), (31, 32)] {
        assert!(der[tag] == 0x30 || der[tag] == 0x81, "at {tag}");
        der[length] += grown;
    }
    der
}

#[test]
fn a_file_that_asks_for_too_much_is_refused_before_anything_is_paid() {
    let began = Instant::now();
    for iterations in [
        0,
        u64::from(ITERATIONS_MAX) + 1,
        u64::from(u32::MAX),
        u64::MAX,
    ] {
        let refused = EncryptedKey::parse(&asking_for(iterations)).unwrap_err();
        assert!(
            matches!(refused, KeyError::Iterations { found } if found == iterations),
            "{iterations}: {refused}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    // The control: the same surgery with a bearable number is read.
    let bearable = EncryptedKey::parse(&asking_for(2_048)).unwrap();
    assert_eq!(bearable.iterations.get(), 2_048);
}

#[test]
fn every_cut_and_every_change_is_an_error_and_never_another_key() {
    let key = key();
    let der = encrypt(&key.pkcs8, &ours(), FEW).unwrap();
    for end in 0..der.len() {
        assert!(EncryptedKey::parse(&der[..end]).is_err(), "cut at {end}");
    }
    assert!(EncryptedKey::parse(&[&der[..], &[0]].concat()).is_err());
    for nested in [[0x30, 0x80], [0x30, 0x7f], [0xa0, 0x80]] {
        assert!(EncryptedKey::parse(&nested.repeat(20_000)).is_err());
    }
    let ciphertext = der.len() - 64;
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        let Ok(closed) = EncryptedKey::parse(&changed) else {
            continue;
        };
        if closed.iterations.get() > 1_000 {
            continue;
        }
        // CBC has no tag: a change in the ciphertext or in the IV may pass as another key, so whoever opens an
        // authority key compares it with the registry. A change before them opens nothing.
        let opened = closed.open(&ours());
        let iv = der.len() - 66 - 16..der.len() - 66;
        if at < ciphertext && !iv.contains(&at) {
            assert!(opened.is_err(), "changed at {at}");
        }
    }
}

#[test]
fn a_file_with_an_encrypted_key_says_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let der = encrypt(&key().pkcs8, &ours(), FEW).unwrap();
    let text = pem::section(LABEL, &der);
    let read = |name: &str, text: &str| {
        let path = dir.path().join(name);
        key_files::write_private(&path, text.as_bytes()).unwrap();
        KeyFile::read(&path)
    };
    assert!(read("good", &text).unwrap().is_encrypted());
    let remark = format!("The authority key of EG/GOV/MOSS\n\n{text}\n");
    assert!(read("remark", &remark).unwrap().is_encrypted());
    let windows = text.replace('\n', "\r\n");
    assert!(read("windows", &windows).unwrap().is_encrypted());
    let plain = pem::section("PRIVATE KEY", &key().pkcs8);
    for (name, text) in [
        ("two", text.repeat(2)),
        ("both", format!("{plain}{text}")),
        ("bytes", pem::section(LABEL, b"no key at all")),
        ("base64", text.replace("MI", "!!")),
        ("empty", pem::section(LABEL, b"")),
    ] {
        let refused = read(name, &text).unwrap_err();
        assert!(matches!(refused, KeyError::Malformed), "{name}: {refused}");
    }
    for end in [text.len() - 20, text.len() / 2, 45] {
        let refused = read(&format!("cut {end}"), &text[..end]).unwrap_err();
        assert!(matches!(refused, KeyError::Cut), "{end}: {refused}");
    }
    // Where no passphrase can be given, it is said that there is one.
    let path = dir.path().join("good");
    assert!(matches!(SealKeyFile::load(&path), Err(KeyError::Encrypted)));
    assert!(matches!(
        crate::TlsKey::load(&path),
        Err(KeyError::Encrypted)
    ));
}
