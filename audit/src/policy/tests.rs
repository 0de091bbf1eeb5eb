//! Policies as the specification writes them, each rule of it broken once, and what a quorum is.

use proptest::prelude::*;
use proto::digest::Digest;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::tests::TestSigner;
use crate::cosignature::cosign;

fn log_vkey(seed: u8) -> String {
    let key = TestSigner::new(seed);
    LogKey::new("log.example/one", proto::key::Signer::key(&key))
        .unwrap()
        .to_vkey()
}

fn witness_key(seed: u8) -> WitnessKey {
    let signer = TestSigner::new(seed);
    let name = format!("witness.example/w{seed}");
    WitnessKey::new(&name, proto::key::Signer::key(&signer)).unwrap()
}

/// Witnesses `names`, with the seeds 10, 11, ….
fn witnesses(names: &[&str]) -> String {
    let line =
        |(seed, name): (u8, &&str)| format!("witness {name} {}\n", witness_key(seed).to_vkey());
    (10..).zip(names).map(line).collect()
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text.as_bytes())
}

/// A checkpoint signed by the log, cosigned by the witnesses of `seeds` at 1,000 seconds plus the seed.
fn note(seeds: &[u8]) -> SignedNote {
    let checkpoint = Checkpoint {
        origin: "log.example/one".into(),
        size: 42,
        root: Digest::of(b"root"),
    };
    let signed = checkpoint.sign(&TestSigner::new(1)).unwrap();
    let mut note = SignedNote::parse(&signed.note).unwrap();
    for seed in seeds {
        let name = format!("witness.example/w{seed}");
        let time_s = 1_000 + u64::from(*seed);
        let line = cosign(note.text(), &name, &TestSigner::new(*seed), time_s).unwrap();
        note.add(line).unwrap();
    }
    note
}

/// The example of the specification: two of three X and any of three Y.
fn example() -> String {
    format!(
        "log {}\n\n{}\
         # The first three are run by one office.\n\
         group X-witnesses 2 X1 X2 X3\n\
         \tgroup  Y-witnesses\tany Y1 Y2 Y3 \n\
         group X-and-Y all X-witnesses Y-witnesses\n\
         quorum X-and-Y\n",
        log_vkey(1),
        witnesses(&["X1", "X2", "X3", "Y1", "Y2", "Y3"])
    )
}

#[test]
fn the_specifications_example_asks_for_both_groups() {
    let policy = parse(&example()).unwrap();
    assert_eq!(policy.logs().len(), 1);
    assert_eq!(policy.witnesses().len(), 6);
    assert_eq!(
        policy.quorum_text(),
        "2 of (2 of (X1, X2, X3), 1 of (Y1, Y2, Y3))"
    );
    for (seeds, quorum) in [
        (&[10, 11, 13][..], true),
        (&[10, 12, 15], true),
        (&[10, 11, 12, 13, 14, 15], true),
        (&[10, 11, 12], false),
        (&[10, 13, 14, 15], false),
        (&[], false),
    ] {
        let found = policy.verify(&note(seeds));
        assert_eq!(found.quorum, quorum, "{seeds:?}");
        assert_eq!(found.is_accepted(), quorum);
        assert_eq!(found.held.len(), seeds.len());
        assert!(found.bad.is_empty());
    }
    let found = policy.verify(&note(&[13, 10]));
    assert_eq!(found.held[0].name, "X1");
    assert_eq!((found.held[0].witness, found.held[0].time_s), (0, 1_010));
    assert_eq!((found.held[1].witness, found.held[1].time_s), (3, 1_013));
}

#[test]
fn unknown_witnesses_count_for_nothing_and_a_bad_line_of_a_known_one_refuses() {
    let policy = parse(&format!("{}quorum a\n", witnesses(&["a", "b"]))).unwrap();
    let found = policy.verify(&note(&[10, 12, 13]));
    assert_eq!(found.held.len(), 1);
    assert!(found.is_accepted());
    // One witness twice counts once, with its earlier time.
    let mut twice = note(&[10]);
    let line = cosign(
        twice.text(),
        "witness.example/w10",
        &TestSigner::new(10),
        900,
    )
    .unwrap();
    twice.add(line).unwrap();
    let found = policy.verify(&twice);
    assert_eq!(found.held.len(), 1);
    assert_eq!(found.held[0].time_s, 900);
    // Another text's cosignature under this one.
    let mut forged = note(&[10]);
    let line = cosign(
        "another\n",
        "witness.example/w11",
        &TestSigner::new(11),
        900,
    )
    .unwrap();
    forged.add(line).unwrap();
    let found = policy.verify(&forged);
    assert!(found.quorum && !found.is_accepted());
    assert_eq!(found.bad.len(), 1);
    assert!(found.bad[0].starts_with("b: "), "{:?}", found.bad);
}

