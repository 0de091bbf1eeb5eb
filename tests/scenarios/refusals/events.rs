//! Every refusal of an event, of a subscription and of what becomes of them: by which code, and how the log keeps it.
//!
//! A row has one provocation, which this file builds by hand; nothing here asks an adapter, which would not send most of it.

use bytes::Bytes;
use proto::Code;
use proto::act::{AgencyDeed, OperationNotice, OperatorDeed};
use proto::commitment::Form;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{EventHeader, EventReceiptHeader, SubscriptionHeader};
use proto::limits::{EVENT_BYTES_MAX, WINDOW_MS, label};
use proto::seal::Seal;
use tests::agreements::{part, parts};
use tests::raw::Refusal;
use tests::soon;
use tests::world::World;
use tonic::Code as Grpc;

use super::{Row, Stands, row};

mod acts;
mod bench;
mod published;
mod standing;

use bench::{Bench, By, Sent, TOLD};

/// What is done wrong.
struct Wrong {
    what: &'static str,
    row: Row,
    by: By,
    sent: fn(&Bench) -> Sent,
}

const fn refusal(code: Code, grpc: Grpc) -> Row {
    row(code, grpc, Stands::Refusal, "")
}

const fn nowhere(code: Code, grpc: Grpc) -> Row {
    row(code, grpc, Stands::Nowhere, "")
}

const fn denied(code: Code, clause: &'static str) -> Row {
    row(code, Grpc::PermissionDenied, Stands::Refusal, clause)
}

const MALFORMED: Row = refusal(Code::Malformed, Grpc::InvalidArgument);
const WRONG_SIGNER: Row = refusal(Code::WrongSigner, Grpc::Unauthenticated);
const BAD_SEAL: Row = refusal(Code::BadSeal, Grpc::Unauthenticated);
const STALE: Row = refusal(Code::Stale, Grpc::FailedPrecondition);
const DUPLICATE: Row = refusal(Code::Duplicate, Grpc::AlreadyExists);

/// Holds what was told, and what stands in the log since `before`, against the row.
fn told(bench: &Bench, what: &str, row: &Row, refusal: &Refusal, before: u64) {
    let code = row.code;
    let found = (refusal.code, refusal.grpc, refusal.word("clause"));
    assert_eq!(
        found,
        (Some(code), row.grpc, row.clause),
        "{what}: {refusal:?}"
    );
    let size = bench.world.switch.size();
    match row.stands {
        Stands::Refusal => {
            assert_eq!(refusal.word("recording"), "recorded", "{what}");
            let receipt = refusal.receipt.as_ref().expect(what);
            assert_eq!(receipt.kind, Kind::Refusal, "{what}");
            assert!((before..size).contains(&receipt.index), "{what}");
            let facts = proto::facts::exchange(&receipt.facts).unwrap();
            let recorded = (facts.code.as_str(), facts.clause.as_str());
            assert_eq!(recorded, (code.name(), row.clause), "{what}");
        }
        _ => {
            assert!(refusal.receipt.is_none(), "{what}");
            assert_eq!(size, before, "{what}: nothing is recorded");
        }
    }
}

/// Provokes each row, one after the other.
async fn judge(bench: &Bench, wrongs: &[Wrong]) {
    for wrong in wrongs {
        println!("{}", wrong.what);
        let before = bench.world.switch.size();
        let refused = bench.refused(wrong.by, (wrong.sent)(bench));
        let refused = soon(wrong.what, refused).await;
        told(bench, wrong.what, &wrong.row, &refused, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_act_about_events_is_told_and_recorded_as_its_row_says() {
    let bench = Bench::new().await;
    judge(&bench, published::WRONGS).await;
    judge(&bench, acts::WRONGS).await;
    // What is told and followed stands as it did: the same by hand, with nothing wrong in it, is taken.
    let receipt = bench.received(&bench.receipt(&bench.told));
    let taken = bench.send(By::Moss, Sent::Acknowledge(vec![receipt]));
    taken.await.unwrap();
    let told = bench.world.finish().await;
    assert_eq!(
        (told.count(Kind::Event), told.count(Kind::Subscription)),
        (2, 2)
    );
    assert_eq!(told.count(Kind::EventOutcome), 2);
    assert_eq!(told.count(Kind::SubscriptionEnd), 1);
}
