//! Kept answers: one run for one question, another question refused, bounds that hold.

use proto::header::RequestHeader;

use super::*;
use crate::testing::{NOW, World, exchange_id, part};

fn request(world: &World) -> RequestHeader {
    RequestHeader::open(&world.request(|_| {}).header).unwrap()
}

/// A retry of `first` that repeats its commitment, but for `change`.
fn retry(first: &RequestHeader, change: impl FnOnce(&mut RequestHeader)) -> RequestHeader {
    let mut retry = first.clone();
    retry.exchange_id = exchange_id();
    retry.attempt_of = Some(first.exchange_id);
    change(&mut retry);
    retry
}

fn answered(bytes: usize) -> Arc<Outcome> {
    Arc::new(Outcome {
        status: AnswerStatus::Answered,
        reply: Some(Reply::new(["alive"], "text/plain", vec![b'x'; bytes]).unwrap()),
        results: Vec::new(),
    })
}

fn run(claim: Claim) -> Run {
    match claim {
        Claim::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_retry_gets_the_kept_answer_and_another_question_is_refused() {
    let (world, kept) = (World::new(), Kept::new(1 << 20));
    let first = request(&world);
    let running = run(kept.claim(&first, NOW));
    // It comes while the first still runs.
    let Claim::Wait(mut waits) = kept.claim(&retry(&first, |_| {}), NOW) else {
        panic!("ran twice");
    };
    let outcome = answered(10);
    running.finish(&outcome);
    assert_eq!(
        waits.wait_for(Option::is_some).await.unwrap().as_ref(),
        Some(&outcome)
    );
    // And after it ended.
    let Claim::Ended(kept_outcome) = kept.claim(&retry(&first, |_| {}), NOW + 599_000) else {
        panic!("ran twice");
    };
    assert_eq!(kept_outcome, outcome);
    let refused = |change: fn(&mut RequestHeader)| match kept.claim(&retry(&first, change), NOW) {
        Claim::Refuse(code) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(|header| header.operation = part("delete")),
        Code::OperationMismatch
    );
    assert_eq!(
        refused(|header| header.fields = vec![part("name")]),
        Code::OperationMismatch
    );
    // The same texts, otherwise divided.
    assert_eq!(
        refused(|header| {
            header.operation = part("lookup-benefit");
            header.purpose = part("x");
        }),
        Code::OperationMismatch
    );
    let changes: [fn(&mut RequestHeader); 4] = [
        |header| header.payload.length += 1,
        |header| header.payload.hmac.0[31] ^= 1,
        |header| header.payload.content_type.push('x'),
        |header| header.payload.form = proto::commitment::Form::Items,
    ];
    for change in changes {
        assert_eq!(refused(change), Code::PayloadMismatch);
    }
    // Another consumer's retry is another question.
    let foreign = retry(&first, |header| header.consumer = header.provider.clone());
    run(kept.claim(&foreign, NOW));
    // Ten minutes later it is forgotten.
    run(kept.claim(&retry(&first, |_| {}), NOW + KEPT_ANSWER_MS));
}

#[tokio::test]
async fn what_broke_or_was_cancelled_may_run_again() {
    let (world, kept) = (World::new(), Kept::new(1 << 20));
    let first = request(&world);
    let running = run(kept.claim(&first, NOW));
    let Claim::Wait(mut waits) = kept.claim(&retry(&first, |_| {}), NOW) else {
        panic!("ran twice");
    };
    drop(running);
    assert!(waits.wait_for(Option::is_some).await.is_err());
    let again = run(kept.claim(&retry(&first, |_| {}), NOW));
    again.finish(&Outcome::of(AnswerStatus::Unavailable));
    run(kept.claim(&retry(&first, |_| {}), NOW)).finish(&Outcome::of(AnswerStatus::NotFound));
    assert!(matches!(
        kept.claim(&retry(&first, |_| {}), NOW),
        Claim::Ended(_)
    ));
}

#[test]
fn the_oldest_make_room() {
    let (world, kept) = (World::new(), Kept::new(3_000));
    let requests: Vec<_> = (0..5).map(|_| request(&world)).collect();
    for request in &requests {
        run(kept.claim(request, NOW)).finish(&answered(500));
    }
    // Judging makes room: of five at about a thousand bytes each, less than three thousand stay.
    assert!(matches!(
        kept.claim(&retry(&requests[4], |_| {}), NOW),
        Claim::Ended(_)
    ));
    assert!(matches!(
        kept.claim(&retry(&requests[0], |_| {}), NOW),
        Claim::Run(_)
    ));
    let slots = kept.slots.lock().unwrap();
    assert!(slots.bytes <= 3_000, "{}", slots.bytes);
    let counted: usize = slots.by_key.values().map(|slot| slot.bytes).sum();
    assert_eq!(counted, slots.bytes);
}
