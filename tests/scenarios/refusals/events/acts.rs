//! What is refused of subscriptions, their ends, receipts, pulling and redelivering.

use super::*;

const fn wrong(what: &'static str, row: Row, sent: fn(&Bench) -> Sent) -> Wrong {
    let by = By::Moss;
    Wrong {
        what,
        row,
        by,
        sent,
    }
}

/// A subscription with this done to its header before it is sealed.
fn with(bench: &Bench, change: impl FnOnce(&mut SubscriptionHeader)) -> Sent {
    let mut header = bench.subscription();
    change(&mut header);
    Sent::Begin(Some(bench.begin(&header)))
}

/// With this done to its bytes before they are sealed.
fn bytes(bench: &Bench, change: impl FnOnce(&mut Vec<u8>)) -> Sent {
    let mut header = bench.subscription().encode().to_vec();
    change(&mut header);
    Sent::Begin(Some(bench.sealed(
        By::Moss,
        label::SUBSCRIPTION,
        header.into(),
    )))
}

fn end(bench: &Bench, by: By, label: &str) -> Sent {
    let header = bench.end_header(bench.held.subscription_id).encode();
    Sent::End(bench.sealed(by, label, header))
}

/// The receipt of the one event that is not acknowledged, with this done to it.
fn receipt(bench: &Bench, change: impl FnOnce(&mut EventReceiptHeader)) -> Sent {
    let mut header = bench.receipt(&bench.told);
    change(&mut header);
    Sent::Acknowledge(vec![bench.received(&header)])
}

fn receipt_by(bench: &Bench, by: By, label: &str) -> Sent {
    let header = bench.receipt(&bench.told).encode();
    Sent::Acknowledge(vec![bench.sealed(by, label, header)])
}

