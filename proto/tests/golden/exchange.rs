//! The second part of the golden log: a request, its answer, a refusal and a dispute.

use bytes::Bytes;
use proto::authorise::{
    Clause, SealedRequest, authorise, locate, verify_answer, verify_dispute, verify_request,
};
use proto::commitment::{Commitment, Salt};
use proto::entry::Kind;
use proto::facts::{self, ExchangeFacts};
use proto::header::{
    AnswerHeader, AnswerStatus, DisputeHeader, Outcome, RequestHeader, Seen, Subject,
};
use proto::id::ExchangeId;
use proto::limits::label;
use proto::seal::Seal;
use proto::{Code, Digest};

use crate::log::{GoldenLog, T0_MS};
use crate::registry::{Keys, agency, civil, moss, part, parts};

/// What the first part of the log made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) agreement: Digest,
    pub(crate) contract: Digest,
}

/// A recorded request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) header: Bytes,
    pub(crate) opened: RequestHeader,
    pub(crate) seal: Seal,
    pub(crate) index: u64,
}

/// A UUIDv7 of the golden log: the time, the version and variant bits, and `n`.
fn exchange_id(at_ms: u64, n: u8) -> ExchangeId {
    let mut id = [n; 16];
    id[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
    id[6] = 0x70;
    id[8] = 0x80;
    ExchangeId::from_slice(&id).unwrap()
}

fn commit(log: &mut GoldenLog, name: &str, payload: &[u8], salt: u8) -> Commitment {
    let commitment = Commitment::new("application/json", payload, &Salt([salt; 32]));
    log.book.put(&format!("{name}.payload"), payload);
    log.book.put(&format!("{name}.salt"), [salt; 32]);
    log.book.put(&format!("{name}.hmac"), commitment.hmac);
    commitment.open(payload, &[salt; 32]).unwrap();
    commitment
}

pub(crate) fn header(terms: Terms, at_ms: u64, n: u8, payload: Commitment) -> RequestHeader {
    RequestHeader {
        exchange_id: exchange_id(at_ms, n),
        attempt_of: None,
        run_id: [0x99; 16],
        sequence: u64::from(n),
        consumer: moss(),
        provider: civil(),
        service: part("households.v1"),
        operation: part("lookup"),
        contract: terms.contract,
        purpose: part("takaful.eligibility"),
        agreement: Some(terms.agreement),
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: Vec::new(),
        actor: None,
        fields: parts(&["members", "status"]),
        issued_at_ms: at_ms,
        deadline_ms: 10_000,
        payload,
        seen: None,
    }
}

pub(crate) fn exchange_facts(at_ms: u64, code: &str, terms: Terms) -> ExchangeFacts {
    ExchangeFacts {
        peer_sha256: vec![0xc1; 32].into(),
        decided_at_ms: at_ms,
        code: code.to_owned(),
        agreement: terms.agreement.0.to_vec().into(),
        grant: 1,
        ..ExchangeFacts::default()
    }
}

/// Asks, is permitted, is recorded.
pub(crate) fn ask(log: &mut GoldenLog, keys: &Keys, terms: Terms) -> Asked {
    let at_ms = T0_MS + 11_000;
    let payload = commit(log, "request", br#"{"household":"H-1007"}"#, 0x55);
    let asked = RequestHeader {
        subjects: vec![Subject {
            scheme: part("eg-household"),
            pseudonym: Digest([0x5b; 32]),
        }],
        actor: Some(Digest([0xac; 32])),
        seen: Some(Seen {
            size: 2,
            root: proto::digest::tree_head(&log.leaves[..2]),
        }),
        ..header(terms, at_ms, 1, payload)
    };
    let bytes = asked.encode();
    let seal = log.seal("request", label::REQUEST, &bytes, &keys.moss_seal);
    let opened = verify_request(&log.registry, &bytes, &seal, None).unwrap();
    assert_eq!(opened, asked);
    let permission = authorise(&log.registry, &opened, at_ms).unwrap();
    assert_eq!(
        (permission.agreement, permission.grant),
        (terms.agreement, 1)
    );
    locate(&log.registry, &opened).unwrap();
    let facts = ExchangeFacts {
        quota_used: 1,
        decide_us: 180,
        ..exchange_facts(at_ms + 5, "", terms)
    };
    let sealed = Some((bytes.clone(), seal.clone()));
    let index = log.record("request", Kind::Request, facts::encode(&facts), sealed);
    Asked {
        header: bytes,
        opened,
        seal,
        index,
    }
}

/// The answer and the closing entry that names the request entry. Gives the answer header.
pub(crate) fn answer(log: &mut GoldenLog, keys: &Keys, terms: Terms, asked: &Asked) -> Bytes {
    let at_ms = T0_MS + 11_040;
    let payload = commit(log, "answer", br#"{"members":4,"status":"active"}"#, 0x66);
    let answer = AnswerHeader {
        exchange_id: asked.opened.exchange_id,
        request_header: Digest::of(&asked.header),
        request_seal: Digest::of(&asked.seal.cose),
        status: AnswerStatus::Answered,
        fields: parts(&["members", "status"]),
        answered_at_ms: at_ms,
        payload,
        seen: None,
    };
    let bytes = answer.encode();
    let seal = log.seal("answer", label::ANSWER, &bytes, &keys.civil_seal);
    let request = SealedRequest {
        header: &asked.header,
        opened: &asked.opened,
        seal: &asked.seal,
    };
    verify_answer(&log.registry, request, &bytes, &seal, None).unwrap();
    let facts = ExchangeFacts {
        peer_sha256: vec![0xc2; 32].into(),
        request_index: asked.index,
        request_leaf: log.leaves[asked.index as usize].0.to_vec().into(),
        provider_us: 9_400,
        ..exchange_facts(at_ms + 2, Outcome::Answered.name(), terms)
    };
    let sealed = Some((bytes.clone(), seal));
    log.record("answer", Kind::Closing, facts::encode(&facts), sealed);
    bytes
}

/// Three requests sealed together; the one in the middle asks for a field that is not granted.
pub(crate) fn refuse(log: &mut GoldenLog, keys: &Keys, terms: Terms) {
    let at_ms = T0_MS + 13_000;
    let payload = commit(log, "batch", br#"{"household":"H-2001"}"#, 0x57);
    let mut asked: Vec<RequestHeader> = (2..=4)
        .map(|n| header(terms, at_ms, n, payload.clone()))
        .collect();
    asked[1].fields = parts(&["income", "members"]);
    let bytes: Vec<Bytes> = asked.iter().map(RequestHeader::encode).collect();
    let headers: Vec<&[u8]> = bytes.iter().map(|header| &header[..]).collect();
    let names = ["batch_0", "batch_1", "batch_2"];
    let seals = log.seal_batch(&names, label::REQUEST, &headers, &keys.moss_seal);
    let denial = authorise(&log.registry, &asked[1], at_ms).unwrap_err();
    assert_eq!(denial.code, Code::FieldNotGranted);
    assert_eq!(denial.clause, Clause::Field("income".to_owned()));
    let facts = ExchangeFacts {
        clause: denial.clause.to_string(),
        grant: denial.grant,
        ..exchange_facts(at_ms + 4, denial.code.name(), terms)
    };
    let sealed = Some((bytes[1].clone(), seals[1].clone()));
    log.record("refusal", Kind::Refusal, facts::encode(&facts), sealed);
}

/// The consumer objects to the answer.
pub(crate) fn dispute(
    log: &mut GoldenLog,
    keys: &Keys,
    terms: Terms,
    (asked, answer): (&Asked, &Bytes),
) {
    let at_ms = T0_MS + 14_000;
    let dispute = DisputeHeader {
        exchange_id: asked.opened.exchange_id,
        answer_header: Digest::of(answer),
        code: Code::PayloadMismatch,
        issued_at_ms: at_ms,
    };
    let bytes = dispute.encode();
    let seal = log.seal("dispute", label::DISPUTE, &bytes, &keys.moss_seal);
    verify_dispute(&log.registry, &bytes, &seal, &moss()).unwrap();
    let facts = ExchangeFacts {
        request_index: asked.index,
        request_leaf: log.leaves[asked.index as usize].0.to_vec().into(),
        ..exchange_facts(at_ms + 1, dispute.code.name(), terms)
    };
    let sealed = Some((bytes, seal));
    log.record("dispute", Kind::Dispute, facts::encode(&facts), sealed);
}

/// A request by an agency to which the grant was handed on. It is sealed and judged, and not recorded.
pub(crate) fn ask_by_delegation(
    log: &mut GoldenLog,
    keys: &Keys,
    terms: Terms,
    delegation: Digest,
) -> RequestHeader {
    let at_ms = log.now_ms();
    let payload = commit(log, "delegated", br#"{"household":"H-3001"}"#, 0x58);
    let asked = RequestHeader {
        consumer: agency("GIZA").system(&part("centre")),
        delegation: vec![delegation],
        fields: parts(&["status"]),
        ..header(terms, at_ms, 5, payload)
    };
    let (name, bytes) = ("delegated", asked.encode());
    let seal = log.seal(name, label::REQUEST, &bytes, &keys.giza_seal);
    assert_eq!(
        verify_request(&log.registry, &bytes, &seal, None).unwrap(),
        asked
    );
    asked
}
