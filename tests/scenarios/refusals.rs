//! Every refusal code: how it comes about, what the caller is told, whether the log keeps it.
//!
//! The table has one row for each code of the protocol. A new code fails here until it has one, and does not compile
//! until somebody says how it is provoked.

use adapters::Failure;
use proto::Code;
use proto::Digest;
use proto::act::{AgencyDeed, OperationNotice, OperatorDeed};
use proto::commitment::Commitment;
use proto::entry::Kind;
use proto::header::AnswerStatus;
use proto::limits::{PAYLOAD_BYTES_MAX, WINDOW_MS};
use proto::refusal::Language;
use tests::agency::TestAgency;
use tests::agreements::{Terms, part, parts};
use tests::channel::channel;
use tests::journal::Faulty;
use tests::provider::{Backend, Does};
use tests::raw::{RawConsumer, Refusal, SALT};
use tests::soon;
use tests::world::World;
use tonic::Code as Grpc;

mod events;
mod forms;

/// How a refusal stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// As an entry of its own.
    Refusal,
    /// As the end of a recorded request.
    Closing,
    /// As the end of a recorded request, with the provider's sealed word; the call itself succeeds.
    Sealed,
    /// Not at all.
    Nowhere,
}

struct Row {
    code: Code,
    grpc: Grpc,
    stands: Stands,
    /// The clause that is named; empty when none is.
    clause: &'static str,
}

const fn row(code: Code, grpc: Grpc, stands: Stands, clause: &'static str) -> Row {
    Row {
        code,
        grpc,
        stands,
        clause,
    }
}

const ROWS: &[Row] = &[
    row(Code::Malformed, Grpc::InvalidArgument, Stands::Refusal, ""),
    row(
        Code::UnknownVersion,
        Grpc::InvalidArgument,
        Stands::Refusal,
        "",
    ),
    row(
        Code::PayloadMismatch,
        Grpc::InvalidArgument,
        Stands::Refusal,
        "",
    ),
    row(Code::TooLarge, Grpc::InvalidArgument, Stands::Refusal, ""),
    row(
        Code::UnknownPeer,
        Grpc::Unauthenticated,
        Stands::Refusal,
        "",
    ),
    row(
        Code::WrongSigner,
        Grpc::Unauthenticated,
        Stands::Refusal,
        "",
    ),
    row(Code::BadSeal, Grpc::Unauthenticated, Stands::Refusal, ""),
    row(Code::KeyEnded, Grpc::Unauthenticated, Stands::Refusal, ""),
    row(
        Code::CertificateRevoked,
        Grpc::Unauthenticated,
        Stands::Refusal,
        "",
    ),
    row(
        Code::AgencySuspended,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "standing EG/GOV/CIVIL",
    ),
    row(Code::Duplicate, Grpc::AlreadyExists, Stands::Refusal, ""),
    row(Code::Stale, Grpc::FailedPrecondition, Stands::Refusal, ""),
    row(
        Code::NoAgreement,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "agreement",
    ),
    row(
        Code::AgreementExpired,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "validity",
    ),
    row(
        Code::AgreementRevoked,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "revocation",
    ),
    row(
        Code::PurposeNotGranted,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "purpose",
    ),
    row(
        Code::OperationNotGranted,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "operation",
    ),
    row(
        Code::FieldNotGranted,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "field income",
    ),
    row(
        Code::DelegationBroken,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "delegation 1",
    ),
    row(
        Code::QuotaExceeded,
        Grpc::ResourceExhausted,
        Stands::Refusal,
        "quota",
    ),
    row(
        Code::RateLimited,
        Grpc::ResourceExhausted,
        Stands::Nowhere,
        "",
    ),
    row(
        Code::Overloaded,
        Grpc::ResourceExhausted,
        Stands::Nowhere,
        "",
    ),
    row(Code::UnknownService, Grpc::NotFound, Stands::Refusal, ""),
    row(
        Code::OperationDisabled,
        Grpc::Unavailable,
        Stands::Refusal,
        "",
    ),
    row(
        Code::ProviderOffline,
        Grpc::Unavailable,
        Stands::Refusal,
        "",
    ),
    row(
        Code::ProviderFailed,
        Grpc::Unavailable,
        Stands::Closing,
        "link_lost",
    ),
    row(Code::LogUnavailable, Grpc::Unavailable, Stands::Nowhere, ""),
    row(Code::NotLogged, Grpc::Ok, Stands::Sealed, ""),
    row(Code::OperationMismatch, Grpc::Ok, Stands::Sealed, ""),
    row(
        Code::ContractViolation,
        Grpc::FailedPrecondition,
        Stands::Refusal,
        "",
    ),
    row(
        Code::AnswerInvalid,
        Grpc::Internal,
        Stands::Closing,
        "answer_invalid: field income",
    ),
    row(Code::Deadline, Grpc::DeadlineExceeded, Stands::Closing, ""),
    row(Code::SubjectMismatch, Grpc::Ok, Stands::Sealed, ""),
    row(
        Code::EncryptionRequired,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "encryption",
    ),
    row(
        Code::BorderClosed,
        Grpc::PermissionDenied,
        Stands::Refusal,
        "opening",
    ),
];

