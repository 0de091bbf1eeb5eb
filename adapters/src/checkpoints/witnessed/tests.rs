//! Published checkpoints with and without their witnesses' cosignatures.

use audit::checkpoint::Checkpoint;
use audit::cosignature::{WitnessKey, cosign};
use proto::digest::Digest;
use proto::key::Signer as _;

use super::*;
use crate::identity::FileSigner;
use crate::testing::{ORIGIN, key};

const LAG: Duration = Duration::from_millis(50);

struct Bench {
    log: FileSigner,
    witnesses: Vec<FileSigner>,
}

fn name(number: usize) -> String {
    format!("witness.example/w{number}")
}

impl Bench {
    fn new() -> Self {
        Self {
            log: key(),
            witnesses: (0..3).map(|_| FileSigner::new(fresh()).unwrap()).collect(),
        }
    }

    fn log_key(&self) -> LogKey {
        LogKey::new(ORIGIN, self.log.key()).unwrap()
    }

    fn policy(&self) -> String {
        let mut text = String::new();
        for (number, witness) in self.witnesses.iter().enumerate() {
            let vkey = WitnessKey::new(&name(number), witness.key())
                .unwrap()
                .to_vkey();
            text.push_str(&format!("witness w{number} {vkey}\n"));
        }
        text + "group two 2 w0 w1 w2\nquorum two\n"
    }

    fn read(&self, text: &str) -> Result<Witnesses, WitnessError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("policy"), text).unwrap();
        let settings = config::Witness {
            policy: "policy".into(),
            lag: LAG,
            require: true,
        };
        Witnesses::read(dir.path(), &settings, &self.log_key())
    }

    /// The published checkpoint of `size`, cosigned by these.
    fn note(&self, size: u64, by: &[usize]) -> Vec<u8> {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: Digest::of(&size.to_be_bytes()),
        };
        let signed = checkpoint.sign(&self.log).unwrap();
        let mut note = SignedNote::parse(&signed.note).unwrap();
        for number in by {
            let line =
                cosign(note.text(), &name(*number), &self.witnesses[*number], 1_000).unwrap();
            note.add(line).unwrap();
        }
        note.to_bytes()
    }
}

fn fresh() -> certs::SealKeyFile {
    certs::SealKeyFile::generate(certs::SealAlgorithm::Ed25519).unwrap()
}

#[test]
fn what_is_not_under_the_quorum_in_time_is_late_and_no_longer_once_it_is() {
    let bench = Bench::new();
    let witnesses = bench.read(&bench.policy()).unwrap();
    let stands = || {
        let standing = witnesses.standing();
        (standing.size, standing.is_late)
    };
    assert_eq!(stands(), (0, false));
    witnesses.take(5, &bench.note(5, &[0, 2]), 5);
    assert_eq!(stands(), (5, false));
    // One of three is no quorum, and a receipt is ahead of what is published.
    witnesses.take(7, &bench.note(7, &[1]), 7);
    witnesses.promised(9);
    assert_eq!(stands(), (5, false));
    std::thread::sleep(2 * LAG);
    assert_eq!(stands(), (5, true));
    // Under the quorum up to 8, and 9 is newly behind.
    witnesses.take(8, &bench.note(8, &[0, 1, 2]), 9);
    assert_eq!(stands(), (8, false));
    std::thread::sleep(2 * LAG);
    assert_eq!(stands(), (8, true));
    witnesses.take(9, &bench.note(9, &[1, 2]), 9);
    std::thread::sleep(2 * LAG);
    assert_eq!(stands(), (9, false));
    // An older one changes nothing.
    witnesses.take(5, &bench.note(5, &[0, 2]), 9);
    witnesses.promised(4);
    assert_eq!(stands(), (9, false));
}

#[test]
fn a_policy_that_asks_for_nobody_or_for_another_log_is_refused() {
    let bench = Bench::new();
    for bad in [
        String::new(),
        "quorum none\n".to_owned(),
        bench.policy().replace("two 2", "two 4"),
        {
            let other = LogKey::new("other.example/log", bench.log.key()).unwrap();
            format!("log {}\n{}", other.to_vkey(), bench.policy())
        },
    ] {
        assert!(bench.read(&bad).is_err(), "{bad}");
    }
    let own = format!("log {}\n{}", bench.log_key().to_vkey(), bench.policy());
    assert!(bench.read(&own).is_ok());
}