pub(super) const WRONGS: &[Wrong] = &[
    wrong("a subscription that is not there", MALFORMED, |_| {
        Sent::Begin(None)
    }),
    wrong("a subscription cut short", MALFORMED, |bench| {
        bytes(bench, |header| header.truncate(header.len() - 3))
    }),
    wrong("a subscription with a field too many", MALFORMED, |bench| {
        bytes(bench, |header| header.extend([0xf8, 0x07, 0x01]))
    }),
    wrong(
        "a subscription of another version",
        refusal(Code::UnknownVersion, Grpc::InvalidArgument),
        |bench| bytes(bench, |header| header[1] = 2),
    ),
    wrong("a subscription with a payload", MALFORMED, |bench| {
        let envelope = bench.begin(&bench.subscription());
        Sent::Begin(Some(bench.of(envelope, TOLD)))
    }),
    wrong(
        "a subscription that is patient for ever",
        MALFORMED,
        |bench| with(bench, |header| header.attempts = Some(1_001)),
    ),
    wrong("a subscription with pauses of a day", MALFORMED, |bench| {
        with(bench, |header| header.pause_ms = Some(86_400_000))
    }),
    wrong("a subscription sealed by another", WRONG_SIGNER, |bench| {
        let header = bench.subscription().encode();
        Sent::Begin(Some(bench.sealed(By::Civil, label::SUBSCRIPTION, header)))
    }),
    wrong("a subscription sealed as its end", BAD_SEAL, |bench| {
        let header = bench.subscription().encode();
        let by = By::Moss;
        Sent::Begin(Some(bench.sealed(by, label::SUBSCRIPTION_END, header)))
    }),
    Wrong {
        what: "a subscription that another system brings",
        row: WRONG_SIGNER,
        by: By::Civil,
        sent: |bench| with(bench, |_| {}),
    },
    wrong("a subscription of long ago", STALE, |bench| {
        with(bench, |header| header.issued_at_ms -= WINDOW_MS + 1_000)
    }),
    wrong(
        "a subscription without an agreement",
        denied(Code::NoAgreement, "agreement"),
        |bench| with(bench, |header| header.agreement = None),
    ),
    wrong(
        "a subscription for another purpose",
        denied(Code::PurposeNotGranted, "purpose"),
        |bench| with(bench, |header| header.purpose = part("curiosity")),
    ),
    wrong(
        "a subscription to another operation",
        denied(Code::OperationNotGranted, "operation"),
        |bench| with(bench, |header| header.topic.operation = part("erase")),
    ),
    wrong(
        "a subscription to another service",
        denied(Code::OperationNotGranted, "service"),
        |bench| with(bench, |header| header.topic.service = part("births.v1")),
    ),
    wrong(
        "a subscription to a field that is not granted",
        denied(Code::FieldNotGranted, "field income"),
        |bench| with(bench, |header| header.fields = parts(&["income", "name"])),
    ),
    wrong(
        "a subscription by a delegation that is none",
        denied(Code::DelegationBroken, "delegation 1"),
        |bench| with(bench, |header| header.delegation = vec![Digest::of(b"act")]),
    ),
    wrong(
        "a subscription under a `restricted` grant",
        denied(Code::EncryptionRequired, "encryption"),
        |bench| with(bench, |header| header.agreement = Some(bench.restricted)),
    ),
    wrong("a subscription with the id of one", DUPLICATE, |bench| {
        let id = bench.held.subscription_id;
        with(bench, |header| {
            header.subscription_id = id;
            header.attempts = Some(3);
        })
    }),
    wrong("a subscription again that has ended", DUPLICATE, |bench| {
        Sent::Begin(Some(bench.begin(&bench.ended)))
    }),
    wrong("the end of what never began", STALE, |bench| {
        let header = bench.end_header(bench.id()).encode();
        Sent::End(bench.sealed(By::Moss, label::SUBSCRIPTION_END, header))
    }),
    wrong("the end of what has ended", STALE, |bench| {
        Sent::End(bench.end(&bench.ended))
    }),
    wrong("an end sealed by another", WRONG_SIGNER, |bench| {
        end(bench, By::Civil, label::SUBSCRIPTION_END)
    }),
    wrong("an end sealed as a subscription", BAD_SEAL, |bench| {
        end(bench, By::Moss, label::SUBSCRIPTION)
    }),
    wrong("an end with a payload", MALFORMED, |bench| {
        Sent::End(bench.of(bench.end(&bench.held), TOLD))
    }),
    wrong("an end of long ago", STALE, |bench| {
        let mut header = bench.end_header(bench.held.subscription_id);
        header.issued_at_ms -= WINDOW_MS + 1_000;
        let header = header.encode();
        Sent::End(bench.sealed(By::Moss, label::SUBSCRIPTION_END, header))
    }),
    wrong("a receipt for no subscription", STALE, |bench| {
        let id = bench.id();
        receipt(bench, |header| header.subscription_id = id)
    }),
    wrong("a receipt for one that has ended", STALE, |bench| {
        let id = bench.ended.subscription_id;
        receipt(bench, |header| header.subscription_id = id)
    }),
    wrong("a receipt of no event", STALE, |bench| {
        let id = bench.id();
        receipt(bench, |header| header.event_id = id)
    }),
    wrong(
        "a receipt of another event with that id",
        MALFORMED,
        |bench| receipt(bench, |header| header.event_header = Digest::of(b"another")),
    ),
    wrong("a receipt sealed by another", WRONG_SIGNER, |bench| {
        receipt_by(bench, By::Civil, label::EVENT_RECEIPT)
    }),
    wrong("a receipt sealed as an event", BAD_SEAL, |bench| {
        receipt_by(bench, By::Moss, label::EVENT)
    }),
    wrong("a receipt with a payload", MALFORMED, |bench| {
        let envelope = bench.received(&bench.receipt(&bench.told));
        Sent::Acknowledge(vec![bench.of(envelope, TOLD)])
    }),
    wrong(
        "a receipt that refuses by a word that is none",
        MALFORMED,
        |bench| {
            let mut header = bench.receipt(&bench.told);
            header.refusal = Some(Code::Malformed);
            let text = header.encode();
            let at = text.windows(9).position(|bytes| bytes == b"malformed");
            let mut text = text.to_vec();
            text[at.unwrap()] = b'w';
            Sent::Acknowledge(vec![bench.sealed(
                By::Moss,
                label::EVENT_RECEIPT,
                text.into(),
            )])
        },
    ),
    Wrong {
        what: "a receipt of a system that does not follow",
        row: STALE,
        by: By::Civil,
        sent: |bench| receipt_by(bench, By::Civil, label::EVENT_RECEIPT),
    },
    wrong(
        "another word on an event that was taken",
        DUPLICATE,
        |bench| {
            let mut header = bench.receipt(&bench.taken);
            header.refusal = Some(Code::ContractViolation);
            Sent::Acknowledge(vec![bench.received(&header)])
        },
    ),
    wrong("more receipts than may come at once", TOO_MANY, |bench| {
        let receipt = bench.received(&bench.receipt(&bench.told));
        Sent::Acknowledge(vec![receipt; 65])
    }),
    wrong("pulled by an id that is none", NO_ID, |_| {
        Sent::Pull(vec![7; 3])
    }),
    wrong("pulled for no subscription", UNKNOWN, |bench| {
        Sent::Pull(bench.id().as_bytes().to_vec())
    }),
    wrong("pulled for one that has ended", UNKNOWN, |bench| {
        Sent::Pull(bench.ended.subscription_id.as_bytes().to_vec())
    }),
    Wrong {
        what: "pulled by another",
        row: UNKNOWN,
        by: By::Civil,
        sent: |bench| Sent::Pull(bench.held.subscription_id.as_bytes().to_vec()),
    },
    wrong("brought again by an id that is none", NO_ID, |bench| {
        let subscription = bench.held.subscription_id.as_bytes().to_vec();
        Sent::Redeliver(subscription, vec![7; 17])
    }),
    wrong("brought again for no subscription", UNKNOWN, |bench| {
        Sent::Redeliver(bench.id().as_bytes().to_vec(), Vec::new())
    }),
    wrong("brought again what never was", UNKNOWN, |bench| {
        let subscription = bench.held.subscription_id.as_bytes().to_vec();
        Sent::Redeliver(subscription, bench.id().as_bytes().to_vec())
    }),
    Wrong {
        what: "brought again by another",
        row: UNKNOWN,
        by: By::Civil,
        sent: |bench| {
            let subscription = bench.held.subscription_id.as_bytes().to_vec();
            Sent::Redeliver(subscription, Vec::new())
        },
    },
];

const TOO_MANY: Row = nowhere(Code::Malformed, Grpc::InvalidArgument);
const NO_ID: Row = nowhere(Code::Malformed, Grpc::InvalidArgument);
const UNKNOWN: Row = nowhere(Code::Stale, Grpc::FailedPrecondition);
