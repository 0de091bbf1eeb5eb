//! The provider enforces it too: no request receipt of this log over these very bytes, no answer. Here the switch is
//! the liar, and the adapter is the real one.

use adapters::Distrust;
use audit::log::{Appended, Log};
use bytes::Bytes;
use proto::Code;
use proto::entry::{Draft, Kind};
use proto::envelope::Envelope;
use proto::facts::ExchangeFacts;
use proto::header::AnswerStatus;
use tests::check::check_log;
use tests::double::{Double, record_in};
use tests::ground::Ground;
use tests::provider::{Backend, Does};
use tests::raw::RawConsumer;
use tests::soon;
use tests::world::World;

/// A world whose switch is a double now.
struct Lied {
    ground: Ground,
    double: Double,
    backend: Backend,
    handle: adapters::Handle,
    consumer: RawConsumer,
    facts: ExchangeFacts,
    _agencies: [tests::agency::TestAgency; 2],
}

async fn lied() -> Lied {
    let world = World::new().await;
    let consumer = world.raw_consumer().await;
    let facts = ExchangeFacts {
        peer_sha256: Bytes::copy_from_slice(&world.moss.certificate_sha256()),
        decided_at_ms: world.switch.now_ms(),
        agreement: Bytes::copy_from_slice(world.agreement.as_bytes()),
        grant: 1,
        ..ExchangeFacts::default()
    };
    let World {
        switch,
        moss,
        civil,
        ..
    } = world;
    let ground = switch.stop().await;
    let double = Double::start(&ground).await;
    civil.point_at(double.address);
    let backend = Backend::new(Does::Answers);
    let handle = civil.serve(&ground, backend.clone()).await;
    Lied {
        ground,
        double,
        backend,
        handle,
        consumer,
        facts,
        _agencies: [moss, civil],
    }
}

impl Lied {
    fn envelope(&self) -> Envelope {
        self.consumer.envelope(|_| {})
    }

    async fn record(&self, envelope: &Envelope) -> Appended {
        self.double.record(envelope, self.facts.clone()).await
    }

    /// What the provider says to `envelope` with `receipt`.
    async fn said(
        &mut self,
        envelope: &Envelope,
        receipt: Option<audit::receipt::Receipt>,
    ) -> AnswerStatus {
        self.double
            .deliver(envelope, receipt.map(|receipt| receipt.to_wire()))
            .await
            .status
    }

    async fn finish(self) {
        assert_eq!(self.backend.seen(), self.handle.status().answered);
        drop(self.handle);
        self.double.log.close().await.unwrap();
        check_log(&self.ground.log_dir(), &self.ground.log_key());
    }
}

