//! Each status of the protocol, what an answer means, and bytes of any kind.

use super::*;

#[test]
fn every_status_of_the_protocol() {
    let (log, office) = (Log::honest(20), Office::new());
    let good = AddCheckpoint::parse(&log.request(0, 10)).unwrap();
    let with = |change: &dyn Fn(&mut AddCheckpoint)| {
        let mut request = good.clone();
        change(&mut request);
        request.to_bytes()
    };
    let signed = |origin: &str, size: u64, root: Digest, seed: u8| {
        let checkpoint = Checkpoint {
            origin: origin.into(),
            size,
            root,
        };
        checkpoint.sign(&TestSigner::new(seed)).unwrap().note
    };
    let root = good.proof.first().copied().unwrap_or(Digest([7; 32]));
    for (status, body) in [
        (
            404,
            with(&|r| r.note = signed("log.example/two", 10, root, 1)),
        ),
        (403, with(&|r| r.note = signed(ORIGIN, 10, root, 3))),
        (
            403,
            with(&|r| {
                // A known key's line under another text.
                let text = String::from_utf8(r.note.to_vec()).unwrap();
                r.note = text.replacen("\n10\n", "\n11\n", 1).into_bytes().into();
            }),
        ),
        (400, with(&|r| r.old = 11)),
        (409, with(&|r| r.old = 10)),
        (422, with(&|r| r.proof = vec![root])),
        (422, with(&|r| r.note = signed(ORIGIN, 0, root, 1))),
    ] {
        let answer = office.ask(&body);
        assert_eq!(
            answer.status,
            status,
            "{}: {answer:?}",
            String::from_utf8_lossy(&body)
        );
        assert_eq!(office.size(), None);
    }
    // The second key of the origin is as good.
    let checkpoint = log.checkpoint(10);
    let body = with(&|r| r.note = signed(ORIGIN, 10, checkpoint.root, 2));
    assert_eq!(office.ask(&body).status, 200);
    // Lines of strangers, other witnesses among them, are ignored and not remembered.
    let mut note = SignedNote::parse(&log.note(20)).unwrap();
    note.sign("stranger.example", &TestSigner::new(4)).unwrap();
    let proof = consistency_proof(&log, 10, 20).unwrap();
    let body = AddCheckpoint {
        old: 10,
        proof,
        note: note.to_bytes().into(),
    }
    .to_bytes();
    assert_eq!(office.ask(&body).status, 200);
    let kept = office.witness.cosigned(&origin_hash(ORIGIN)).unwrap();
    assert_eq!(SignedNote::parse(&kept).unwrap().signatures().len(), 2);
}

#[test]
fn what_is_not_in_form_is_a_bad_request() {
    let (log, office) = (Log::honest(20), Office::new());
    let good = AddCheckpoint::parse(&log.request(0, 10)).unwrap();
    let root = Digest([7; 32]);
    let with = |change: &dyn Fn(&mut AddCheckpoint)| {
        let mut request = good.clone();
        change(&mut request);
        request.to_bytes()
    };
    for (status, body) in [
        (400, b"".to_vec()),
        (400, b"old 0\n\n".to_vec()),
        (400, b"old 00\n\n".to_vec()),
        (400, b"old -1\n\n".to_vec()),
        (400, b"old 0 \n\n".to_vec()),
        (400, b"new 0\n\n".to_vec()),
        (400, b"old 18446744073709551616\n\n".to_vec()),
        (400, [b"old 0\nAAAA\n\n".as_slice(), &good.note].concat()),
        (400, [b"old 0\n\n\n".as_slice(), &good.note[..20]].concat()),
        (400, vec![b'\n'; request::REQUEST_BYTES_MAX + 1]),
        (
            400,
            with(&|r| r.proof = vec![root; request::PROOF_LINES_MAX + 1]),
        ),
        (
            400,
            with(&|r| {
                let mut note =
                    SignedNote::new(&format!("{}extension\n", log.checkpoint(10).to_text()))
                        .unwrap();
                note.sign(ORIGIN, &TestSigner::new(1)).unwrap();
                r.note = note.to_bytes().into();
            }),
        ),
    ] {
        let answer = office.ask(&body);
        assert_eq!(
            answer.status,
            status,
            "{}: {answer:?}",
            String::from_utf8_lossy(&body)
        );
        assert_eq!(office.size(), None);
    }
}

#[test]
fn answers_mean_what_they_say_and_no_more() {
    let (log, office) = (Log::honest(100), Office::new());
    let key = office.witness.key().clone();
    let text = |size| log.checkpoint(size).to_text();
    let asked = |old, size| {
        let answer = office.ask(&log.request(old, size));
        hear(&key, &text(size), (old, size), answer.status, &answer.body)
    };
    assert!(matches!(
        asked(0, 80),
        Heard::Cosigned { time_s: NOW_S, .. }
    ));
    assert_eq!(asked(0, 90), Heard::Elsewhere { size: 80 });
    assert_eq!(asked(60, 70), Heard::Elsewhere { size: 80 });
    let fork = Log::new(100, 50);
    for (old, size) in [(80, 80), (80, 100)] {
        let answer = office.ask(&fork.request(old, size));
        let heard = hear(&key, &text(size), (old, size), answer.status, &answer.body);
        assert_eq!(heard, Heard::Contradicts);
    }
    // Another version of the protocol, for a tree of the same size.
    assert_eq!(
        hear(&key, &text(80), (80, 80), 409, b"80\n"),
        Heard::Contradicts
    );
    for (status, body) in [
        (409, &b"80\n"[..]),
        (409, b""),
        (409, b"-1\n"),
        (409, b"\xff"),
        (422, b"no\n"),
        (200, b""),
        (200, b"\xff"),
        (200, "\u{2014} witness.example/w1 JLXZ/gAA\n".as_bytes()),
        (404, b"no\n"),
        (403, b""),
        (500, b"\x1b[31m\n"),
        (302, b""),
    ] {
        let old = if status == 409 { 80 } else { 0 };
        let heard = hear(&key, &text(90), (old, 90), status, body);
        let Heard::Useless(why) = heard else {
            panic!("{status} {body:?} was taken as {heard:?}");
        };
        assert!(!why.contains('\x1b'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_that_is_read_writes_itself_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut body = b"old 7\n".to_vec();
        body.extend_from_slice(&bytes);
        for body in [&bytes, &body] {
            if let Ok(request) = AddCheckpoint::parse(body) {
                prop_assert_eq!(&request.to_bytes(), body);
            }
        }
    }

    #[test]
    fn no_body_and_no_answer_break_anything(bytes in prop::collection::vec(any::<u8>(), 0..300), status in 0u16..600) {
        let office = Office::new();
        prop_assert_ne!(office.ask(&bytes).status, 200);
        let heard = hear(office.witness.key(), "text\n", (3, 9), status, &bytes);
        let cosigned = matches!(heard, Heard::Cosigned { .. });
        prop_assert!(!cosigned);
    }

    #[test]
    fn a_damaged_request_is_never_cosigned_for_another_tree(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (log, office) = (Log::honest(60), Office::new());
        office.cosigned(&log, 0, 37, NOW_S);
        let mut body = log.request(37, 60);
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        if office.ask(&body).status == 200 {
            let last = office.witness.standings().remove(0).last.unwrap();
            prop_assert_eq!(last.checkpoint, log.checkpoint(60));
        }
    }
}
