//! A directory judged with a policy: who cosigned, when, and what is said where they did not.

use super::*;
use crate::cosignature::{WitnessKey, cosign};
use crate::note::SignedNote;
use crate::tiles::published::CHECKPOINT_FILE;

const TIME_S: u64 = 1_795_363_078;

fn witness(seed: u8) -> WitnessKey {
    let name = format!("witness.example/w{seed}");
    WitnessKey::new(&name, proto::key::Signer::key(&TestSigner::new(seed))).unwrap()
}

/// Two of the witnesses 11, 12 and 13; before them `logs`.
fn policy(logs: &str) -> Policy {
    let mut text = logs.to_owned();
    for seed in 11..14 {
        text.push_str(&format!("witness w{seed} {}\n", witness(seed).to_vkey()));
    }
    text.push_str("group office 2 w11 w12 w13\nquorum office\n");
    Policy::parse(text.as_bytes()).unwrap()
}

/// Adds the lines of the witnesses to the published note; of the first, `spoiled`.
fn cosigned(dir: &Path, seeds: &[u8], spoiled: bool) {
    let path = dir.join(CHECKPOINT_FILE);
    let mut note = SignedNote::parse(&fs::read(&path).unwrap()).unwrap();
    for (position, seed) in seeds.iter().enumerate() {
        let name = format!("witness.example/w{seed}");
        let mut line = cosign(note.text(), &name, &TestSigner::new(*seed), TIME_S).unwrap();
        if spoiled && position == 0 {
            line.signature[20] ^= 1;
        }
        note.add(line).unwrap();
    }
    fs::write(path, note.to_bytes()).unwrap();
}

fn judged(dir: &Path, policy: Policy) -> Report {
    let options = Options {
        policy: Some(policy),
        ..given()
    };
    verify_directory(dir, options)
}

#[test]
fn a_quorum_is_reported_with_its_times_and_its_absence_is_a_finding() {
    let (dir, _) = log_of(300, &[300]);
    assert!(judged(dir.path(), Policy::parse(b"quorum none\n").unwrap()).is_proven());
    let report = judged(dir.path(), policy(""));
    assert!(!report.is_proven() && report.signed);
    assert_eq!(rules(&report), [rule::WITNESS_QUORUM]);
    cosigned(dir.path(), &[12], false);
    let report = judged(dir.path(), policy(""));
    assert_eq!(rules(&report), [rule::WITNESS_QUORUM]);
    assert_eq!(report.witnessed.unwrap().held.len(), 1);
    cosigned(dir.path(), &[13], false);
    let report = judged(dir.path(), policy(""));
    assert!(report.is_proven(), "{:?}", report.findings);
    let held = report.witnessed.unwrap().held;
    assert_eq!(
        held.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["w12", "w13"]
    );
    assert!(held.iter().all(|one| one.time_s == TIME_S));
}

#[test]
fn a_forged_line_of_a_known_witness_is_a_finding_even_beside_a_quorum() {
    let (dir, _) = log_of(10, &[10]);
    cosigned(dir.path(), &[11, 12, 13], true);
    let report = judged(dir.path(), policy(""));
    assert!(report.witnessed.as_ref().unwrap().quorum);
    assert!(!report.is_proven());
    assert_eq!(rules(&report), [rule::WITNESS_SIGNATURE]);
}

#[test]
fn a_policy_gives_the_logs_key_and_is_no_use_for_another_log() {
    let (dir, _) = log_of(10, &[10]);
    cosigned(dir.path(), &[11, 12], false);
    let options = Options {
        policy: Some(policy(&format!("log {}\n", log_key().to_vkey()))),
        ..Options::default()
    };
    let report = verify_directory(dir.path(), options);
    assert!(report.is_proven() && report.key_given);
    assert_eq!(rules(&report), [""; 0]);
    // The same origin under another key: the note is not signed by it.
    let other = LogKey::new(ORIGIN, proto::key::Signer::key(&TestSigner::new(2))).unwrap();
    let options = Options {
        policy: Some(policy(&format!("log {}\n", other.to_vkey()))),
        ..Options::default()
    };
    let report = verify_directory(dir.path(), options);
    assert!(!report.is_proven());
    assert_eq!(rules(&report), [rule::CHECKPOINT_UNSIGNED]);
    let report = judged(dir.path(), policy(&format!("log {}\n", other.to_vkey())));
    assert_eq!(rules(&report), [rule::WITNESS_POLICY]);
}

#[test]
fn without_a_note_there_is_nothing_to_judge() {
    let (dir, _) = log_of(10, &[10]);
    fs::remove_file(dir.path().join(CHECKPOINT_FILE)).unwrap();
    let report = judged(dir.path(), policy(""));
    assert_eq!(report.witnessed, None);
    assert_eq!(rules(&report), [rule::CHECKPOINT_UNREADABLE]);
}
