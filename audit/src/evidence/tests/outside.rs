//! Whom others vouch to: a time-stamp that openssl made, and witnesses under the checkpoint.

use std::fs;
use std::path::Path;
use std::process::Command;

use proto::key::Signer as _;

use super::super::contents::entry_file;
use super::super::*;
use super::{Logged, check, state, with_file};
use crate::checkpoint::tests::TestSigner;
use crate::cosignature::{WitnessKey, cosign};
use crate::note::SignedNote;

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

/// Lets the authority in `tsa` stamp the published checkpoint; gives its size.
fn stamp(log: &Path, tsa: &Path) -> u64 {
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
        tsa,
        &format!(
            "ts -query -data {} -sha256 -cert -out query.tsq",
            note.display()
        ),
    );
    openssl(
        tsa,
        "ts -reply -config openssl.cnf -queryfile query.tsq -signer tsa.pem -inkey tsa.key -out reply.tsr",
    );
    fs::copy(tsa.join("reply.tsr"), kept("tsr")).unwrap();
    size
}

#[tokio::test]
async fn a_time_stamp_covers_the_exchange_from_the_first_token_on() {
    let logged = Logged::new().await;
    let tsa = tempfile::tempdir().unwrap();
    authority(tsa.path());
    let log = logged.dir.path();
    let size = stamp(log, tsa.path());
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
        let trust = Trust {
            time_roots: Some(fs::read(&root).unwrap().into()),
            ..logged.trust()
        };
        assert!(!verify(&changed, &trust).holds(), "{file}");
    }
    let mut inside = logged.wanted();
    inside.time_roots = Some(fs::read(&root).unwrap().into());
    let bundle = logged.collect(inside).unwrap().bundle;
    let (good, said) = check(&bundle, &[]);
    assert!(good && said.contains("time-stamped"), "{said}");
    let by_roots = |roots: &str| Trust {
        time_roots: Some(fs::read(tsa.path().join(roots)).unwrap().into()),
        ..logged.trust()
    };
    assert_eq!(
        state(&verify(&bundle, &logged.trust()), "time"),
        State::Inside
    );
    assert_eq!(
        state(&verify(&bundle, &by_roots("root.pem")), "time"),
        State::Holds
    );
    assert_eq!(
        state(&verify(&bundle, &by_roots("tsa.pem")), "time"),
        State::Fails
    );
}

/// Cosigns the published checkpoint of the log as these witnesses.
fn cosigned(log: &Path, seeds: &[u8]) {
    let file = log.join("checkpoint");
    let mut note = SignedNote::parse(&fs::read(&file).unwrap()).unwrap();
    for seed in seeds {
        let name = format!("w{seed}.test");
        let line = cosign(note.text(), &name, &TestSigner::new(*seed), 1_795_000_000).unwrap();
        note.add(line).unwrap();
    }
    fs::write(file, note.to_bytes()).unwrap();
}

#[tokio::test]
async fn the_quorum_of_witnesses_must_have_cosigned() {
    let logged = Logged::new().await;
    let log = logged.dir.path();
    let vkey = |seed: u8| {
        let key = WitnessKey::new(&format!("w{seed}.test"), TestSigner::new(seed).key());
        key.unwrap().to_vkey()
    };
    let policy = format!(
        "witness a {}\nwitness b {}\ngroup both 2 a b\nquorum both\n",
        vkey(70),
        vkey(71)
    );
    let given = Trust {
        policy: Some(policy.clone().into()),
        ..logged.trust()
    };
    assert_eq!(
        state(&verify(&logged.bundle(), &logged.trust()), "witnesses"),
        State::Absent
    );
    cosigned(log, &[70]);
    assert_eq!(
        state(&verify(&logged.bundle(), &given), "witnesses"),
        State::Fails
    );
    cosigned(log, &[71]);
    fs::write(log.join("witness.policy"), &policy).unwrap();
    let bundle = logged.bundle();
    assert!(bundle.file(name::POLICY).is_some());
    let report = verify(&bundle, &given);
    assert!(report.holds(), "{:#?}", report.verdicts);
    assert_eq!(state(&report, "witnesses"), State::Holds);
    assert_eq!(
        state(&verify(&bundle, &logged.trust()), "witnesses"),
        State::Inside
    );
    let (good, said) = check(&bundle, &[]);
    assert!(good, "{said}");
    let bad = Wanted {
        policy: Some("quorum nobody\n".into()),
        ..logged.wanted()
    };
    assert!(matches!(
        logged.collect(bad),
        Err(EvidenceError::Trust { .. })
    ));
}