#[test]
fn a_quorum_of_none_asks_for_nothing_and_one_witness_is_enough_for_a_quorum() {
    let none = parse("quorum none\n").unwrap();
    assert!(!none.asks_for_witnesses());
    assert!(none.verify(&note(&[])).is_accepted());
    assert!(none.covers(&LogKey::from_vkey(&log_vkey(2)).unwrap()));
    let one = parse(&format!(
        "log {} https://log.example\n{}quorum a\n",
        log_vkey(1),
        witnesses(&["a"])
    ))
    .unwrap();
    assert!(one.asks_for_witnesses());
    assert!(!one.verify(&note(&[])).quorum);
    assert!(one.verify(&note(&[10])).quorum);
    assert!(one.covers(&LogKey::from_vkey(&log_vkey(1)).unwrap()));
    assert!(!one.covers(&LogKey::from_vkey(&log_vkey(2)).unwrap()));
    assert_eq!(one.logs()[0].url.as_deref(), Some("https://log.example"));
}

#[test]
fn names_are_octets_and_urls_are_kept() {
    let (k, kelvin) = (witness_key(10).to_vkey(), witness_key(11).to_vkey());
    let text = format!(
        "witness K {k} http://127.0.0.1:7380/w\nwitness \u{212a} {kelvin}\n\
         witness \u{a0} {}\ngroup g 2 K \u{212a}\nquorum g\n",
        witness_key(12).to_vkey()
    );
    let policy = parse(&text).unwrap();
    assert_eq!(
        policy.witnesses()[0].url.as_deref(),
        Some("http://127.0.0.1:7380/w")
    );
    assert_eq!(policy.witnesses()[1].url, None);
    let mut bytes = b"# \xff\n".to_vec();
    bytes.extend_from_slice(format!("witness a {k}\nquorum a\n").as_bytes());
    assert!(Policy::parse(&bytes).is_ok());
}

/// Each text is refused with its words.
fn refused(cases: &[(String, &str)]) {
    for (text, expected) in cases {
        let refused = parse(text).expect_err(text).to_string();
        assert!(
            refused.contains(expected),
            "{text:?} was refused with: {refused}"
        );
    }
}

#[test]
fn lines_and_the_quorum_have_one_form() {
    let w = witnesses(&["a", "b", "c"]);
    refused(&[
        (String::new(), "no quorum"),
        ("# nothing\n".to_owned(), "no quorum"),
        (format!("{w}quorum a"), "cut short"),
        (format!("{w}quorum a\r\n"), "0x0d"),
        (format!("{w}quorum a\0\n"), "0x00"),
        (format!("{w}quorum a\u{7f}\n"), "0x7f"),
        (format!("{w}quorum\n"), "quorum NAME|none"),
        (format!("{w}quorum a b\n"), "quorum NAME|none"),
        (format!("{w}quorum d\n"), "d is not defined"),
        (format!("quorum a\n{w}"), "a is not defined"),
        (format!("{w}quorum a\nquorum a\n"), "one quorum line"),
        (format!("{w}quorum none\nquorum none\n"), "one quorum line"),
        (format!("{w}Quorum a\n"), "not with Quorum"),
        (format!("\u{feff}{w}quorum a\n"), "begins with log"),
        ("#".repeat(POLICY_BYTES_MAX) + "\n", "at most 65536 bytes"),
    ]);
}

#[test]
fn logs_and_witnesses_have_one_form() {
    let (w, a, b) = (
        witnesses(&["a", "b", "c"]),
        witness_key(20).to_vkey(),
        log_vkey(1),
    );
    refused(&[
        (
            format!("{w}witness a {a}\nquorum a\n"),
            "a is defined already",
        ),
        (
            format!("{w}witness d {}\nquorum a\n", witness_key(10).to_vkey()),
            "same public key",
        ),
        (
            format!("witness none {a}\nquorum none\n"),
            "none is no name",
        ),
        (
            format!("witness d {b}\nquorum none\n"),
            "not a witness's key",
        ),
        ("witness d\nquorum none\n".to_owned(), "witness NAME VKEY"),
        (
            format!("witness d {a} http://x y\nquorum none\n"),
            "witness NAME VKEY",
        ),
        ("log\nquorum none\n".to_owned(), "log VKEY"),
        (format!("log {b} u v\nquorum none\n"), "log VKEY"),
        (format!("log {a}\nquorum none\n"), "vkey"),
        (format!("log \u{a0}{b}\nquorum none\n"), "vkey"),
        (
            format!("log {b}\nlog {b}\nquorum none\n"),
            "same public key",
        ),
    ]);
}

