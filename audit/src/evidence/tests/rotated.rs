//! Evidence from a log whose key was rotated: for a court that has the older key on paper, and for one with the newer.

use std::fs;
use std::path::PathBuf;

use proto::key::Signer as _;

use super::super::parts::pem;
use super::*;
use crate::checkpoint::tests::TestSigner;

const ORIGIN: &str = crate::replay::tests::forger::ORIGIN;

fn held(seed: u8) -> Trust {
    Trust {
        key: Some(LogKey::new(ORIGIN, TestSigner::new(seed).key()).unwrap()),
        ..Trust::default()
    }
}

/// A log with an exchange before its rotation and one after; the second is what is wanted.
async fn rotated(overlap_ms: u64) -> Logged {
    let mut forger = Forger::new().await;
    forger.exchange().await;
    let mut forger = forger.rotated(202, overlap_ms).await;
    forger.clock.advance_ms(1_000);
    let (request, header, _) = forger.exchange().await;
    Logged::closed(forger, request.index, header).await
}

fn paper(dir: &TempDir, seed: u8) -> PathBuf {
    let path = dir.path().join(format!("{seed}.pem"));
    fs::write(&path, pem(TestSigner::new(seed).key())).unwrap();
    path
}

#[tokio::test]
async fn each_of_the_keys_proves_the_bundle_and_a_strangers_does_not() {
    let papers = tempfile::tempdir().unwrap();
    for overlap_ms in [500, 86_400_000] {
        let bundle = rotated(overlap_ms).await.bundle();
        for seed in [200, 202] {
            let report = verify(&bundle, &held(seed));
            assert!(report.holds(), "{seed}: {:#?}", report.verdicts);
            let (holds, said) = check(&bundle, &[&paper(&papers, seed)]);
            assert!(holds, "{seed}: {said}");
        }
        assert!(!verify(&bundle, &held(9)).holds());
        let (holds, said) = check(&bundle, &[&paper(&papers, 9)]);
        assert!(!holds && said.contains("log.pem"), "{said}");
        let (holds, said) = check(&bundle, &[]);
        assert!(holds, "{said}");
    }
}

#[tokio::test]
async fn a_rotation_that_was_changed_in_the_bundle_is_found_by_both() {
    let papers = tempfile::tempdir().unwrap();
    let bundle = rotated(500).await.bundle();
    let rotation = bundle
        .files()
        .iter()
        .find(|(name, bytes)| {
            name.ends_with(".entry") && bytes.first() == Some(&(Kind::LogKeySucceeded as u8))
        })
        .map(|(name, _)| name.clone())
        .unwrap();
    let entry = bundle.file(&rotation).unwrap();
    for at in (0..entry.len()).step_by(23) {
        let mut changed = entry.to_vec();
        changed[at] ^= 1;
        let changed = with_file(&bundle, &rotation, changed);
        assert!(!verify(&changed, &held(200)).holds(), "byte {at}");
        if at % 92 == 0 {
            let (holds, said) = check(&changed, &[&paper(&papers, 200)]);
            assert!(!holds, "byte {at}: {said}");
        }
    }
}