/// What a caller was told.
enum Said {
    /// A gRPC status.
    Status(Box<Refusal>),
    /// An answer of the provider's adapter that refuses.
    Sealed(AnswerStatus),
}

#[test]
fn every_code_has_one_row() {
    for code in Code::ALL {
        assert_eq!(
            ROWS.iter().filter(|row| row.code == *code).count(),
            1,
            "{code}"
        );
    }
    assert_eq!(ROWS.len(), Code::ALL.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_is_told_and_recorded_as_its_row_says() {
    // Some end a key or an agreement, fill the switch or break its log: those have a switch of their own.
    let (alone, together): (Vec<_>, Vec<_>) =
        ROWS.iter().partition(|row| needs_its_own_world(row.code));
    let mut world = World::with_limits("in_flight = 1").await;
    for row in together {
        world = Box::pin(judged(world, row)).await;
    }
    world.finish().await;
    for row in alone {
        let world = World::with_limits("in_flight = 1").await;
        if row.code == Code::LogUnavailable {
            log_unavailable(world, row).await;
        } else {
            Box::pin(judged(world, row)).await.finish().await;
        }
    }
}

fn needs_its_own_world(code: Code) -> bool {
    matches!(
        code,
        Code::KeyEnded
            | Code::CertificateRevoked
            | Code::AgencySuspended
            | Code::OperationDisabled
            | Code::LogUnavailable
    )
}

/// Provokes the row's code and holds what comes against it.
async fn judged(world: World, row: &Row) -> World {
    let before = world.switch.size();
    let said = soon(row.code.name(), Box::pin(provoke(&world, row.code))).await;
    let log = world.switch.switch().log().clone();
    let size = log.head().size();
    match said {
        Said::Sealed(status) => {
            assert_eq!(
                (status, row.stands),
                (AnswerStatus::Refused(row.code), Stands::Sealed)
            );
        }
        Said::Status(refusal) => told(row, &refusal, before, size),
    }
    world
}

fn told(row: &Row, refusal: &Refusal, before: u64, size: u64) {
    let code = row.code;
    assert_eq!(
        (refusal.code, refusal.grpc),
        (Some(code), row.grpc),
        "{refusal:?}"
    );
    assert_eq!(refusal.word("clause"), row.clause, "{code}");
    assert_eq!(refusal.word("remedy_ar"), code.remedy(Language::Arabic));
    assert!(
        refusal
            .message
            .starts_with(code.sentence(Language::English)),
        "{}",
        refusal.message
    );
    let receipt = refusal.receipt.as_ref();
    match row.stands {
        Stands::Nowhere => {
            assert_eq!(
                (refusal.word("recording"), receipt),
                ("not_recorded", None),
                "{code}"
            );
            assert!(refusal.retry.is_some(), "{code}: when to come again");
        }
        Stands::Refusal | Stands::Closing => {
            assert_eq!(refusal.word("recording"), "recorded", "{code}");
            let receipt = receipt.unwrap_or_else(|| panic!("{code} has no receipt"));
            let expected = match (row.stands, code) {
                // Its receipt is the first one's end.
                (_, Code::Duplicate) | (Stands::Closing, _) => Kind::Closing,
                _ => Kind::Refusal,
            };
            assert_eq!(receipt.kind, expected, "{code}");
            assert!((before..size).contains(&receipt.index), "{code}");
            if code != Code::Duplicate {
                let facts = proto::facts::exchange(&receipt.facts).unwrap();
                let recorded = if code == Code::AnswerInvalid {
                    Code::ProviderFailed
                } else {
                    code
                };
                assert_eq!(
                    (facts.code.as_str(), facts.clause.as_str()),
                    (recorded.name(), row.clause),
                    "{code}"
                );
            }
        }
        Stands::Sealed => panic!("{code} came as a status"),
    }
}

/// Makes the switch say `code`. No wildcard: a new code does not compile until somebody knows how.
#[expect(clippy::too_many_lines, reason = "one arm for each code")]
async fn provoke(world: &World, code: Code) -> Said {
    let consumer = world.raw_consumer().await;
    let switch = &world.switch;
    let refused = match code {
        Code::Malformed => {
            let header = [&consumer.header().encode()[..], &[0xf8, 0x07, 0x01]].concat();
            consumer.refused(&consumer.sealed(header.into())).await
        }
        Code::UnknownVersion => {
            let header = [&[0x08, 0x02], &consumer.header().encode()[2..]].concat();
            consumer.refused(&consumer.sealed(header.into())).await
        }
        Code::PayloadMismatch => {
            let mut envelope = consumer.envelope(|_| {});
            envelope.payload = bytes::Bytes::from_static(b"{}");
            consumer.refused(&envelope).await
        }
        Code::TooLarge => {
            let mut envelope = consumer.envelope(|_| {});
            envelope.payload = vec![b'x'; PAYLOAD_BYTES_MAX + 1].into();
            consumer.refused(&envelope).await
        }
        Code::UnknownPeer => {
            let stranger = channel(
                switch.exchange(),
                switch.ground().system_tls("EG/GOV/NOBODY/x"),
            )
            .await
            .unwrap();
            consumer.over(stranger).ask_well().await.unwrap_err()
        }
        Code::WrongSigner => {
            let other = consumer.sealing_with(world.civil.seal_signer());
            other.ask_well().await.unwrap_err()
        }
        Code::BadSeal => {
            let mut envelope = consumer.envelope(|_| {});
            envelope.seal.leaf_index = 1;
            consumer.refused(&envelope).await
        }
        Code::KeyEnded => {
            world.moss.end_key(switch).await;
            consumer.ask_well().await.unwrap_err()
        }
        Code::CertificateRevoked => {
            let deed = AgencyDeed::EndCertificate {
                sha256: Digest(world.moss.certificate_sha256()),
                reason: part("stolen"),
            };
            world.moss.does(switch, deed).await.unwrap();
            // The connection may break under the first call; the next one dials again and is told.
            loop {
                let refusal = consumer.ask_well().await.unwrap_err();
                if refusal.code.is_some() {
                    break refusal;
                }
            }
        }
        Code::AgencySuspended => {
            let deed = OperatorDeed::SuspendAgency {
                agency: world.civil.agency(),
                lifted: false,
                reason: "audit".to_owned(),
            };
            switch.operate(&switch.operator(), deed).await.unwrap();
            consumer.ask_well().await.unwrap_err()
        }
        Code::OperationDisabled => {
            let notice = OperationNotice {
                system: world.civil.system.clone(),
                service: part("persons.v1"),
                operation: Some(part("read")),
                disabled: true,
                notice_ar: "صيانة حتى الغد".to_owned(),
                notice_en: "Maintenance until tomorrow".to_owned(),
            };
            let deed = AgencyDeed::Notice(notice);
            world.civil.does(switch, deed).await.unwrap();
            let refused = consumer.ask_well().await.unwrap_err();
            assert_eq!(refused.word("notice_ar"), "صيانة حتى الغد");
            assert_eq!(refused.word("notice_en"), "Maintenance until tomorrow");
            refused
        }
        Code::Duplicate => {
            let provider = tokio::spawn(world.raw_provider(1).await.answer_all());
            let envelope = consumer.envelope(|_| {});
            consumer.ask(&envelope).await.unwrap();
            let refused = consumer.refused(&envelope).await;
            provider.abort();
            gone(world, provider).await;
            refused
        }
        Code::Stale => {
            consumer
                .refused(&consumer.envelope(|header| header.issued_at_ms -= WINDOW_MS + 1))
                .await
        }
        Code::NoAgreement => {
            consumer
                .refused(&consumer.envelope(|header| header.agreement = None))
                .await
        }
        Code::AgreementExpired => {
            let now_ms = switch.now_ms();
            let terms = Terms {
                validity_ms: Some((now_ms - 2, now_ms - 1)),
                ..Terms::for_agency(&world.moss)
            };
            under(world, &consumer, &terms).await
        }
        Code::AgreementRevoked => {
            let agreement = world
                .civil
                .agree(switch, &world.moss, &Terms::for_agency(&world.moss))
                .await;
            world.civil.revoke(switch, agreement).await;
            consumer
                .refused(&consumer.envelope(|header| header.agreement = Some(agreement)))
                .await
        }
        Code::PurposeNotGranted => {
            consumer
                .refused(&consumer.envelope(|header| header.purpose = part("curiosity")))
                .await
        }
        Code::OperationNotGranted => {
            consumer
                .refused(&consumer.envelope(|header| header.operation = part("erase")))
                .await
        }
        Code::FieldNotGranted => {
            consumer
                .refused(&consumer.envelope(|header| header.fields = parts(&["income", "name"])))
                .await
        }
        Code::DelegationBroken => {
            consumer
                .refused(&consumer.envelope(|header| header.delegation = vec![Digest::of(b"act")]))
                .await
        }
        Code::EncryptionRequired => {
            let terms = Terms {
                sensitivity: Some(part("restricted")),
                ..Terms::for_agency(&world.moss)
            };
            under(world, &consumer, &terms).await
        }
        Code::BorderClosed => {
            switch.admit("JO").await;
            let petra = TestAgency::enrol(switch, "JO/COM/PETRA/office").await;
            let terms = Terms::for_agency(&petra);
            let agreement = world.civil.agree(switch, &petra, &terms).await;
            let abroad = RawConsumer::connect(world, &petra, switch.exchange()).await;
            abroad
                .refused(&abroad.envelope(|header| header.agreement = Some(agreement)))
                .await
        }
        Code::QuotaExceeded => {
            let terms = Terms {
                daily_quota: 1,
                ..Terms::for_agency(&world.moss)
            };
            let agreement = world.civil.agree(switch, &world.moss, &terms).await;
            let provider = tokio::spawn(world.raw_provider(1).await.answer_all());
            consumer
                .ask(&consumer.envelope(|header| header.agreement = Some(agreement)))
                .await
                .unwrap();
            let refused = consumer
                .refused(&consumer.envelope(|header| header.agreement = Some(agreement)))
                .await;
            provider.abort();
            gone(world, provider).await;
            refused
        }
        Code::RateLimited => while_under_way(world, &consumer, &consumer).await,
        Code::Overloaded => {
            let giza = TestAgency::enrol(switch, "EG/GOV/GIZA/services").await;
            let giza = RawConsumer::connect(world, &giza, switch.exchange()).await;
            while_under_way(world, &consumer, &giza).await
        }
        Code::UnknownService => {
            let terms = Terms {
                service: "cars.v1".to_owned(),
                ..Terms::for_agency(&world.moss)
            };
            let agreement = world.civil.agree(switch, &world.moss, &terms).await;
            let envelope = consumer.envelope(|header| {
                header.agreement = Some(agreement);
                header.service = part("cars.v1");
            });
            consumer.refused(&envelope).await
        }
        Code::ProviderOffline => consumer.ask_well().await.unwrap_err(),
        Code::ProviderFailed => {
            let mut provider = world.raw_provider(1).await;
            let asked = tokio::spawn(async move { consumer.ask_well().await.unwrap_err() });
            provider.delivery().await;
            drop(provider);
            asked.await.unwrap()
        }
        Code::LogUnavailable => unreachable!("has a switch of its own, see log_unavailable"),
        // That a real adapter says it, and when, is shown in provider_side and people; here, that it arrives.
        Code::NotLogged | Code::SubjectMismatch => {
            let mut provider = world.raw_provider(1).await;
            let asked = tokio::spawn(async move { consumer.ask_well().await.unwrap() });
            let delivered = provider.delivery().await;
            let answer = provider.answer(&delivered, |header| {
                header.status = AnswerStatus::Refused(code);
                header.fields = Vec::new();
                header.payload = Commitment::new("text/plain", b"", &SALT);
            });
            provider.send_answer(&delivered, &answer).await;
            let answered = asked.await.unwrap();
            drop(provider);
            return Said::Sealed(answered.header.status);
        }
        Code::OperationMismatch => {
            let backend = Backend::new(Does::Fails(Failure::Unavailable)).that_reads("erase");
            // No more than this small switch lets one adapter take.
            let options = adapters::Options {
                max_in_flight: 1,
                ..adapters::Options::default()
            };
            let handle = world
                .civil
                .serve_with(switch.ground(), backend.clone(), options)
                .await;
            let answered = consumer.ask_well().await.unwrap();
            assert_eq!(backend.seen(), 0);
            handle.drain().await.unwrap();
            return Said::Sealed(answered.header.status);
        }
        Code::ContractViolation => {
            consumer
                .refused(&consumer.envelope(|header| header.contract = Digest::of(b"another")))
                .await
        }
        Code::AnswerInvalid => {
            let mut provider = world.raw_provider(1).await;
            let asked = tokio::spawn(async move { consumer.ask_well().await.unwrap_err() });
            let delivered = provider.delivery().await;
            let answer = provider.answer(&delivered, |header| header.fields = parts(&["income"]));
            provider.send_answer(&delivered, &answer).await;
            asked.await.unwrap()
        }
        Code::Deadline => {
            let provider = world.raw_provider(1).await;
            let refused = consumer
                .refused(&consumer.envelope(|header| header.deadline_ms = 50))
                .await;
            drop(provider);
            refused
        }
    };
    Said::Status(Box::new(refused))
}

/// Asks under an agreement of its own with `terms`.
async fn under(world: &World, consumer: &RawConsumer, terms: &Terms) -> Refusal {
    let agreement = world.civil.agree(&world.switch, &world.moss, terms).await;
    consumer
        .refused(&consumer.envelope(|header| header.agreement = Some(agreement)))
        .await
}

/// What `other` hears while `consumer` has the switch's one exchange under way.
async fn while_under_way(world: &World, consumer: &RawConsumer, other: &RawConsumer) -> Refusal {
    let mut provider = world.raw_provider(1).await;
    let asked = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.ask_well().await.unwrap() }
    });
    let delivered = provider.delivery().await;
    let refused = other.ask_well().await.unwrap_err();
    provider.answer_well(&delivered).await;
    asked.await.unwrap();
    refused
}

/// Waits until the switch has noticed that an aborted provider is gone: its exchange must not go there.
async fn gone(world: &World, provider: tokio::task::JoinHandle<()>) {
    let _ = provider.await;
    let consumer = world.raw_consumer().await;
    soon("the provider is gone", async {
        while consumer.ask_well().await.unwrap_err().code != Some(Code::ProviderOffline) {}
    })
    .await;
}

async fn log_unavailable(world: World, row: &Row) {
    let (world, journal) = world.over(|journal| Faulty::new(journal, false)).await;
    journal.fail_after(0);
    let before = world.switch.size();
    let refusal = world.raw_consumer().await.ask_well().await.unwrap_err();
    told(row, &refusal, before, world.switch.size());
    assert_eq!(world.switch.size(), before);
    let (ground, _) = world.switch.bury().await;
    drop(journal);
    tests::check::check_log(&ground.log_dir(), &ground.log_key());
}
