//! Headers: one form only.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::commitment::{Commitment, Salt};
use crate::id::SystemId;
use crate::refusal::Code;

fn request() -> RequestHeader {
    RequestHeader {
        exchange_id: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        attempt_of: None,
        run_id: [7; 16],
        sequence: 1,
        consumer: SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
        provider: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
        service: Part::parse("persons.v1").unwrap(),
        operation: Part::parse("lookup").unwrap(),
        contract: Digest::of(b"contract"),
        purpose: Part::parse("takaful-eligibility").unwrap(),
        agreement: Some(Digest::of(b"agreement")),
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: Some(Digest::of(b"case")),
        subjects: vec![Subject {
            scheme: Part::parse("eg-nid").unwrap(),
            pseudonym: Digest::of(b"person"),
        }],
        actor: None,
        fields: vec![
            Part::parse("birth_date").unwrap(),
            Part::parse("name_ar").unwrap(),
        ],
        issued_at_ms: 1_795_000_000_000,
        deadline_ms: 10_000,
        payload: Commitment::new("application/json", b"{}", &Salt([9; 32])),
        seen: Some(Seen {
            size: 5,
            root: Digest::of(b"root"),
        }),
    }
}

#[test]
fn headers_read_as_written() {
    let request = request();
    assert_eq!(RequestHeader::open(&request.encode()).unwrap(), request);
    let answer = AnswerHeader {
        exchange_id: request.exchange_id,
        request_header: Digest::of(&request.encode()),
        request_seal: Digest::of(b"seal"),
        status: AnswerStatus::Refused(Code::PayloadMismatch),
        fields: Vec::new(),
        answered_at_ms: 1,
        payload: Commitment::new("application/json", b"", &Salt([0; 32])),
        seen: None,
    };
    assert_eq!(AnswerHeader::open(&answer.encode()).unwrap(), answer);
    let dispute = DisputeHeader {
        exchange_id: request.exchange_id,
        answer_header: Digest::of(&answer.encode()),
        code: Code::PayloadMismatch,
        issued_at_ms: 2,
    };
    assert_eq!(DisputeHeader::open(&dispute.encode()).unwrap(), dispute);
}

#[test]
fn a_cut_or_lengthened_header_never_opens_as_the_same() {
    let bytes = request().encode();
    for len in 0..bytes.len() {
        // Without its last, optional field a header is whole, but another one under another hash.
        if let Ok(cut) = RequestHeader::open(&bytes[..len]) {
            assert_eq!(
                cut,
                RequestHeader {
                    seen: None,
                    ..request()
                },
                "cut at {len}"
            );
        }
    }
    for byte in 0..=255 {
        assert!(RequestHeader::open(&[&bytes[..], &[byte]].concat()).is_err());
    }
}

#[test]
fn other_spellings_of_the_same_message_are_malformed() {
    let malformed = |bytes: Vec<u8>, what: &str| {
        assert!(
            matches!(RequestHeader::open(&bytes), Err(HeaderError::Malformed(_))),
            "{what}"
        );
    };
    let bytes = request().encode().to_vec();
    assert_eq!(bytes[..2], [0x08, 0x01], "field 1 is the version");
    malformed([&[0x08, 0x01][..], &bytes].concat(), "a field twice");
    malformed([&bytes[2..], &bytes[..2]].concat(), "fields out of order");
    malformed(
        [&[0x08, 0x81, 0x00][..], &bytes[2..]].concat(),
        "a wide varint",
    );
    malformed(
        [&bytes[..], &[0xf8, 0x07, 0x01]].concat(),
        "an unknown field 127",
    );
    malformed(
        [&bytes[..], &[0x1a, 0x00]].concat(),
        "a default written out",
    );
    malformed(bytes[2..].to_vec(), "no version");
}

#[test]
fn a_later_version_is_unknown_rather_than_malformed() {
    let bytes = request().encode();
    let later = [&[0x08, 0x02][..], &bytes[2..], &[0xf8, 0x07, 0x01]].concat();
    assert_eq!(
        RequestHeader::open(&later),
        Err(HeaderError::UnknownVersion(2))
    );
}

#[test]
fn fields_out_of_order_or_twice_are_malformed() {
    for fields in [["b", "a"], ["a", "a"]] {
        let mut bad = request();
        bad.fields = fields.map(|field| Part::parse(field).unwrap()).to_vec();
        assert!(RequestHeader::open(&bad.encode()).is_err());
    }
}

#[test]
fn huge_headers_are_too_large_before_they_are_read() {
    let huge = vec![0x0a; crate::limits::HEADER_BYTES_MAX + 1];
    assert!(matches!(
        RequestHeader::open(&huge),
        Err(HeaderError::TooLarge { .. })
    ));
}

#[test]
fn the_fullest_header_fits_its_limit() {
    let mut full = request();
    full.attempt_of = Some(full.exchange_id);
    full.external_id_hash = Some(Digest::default());
    full.actor = Some(Digest::default());
    full.fields = (0..16)
        .map(|i| Part::parse(&format!("{i:02}{}", "f".repeat(62))).unwrap())
        .collect();
    full.delegation = vec![Digest::default(); 4];
    full.subjects = vec![full.subjects[0].clone(); 8];
    assert!(
        full.encode().len() <= crate::limits::HEADER_BYTES_MAX,
        "{}",
        full.encode().len()
    );
}

#[test]
fn a_payload_form_of_the_future_is_refused() {
    let mut wire = crate::wire::exchange::v1::RequestHeader::decode(request().encode()).unwrap();
    wire.payload.as_mut().unwrap().form = 9;
    assert!(RequestHeader::open(&wire.encode_to_vec()).is_err());
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_what_opens_is_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(header) = RequestHeader::open(&bytes) {
            prop_assert_eq!(header.encode(), Bytes::from(bytes));
        }
    }

    #[test]
    fn a_flipped_bit_never_opens_as_the_same_header(bit in 0usize..8 * 300) {
        let good = request();
        let mut bytes = good.encode().to_vec();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(header) = RequestHeader::open(&bytes) {
            prop_assert_ne!(header, good);
        }
    }
}
