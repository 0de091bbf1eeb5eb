//! A P-256 seal over several headers, verified by openssl.

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
use super::{Logged, check, with_file};
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
