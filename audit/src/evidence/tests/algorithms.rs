//! A P-256 seal, several headers under one seal, and a time-stamp that openssl made.

use std::fs;
use std::path::Path;
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use proto::act::KeyBinding;
use proto::header::RequestHeader;
use proto::id::SystemId;
use proto::key::{PublicKey, SignError, Signer};
use proto::limits::label;
use proto::seal::Seal;

use super::super::contents::entry_file;
use super::super::*;
use super::{Logged, check, state, with_file};
use crate::replay::tests::forger::{Forger, ORIGIN, part};

/// DER of a P-256 SubjectPublicKeyInfo up to the point.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[derive(Debug)]
struct P256(EcdsaKeyPair, PublicKey);

impl P256 {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let spki = [&SPKI[..], pair.public_key().as_ref()].concat();
        Self(pair, PublicKey::from_spki(&spki).unwrap())
    }
}

impl Signer for P256 {
    fn key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        // Only a low s counts: half of all signatures.
        loop {
            let signature = self.0.sign(&SystemRandom::new(), message).unwrap();
            if self.1.verify(message, signature.as_ref()) {
                return Ok(signature.as_ref().to_vec());
            }
        }
    }
}

async fn bind(forger: &mut Forger, key: &P256) {
    let mut binding = KeyBinding {
        system: SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
        adapter: part("a2"),
        key: key.key().clone(),
        issued_at_ms: 1,
        possession: Bytes::new(),
    };
    let proof = Seal::one(label::POSSESSION, ORIGIN, &binding.possession_bytes(), key).unwrap();
    binding.possession = proof.cose;
    forger
        .act(
            proto::entry::Kind::KeyBound,
            label::AUTHORITY,
            binding.encode(),
            21,
        )
        .await;
}

/// A log whose request was sealed by a P-256 key, the second of three headers under one seal.
async fn logged() -> Logged {
    let mut forger = Forger::new().await;
    let key = P256::new();
    bind(&mut forger, &key).await;
    let headers: Vec<RequestHeader> = (0..3).map(|_| forger.header()).collect();
    let bytes: Vec<Bytes> = headers.iter().map(RequestHeader::encode).collect();
    let together: Vec<&[u8]> = bytes.iter().map(|bytes| &bytes[..]).collect();
    let seals = Seal::batch(label::REQUEST, ORIGIN, &together, &key).unwrap();
    let facts = proto::facts::encode(&forger.facts());
    let request = forger
        .append(
            proto::entry::Kind::Request,
            facts,
            bytes[1].clone(),
            Some(seals[1].clone()),
        )
        .await;
    let answer = forger.answer(&headers[1], &seals[1]);
    forger
        .close_with(forger.closing_facts(&request, "answered"), &answer)
        .await;
    Logged::closed(forger, request.index, headers[1].clone()).await
}

#[tokio::test]
async fn a_p256_seal_over_several_headers_is_verified_by_openssl() {
    let logged = logged().await;
    let bundle = logged.bundle();
    let report = verify(&bundle, &logged.trust());
    assert!(report.holds(), "{:#?}", report.verdicts);
    let (good, said) = check(&bundle, &[]);
    assert!(good, "{said}");
    let der = entry_file(logged.request, "signature-der");
    let mut bad = bundle.file(&der).unwrap().to_vec();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    let changed = super::damaged::refit(&with_file(&bundle, &der, bad));
    assert!(!check(&changed, &[]).0);
    assert!(!verify(&changed, &logged.trust()).holds());
    let page = String::from_utf8_lossy(bundle.file(name::PAGE).unwrap()).into_owned();
    assert!(page.contains("openssl dgst -sha256 -verify keys/"));
}

fn openssl(dir: &Path, arguments: &str) {
    let done = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A time-stamp authority in `dir`: root.pem, and its key and certificate.
fn authority(dir: &Path) {
    let configuration = "[req]\ndistinguished_name=dn\n[dn]\n[root]\nbasicConstraints=critical,CA:TRUE\n[stamps]\nextendedKeyUsage=critical,timeStamping\n[tsa]\ndefault_tsa=reply\n[reply]\nserial=serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\n";
    fs::write(dir.join("openssl.cnf"), configuration).unwrap();
    fs::write(dir.join("serial"), "01\n").unwrap();
    openssl(
        dir,
        "req -config openssl.cnf -x509 -newkey rsa:2048 -nodes -keyout root.key -subj /CN=Root -days 30 -extensions root -out root.pem",
    );
    openssl(
        dir,
        "req -config openssl.cnf -newkey rsa:2048 -nodes -keyout tsa.key -subj /CN=Clock -out tsa.csr",
    );
    openssl(
        dir,
        "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -days 20 -extfile openssl.cnf -extensions stamps -out tsa.pem",
    );
}

#[tokio::test]
async fn a_time_stamp_covers_the_exchange_from_the_first_token_on() {
    let logged = Logged::new().await;
    let tsa = tempfile::tempdir().unwrap();
    authority(tsa.path());
    let log = logged.dir.path();
    let size = crate::tiles::published::read_published(log)
        .unwrap()
        .unwrap()
        .checkpoint
        .size;
    fs::create_dir(log.join("time")).unwrap();
    let kept = |ending: &str| log.join("time").join(format!("{size:020}.{ending}"));
    fs::copy(log.join("checkpoint"), kept("checkpoint")).unwrap();
    let note = kept("checkpoint");
    openssl(
        tsa.path(),
        &format!(
            "ts -query -data {} -sha256 -cert -out query.tsq",
            note.display()
        ),
    );
    openssl(
        tsa.path(),
        "ts -reply -config openssl.cnf -queryfile query.tsq -signer tsa.pem -inkey tsa.key -out reply.tsr",
    );
    fs::copy(tsa.path().join("reply.tsr"), kept("tsr")).unwrap();
    let collected = logged.collect(logged.wanted()).unwrap();
    assert_eq!(collected.stamped, Some(size));
    let bundle = collected.bundle;
    assert!(
        bundle
            .file(&entry_file(logged.request, "time-proof"))
            .is_some()
    );
    let root = tsa.path().join("root.pem");
    let pem = log.join("log.pem");
    fs::write(&pem, bundle.file(name::LOG_PEM).unwrap()).unwrap();
    let (good, said) = check(&bundle, &[&pem, &root]);
    assert!(good && said.contains("time-stamped"), "{said}");
    let (good, said) = check(&bundle, &[]);
    assert!(good && said.contains("NOT CHECKED"), "{said}");
    for file in [
        name::TOKEN.to_owned(),
        name::STAMPED.to_owned(),
        entry_file(logged.request, "time-proof"),
    ] {
        let mut bad = bundle.file(&file).unwrap().to_vec();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        let changed = super::damaged::refit(&with_file(&bundle, &file, bad));
        assert!(!check(&changed, &[&pem, &root]).0, "{file}");
        if file != name::TOKEN {
            assert!(!verify(&changed, &logged.trust()).holds(), "{file}");
        }
    }
    let mut inside = logged.wanted();
    inside.time_roots = Some(fs::read(&root).unwrap().into());
    let bundle = logged.collect(inside).unwrap().bundle;
    let (good, said) = check(&bundle, &[]);
    assert!(good && said.contains("time-stamped"), "{said}");
    assert_eq!(
        state(&verify(&bundle, &logged.trust()), "files"),
        State::Holds
    );
}