#[test]
fn groups_have_one_form() {
    let w = witnesses(&["a", "b", "c"]);
    refused(&[
        (format!("{w}group g any\nquorum a\n"), "group NAME"),
        (format!("{w}group g 0 a\nquorum a\n"), "threshold 0"),
        (format!("{w}group g 3 a b\nquorum a\n"), "threshold 3"),
        (format!("{w}group g 01 a b\nquorum a\n"), "threshold 01"),
        (format!("{w}group g +1 a b\nquorum a\n"), "threshold +1"),
        (
            format!("{w}group g 99999999999999999999999 a\nquorum a\n"),
            "threshold",
        ),
        (format!("{w}group g ANY a b\nquorum a\n"), "threshold ANY"),
        (
            format!("{w}group g 1 a a\nquorum a\n"),
            "a is a member already",
        ),
        (
            format!("{w}group g 1 a\ngroup h 1 a b\nquorum h\n"),
            "a is a member already",
        ),
        (format!("{w}group g 1 a d\nquorum g\n"), "d is not defined"),
        (format!("{w}group g 1 g\nquorum g\n"), "g is not defined"),
        (
            format!("{w}group g 1 none\nquorum g\n"),
            "none is not defined",
        ),
        (
            format!("{w}group a 1 b\nquorum a\n"),
            "a is defined already",
        ),
        (format!("{w}group none 1 b\nquorum a\n"), "none is no name"),
    ]);
    let line = parse(&format!("{w}group g 9 a\nquorum g\n"))
        .unwrap_err()
        .line;
    assert_eq!(line, Some(4));
}

#[test]
fn thirty_two_of_each_are_read_and_no_more() {
    let names: Vec<String> = (0..33).map(|number| format!("w{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let logs: String = (100..132)
        .map(|seed| format!("log {}\n", log_vkey(seed)))
        .collect();
    let mut groups = String::new();
    for number in 0..32 {
        let below = number.max(1) - 1;
        let member = if number == 0 {
            String::new()
        } else {
            format!("g{below}")
        };
        groups.push_str(&format!("group g{number} all w{number} {member}\n"));
    }
    let text = format!("{logs}{}{groups}quorum g31\n", witnesses(&names[..32]));
    let policy = parse(&text).unwrap();
    let all: Vec<u8> = (10..42).collect();
    assert!(policy.verify(&note(&all)).is_accepted());
    assert!(!policy.verify(&note(&all[1..])).quorum);
    let over = format!("{}quorum none\n", witnesses(&names));
    assert!(
        parse(&over)
            .unwrap_err()
            .to_string()
            .contains("begin with witness")
    );
}

proptest! {
    #[test]
    fn no_bytes_break_the_reading(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Policy::parse(&bytes);
    }

    #[test]
    fn no_words_break_the_reading(
        words in prop::collection::vec(prop::sample::select(vec![
            "log", "witness", "group", "quorum", "none", "any", "all", "1", "2", "a", "b", "\n", "\n", "#", "\t",
        ]), 0..40)
    ) {
        let text = format!("{}{}\n", witnesses(&["a", "b"]), words.join(" "));
        if let Ok(policy) = parse(&text) {
            // What may be accepted never depends on more cosignatures being fewer.
            let less = policy.quorum_of(&[false, false]);
            let more = policy.quorum_of(&[true, true]);
            prop_assert!(more || !less);
            prop_assert_eq!(less, !policy.asks_for_witnesses());
        }
    }

    #[test]
    fn a_damaged_policy_never_asks_for_less_without_saying_so(at in any::<prop::sample::Index>(), cut in any::<bool>(), bit in 0u8..8) {
        let text = example();
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            // Cut anywhere, it has no quorum line or no line end.
            prop_assert!(Policy::parse(&bytes).is_err());
        } else {
            bytes[at] ^= 1 << bit;
            if let Ok(policy) = Policy::parse(&bytes) {
                prop_assert!(policy.asks_for_witnesses());
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_a_note_never_makes_a_quorum(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let policy = parse(&format!("{}group g all a b\nquorum g\n", witnesses(&["a", "b"]))).unwrap();
        let good = note(&[10, 11]);
        let mut bytes = good.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(note) = SignedNote::parse(&bytes)
            && policy.verify(&note).is_accepted()
        {
            prop_assert_eq!(note.text(), good.text());
        }
    }
}
