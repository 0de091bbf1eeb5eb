//! What is refused of an event.

use super::*;

const fn wrong(what: &'static str, row: Row, sent: fn(&Bench) -> Sent) -> Wrong {
    let by = By::Civil;
    Wrong {
        what,
        row,
        by,
        sent,
    }
}

/// With this done to its header before it is sealed.
fn with(bench: &Bench, change: impl FnOnce(&mut EventHeader)) -> Sent {
    let mut header = bench.event();
    change(&mut header);
    Sent::Publish(Some(bench.publish(&header)))
}

/// With this done to its bytes before they are sealed.
fn bytes(bench: &Bench, change: impl FnOnce(&mut Vec<u8>)) -> Sent {
    let mut header = bench.event().encode().to_vec();
    change(&mut header);
    Sent::Publish(Some(bench.published(header.into())))
}

/// With this done to what is sent.
fn sent(bench: &Bench, change: impl FnOnce(&mut Envelope)) -> Sent {
    let mut envelope = bench.publish(&bench.event());
    change(&mut envelope);
    Sent::Publish(Some(envelope))
}

/// Sealed so.
fn sealed(bench: &Bench, by: By, label: &str) -> Sent {
    let envelope = bench.sealed(by, label, bench.event().encode());
    Sent::Publish(Some(bench.of(envelope, TOLD)))
}

pub(super) const WRONGS: &[Wrong] = &[
    wrong("an event that is not there", MALFORMED, |_| {
        Sent::Publish(None)
    }),
    wrong("an event cut short", MALFORMED, |bench| {
        bytes(bench, |header| header.truncate(header.len() / 2))
    }),
    wrong("an event without a byte", MALFORMED, |bench| {
        bytes(bench, Vec::clear)
    }),
    wrong(
        "an event with a field that nobody knows",
        MALFORMED,
        |bench| bytes(bench, |header| header.extend([0xf8, 0x07, 0x01])),
    ),
    wrong("an event with its version twice", MALFORMED, |bench| {
        bytes(bench, |header| header.extend([0x08, 0x01]))
    }),
    wrong(
        "an event of another version",
        refusal(Code::UnknownVersion, Grpc::InvalidArgument),
        |bench| bytes(bench, |header| header[1] = 2),
    ),
    wrong("an event whose id is no UUIDv7", MALFORMED, |bench| {
        // Version byte, tag, length, then the id: its version is in the seventh byte.
        bytes(bench, |header| header[10] = 0x40)
    }),
    wrong("an event in chunks", MALFORMED, |bench| {
        with(bench, |header| header.payload.form = Form::Chunks)
    }),
    wrong("a sealed event", MALFORMED, |bench| {
        with(bench, |header| header.payload.form = Form::Sealed)
    }),
    wrong("an event with fields in no order", MALFORMED, |bench| {
        with(bench, |header| {
            header.fields = vec![part("name"), part("alive")];
        })
    }),
    wrong("an event with a salt that is none", MALFORMED, |bench| {
        sent(bench, |envelope| {
            envelope.salt = Bytes::from_static(b"short")
        })
    }),
    wrong(
        "an event that says that it is over the limit",
        refusal(Code::TooLarge, Grpc::InvalidArgument),
        |bench| {
            with(bench, |header| {
                header.payload.length = EVENT_BYTES_MAX as u64 + 1;
            })
        },
    ),
    wrong(
        "an event over the limit",
        refusal(Code::TooLarge, Grpc::InvalidArgument),
        |bench| {
            sent(bench, |envelope| {
                envelope.payload = vec![b'x'; EVENT_BYTES_MAX + 1].into();
            })
        },
    ),
    wrong(
        "an event with a header over the limit",
        refusal(Code::TooLarge, Grpc::InvalidArgument),
        |bench| bytes(bench, |header| header.resize(1 << 20, 0)),
    ),
    wrong(
        "an event with something else in it",
        refusal(Code::PayloadMismatch, Grpc::InvalidArgument),
        |bench| {
            sent(bench, |envelope| {
                envelope.payload = Bytes::from_static(b"{}")
            })
        },
    ),
    wrong(
        "an event with nothing in it",
        refusal(Code::PayloadMismatch, Grpc::InvalidArgument),
        |bench| sent(bench, |envelope| envelope.payload = Bytes::new()),
    ),
    wrong(
        "an event under another salt",
        refusal(Code::PayloadMismatch, Grpc::InvalidArgument),
        |bench| {
            sent(bench, |envelope| {
                envelope.salt = Bytes::from_static(&[8; 32]);
            })
        },
    ),
    wrong("an event sealed by another system", WRONG_SIGNER, |bench| {
        sealed(bench, By::Moss, label::EVENT)
    }),
    wrong("an event sealed as a request", BAD_SEAL, |bench| {
        sealed(bench, By::Civil, label::REQUEST)
    }),
    wrong("an event sealed as a receipt", BAD_SEAL, |bench| {
        sealed(bench, By::Civil, label::EVENT_RECEIPT)
    }),
    wrong("an event with the seal of another", BAD_SEAL, |bench| {
        let other = bench.publish(&bench.event());
        sent(bench, |envelope| envelope.seal = other.seal)
    }),
    wrong("an event at another place in its seal", BAD_SEAL, |bench| {
        sent(bench, |envelope| envelope.seal.leaf_index = 1)
    }),
    wrong("an event for another switch", BAD_SEAL, |bench| {
        let signer = bench.world.civil.seal_signer();
        sent(bench, |envelope| {
            let origin = "another.example/switch";
            envelope.seal = Seal::one(label::EVENT, origin, &envelope.header, &*signer).unwrap();
        })
    }),
    wrong("an event of long ago", STALE, |bench| {
        with(bench, |header| header.issued_at_ms -= WINDOW_MS + 1_000)
    }),
    wrong("an event of the future", STALE, |bench| {
        with(bench, |header| header.issued_at_ms += WINDOW_MS + 60_000)
    }),
    wrong(
        "an event of a service that is not there",
        refusal(Code::UnknownService, Grpc::NotFound),
        |bench| with(bench, |header| header.topic.service = part("births.v1")),
    ),
    wrong(
        "an event of an operation that is not offered",
        refusal(Code::ContractViolation, Grpc::FailedPrecondition),
        |bench| with(bench, |header| header.topic.operation = part("burials")),
    ),
    wrong(
        "an event by another contract",
        refusal(Code::ContractViolation, Grpc::FailedPrecondition),
        |bench| with(bench, |header| header.contract = Digest::of(b"another")),
    ),
    wrong("another event with the id of one", DUPLICATE, |bench| {
        let id = bench.told.event_id;
        with(bench, |header| {
            header.event_id = id;
            header.occurred_at_ms -= 1;
        })
    }),
    Wrong {
        what: "an event that another system brings",
        row: WRONG_SIGNER,
        by: By::Moss,
        sent: |bench| with(bench, |_| {}),
    },
    Wrong {
        what: "an event of a system that offers nothing",
        row: refusal(Code::UnknownService, Grpc::NotFound),
        by: By::Moss,
        sent: |bench| {
            let mut header = bench.event();
            header.topic.publisher = bench.world.moss.system.clone();
            let envelope = bench.sealed(By::Moss, label::EVENT, header.encode());
            Sent::Publish(Some(bench.of(envelope, TOLD)))
        },
    },
];