const NOT_LOGGED: AnswerStatus = AnswerStatus::Refused(Code::NotLogged);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_receipt_never_reaches_the_backend() {
    let mut lied = lied().await;
    assert_eq!(lied.said(&lied.envelope(), None).await, NOT_LOGGED);
    assert_eq!((lied.backend.seen(), lied.handle.status().refused), (0, 1));
    // The same provider answers what is logged: it was the receipt that was missing.
    let envelope = lied.envelope();
    let logged = lied.record(&envelope).await;
    assert_eq!(
        lied.said(&envelope, Some(logged.receipt)).await,
        AnswerStatus::Answered
    );
    assert_eq!(lied.backend.seen(), 1);
    lied.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_another_log_or_another_request_is_none() {
    let mut lied = lied().await;
    let envelope = lied.envelope();
    // Another log that recorded these very bytes, under its own key.
    let other = Ground::found_at(lied.ground.clock.clone()).await;
    let log = Log::open(other.log_config(), other.log_signer())
        .await
        .unwrap();
    let elsewhere = record_in(&log, &envelope, lied.facts.clone()).await.receipt;
    log.close().await.unwrap();
    // This log, another request.
    let another = lied.envelope();
    let of_another = lied.record(&another).await.receipt;
    // This log, this request, and every part of the receipt changed in turn.
    let own = lied.record(&envelope).await.receipt;
    let mut receipts = vec![("another log", elsewhere), ("another request", of_another)];
    let mut change = |what, change: fn(&mut audit::receipt::Receipt)| {
        let mut receipt = own.clone();
        change(&mut receipt);
        receipts.push((what, receipt));
    };
    change("another index", |receipt| receipt.index += 1);
    change("another kind", |receipt| receipt.kind = Kind::Refusal);
    change("another time", |receipt| receipt.stamp.recorded_at_us += 1);
    change("another registry", |receipt| {
        receipt.stamp.registry_size += 1
    });
    change("other facts", |receipt| receipt.facts = Bytes::new());
    change("no proof", |receipt| receipt.proof.clear());
    change("another proof", |receipt| receipt.proof[0].0[0] ^= 1);
    change("no checkpoint", |receipt| receipt.checkpoint = Bytes::new());
    change("a changed checkpoint", |receipt| {
        let text = String::from_utf8(receipt.checkpoint.to_vec()).unwrap();
        receipt.checkpoint = text
            .replacen("switch.test/log\n", "switch.test/log\n1", 1)
            .into();
    });
    for (what, receipt) in receipts {
        assert_eq!(
            lied.said(&envelope, Some(receipt)).await,
            NOT_LOGGED,
            "{what}"
        );
    }
    assert_eq!(lied.backend.seen(), 0);
    assert_eq!(
        lied.said(&envelope, Some(own)).await,
        AnswerStatus::Answered
    );
    lied.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_is_no_request_entry_is_none() {
    let mut lied = lied().await;
    let envelope = lied.envelope();
    for (kind, code) in [(Kind::Refusal, "stale"), (Kind::Request, "stale")] {
        let facts = ExchangeFacts {
            code: code.to_owned(),
            ..lied.facts.clone()
        };
        let draft = Draft {
            kind,
            facts: proto::facts::encode(&facts),
            header: envelope.header.clone(),
            seal: Some(envelope.seal.clone()),
        };
        let receipt = lied.double.log.append(draft, None).await.unwrap().receipt;
        assert_eq!(lied.said(&envelope, Some(receipt)).await, NOT_LOGGED);
    }
    assert_eq!(lied.backend.seen(), 0);
    // These entries are lies themselves, and an auditor finds them: no clean replay here.
    drop(lied.handle);
    lied.double.log.close().await.unwrap();
    let key = lied.ground.log_key();
    let options = audit::replay::Options {
        key: Some(key),
        ..Default::default()
    };
    assert!(!audit::replay::replay(&lied.ground.log_dir(), options).is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_agreements_do_not_permit_is_refused_again() {
    let mut lied = lied().await;
    // Recorded by a switch that judges differently: the provider decides for itself.
    let cases = [
        (
            lied.consumer
                .envelope(|header| header.purpose = tests::agreements::part("curiosity")),
            Code::PurposeNotGranted,
        ),
        (
            lied.consumer
                .envelope(|header| header.fields = tests::agreements::parts(&["income"])),
            Code::FieldNotGranted,
        ),
        (
            lied.consumer.envelope(|header| header.agreement = None),
            Code::NoAgreement,
        ),
        (
            lied.consumer
                .envelope(|header| header.issued_at_ms -= 30_001),
            Code::Stale,
        ),
        (
            lied.consumer
                .envelope(|header| header.provider = header.consumer.clone()),
            Code::UnknownService,
        ),
        (
            lied.consumer
                .sealing_with(lied.ground.operator_signer())
                .envelope(|_| {}),
            Code::WrongSigner,
        ),
    ];
    for (envelope, code) in cases {
        let receipt = lied.record(&envelope).await.receipt;
        assert_eq!(
            lied.said(&envelope, Some(receipt)).await,
            AnswerStatus::Refused(code)
        );
    }
    // Under another grant than the one that permits it.
    let envelope = lied.envelope();
    let facts = ExchangeFacts {
        grant: 2,
        ..lied.facts.clone()
    };
    let receipt = lied.double.record(&envelope, facts).await.receipt;
    assert_eq!(lied.said(&envelope, Some(receipt)).await, NOT_LOGGED);
    // The same exchange twice.
    let envelope = lied.envelope();
    let receipt = lied.record(&envelope).await.receipt;
    assert_eq!(
        lied.said(&envelope, Some(receipt.clone())).await,
        AnswerStatus::Answered
    );
    assert_eq!(
        lied.said(&envelope, Some(receipt)).await,
        AnswerStatus::Refused(Code::Duplicate)
    );
    assert_eq!(lied.backend.seen(), 1);
    drop(lied.handle);
    lied.double.log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_nobody_was_shown_ends_all_belief() {
    let lied = lied().await;
    let envelope = lied.envelope();
    // A second history under the same key, whose entries stand on another registry.
    let own = lied.record(&envelope).await.receipt;
    let mut stamp = own.stamp;
    stamp.registry_root = proto::Digest::of(b"another registry");
    let forged = forged_receipt(&lied, &envelope, stamp);
    lied.double.send(&envelope, Some(forged.to_wire())).await;
    let reason = soon("the provider stops", lied.handle.stopped())
        .await
        .unwrap_err();
    assert!(
        matches!(
            reason,
            adapters::ServeError::Distrust(Distrust::Fork { .. } | Distrust::Registry(_))
        ),
        "{reason}"
    );
    assert_eq!(lied.backend.seen(), 0);
    lied.double.log.close().await.unwrap();
}

/// A receipt that holds under the log's key, over a tree that the log never had.
fn forged_receipt(
    lied: &Lied,
    envelope: &Envelope,
    stamp: proto::entry::Stamp,
) -> audit::receipt::Receipt {
    let entry = proto::entry::Entry {
        kind: Kind::Request,
        stamp,
        facts: proto::facts::encode(&lied.facts),
        header: envelope.header.clone(),
        seal: Some(envelope.seal.clone()),
    };
    let checkpoint = audit::checkpoint::Checkpoint {
        origin: tests::ground::ORIGIN.to_owned(),
        size: 1,
        root: entry.leaf().unwrap(),
    };
    let signed = checkpoint.sign(&*lied.ground.log_signer()).unwrap();
    audit::receipt::Receipt {
        index: 0,
        kind: Kind::Request,
        stamp,
        facts: entry.facts,
        proof: Vec::new(),
        checkpoint: signed.note,
    }
}
