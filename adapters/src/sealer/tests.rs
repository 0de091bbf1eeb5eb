//! The sealer: batches hold, numbers are given once, labels are never mixed.

use std::time::Instant;

use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::id::{ExchangeId, Part, SystemId};
use proto::refusal::Code;

use super::*;
use crate::identity::FileSigner;

const ORIGIN: &str = "switch.test/log";

fn signer() -> (tempfile::TempDir, Arc<dyn Signer>) {
    let dir = tempfile::tempdir().unwrap();
    let signer = FileSigner::load_or_make(&dir.path().join("seal.key")).unwrap();
    (dir, Arc::new(signer))
}

fn request() -> RequestHeader {
    let system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    let part = |text| Part::parse(text).unwrap();
    RequestHeader {
        exchange_id: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b").unwrap(),
        attempt_of: None,
        run_id: [0; 16],
        sequence: 0,
        consumer: system.clone(),
        provider: system,
        service: part("persons.v1"),
        operation: part("lookup"),
        contract: Digest::default(),
        purpose: part("benefit"),
        agreement: None,
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: Vec::new(),
        actor: None,
        fields: Vec::new(),
        issued_at_ms: 1,
        deadline_ms: 1_000,
        payload: Commitment::new("text/plain", b"x", &Salt([7; 32])),
        seen: None,
    }
}

fn dispute() -> DisputeHeader {
    DisputeHeader {
        exchange_id: request().exchange_id,
        answer_header: Digest::of(b"answer"),
        code: Code::PayloadMismatch,
        issued_at_ms: 5,
    }
}

fn shared(signer: &Arc<dyn Signer>, together: usize) -> Shared {
    let held = Held {
        signer: Arc::clone(signer),
        run_id: [9; 16],
    };
    Shared::new(held, ORIGIN, together)
}

#[test]
fn settings_that_say_so_seal_each_alone() {
    let (_dir, signer) = signer();
    let (queue, jobs) = mpsc::channel(QUEUE);
    let mut replies = Vec::new();
    for _ in 0..5 {
        let (reply, sealed) = oneshot::channel();
        let unsealed = Unsealed::Request(Box::new(request()));
        queue.try_send(Job { unsealed, reply }).unwrap();
        replies.push(sealed);
    }
    drop(queue);
    shared(&signer, 1).serve(jobs);
    for reply in replies {
        let sealed = reply.blocking_recv().unwrap().unwrap();
        assert_eq!((sealed.seal.tree_size, sealed.seal.path.len()), (1, 0));
    }
}

#[test]
fn what_waits_together_is_sealed_together_and_each_verifies_alone() {
    let (_dir, signer) = signer();
    let (queue, jobs) = mpsc::channel(QUEUE);
    let shared = shared(&signer, SEAL_SIZE_MAX as usize);
    // 70 requests and one dispute wait before the thread looks.
    let mut replies = Vec::new();
    for number in 0..71 {
        let (reply, sealed) = oneshot::channel();
        let unsealed = if number == 5 {
            Unsealed::Dispute(dispute())
        } else {
            Unsealed::Request(Box::new(request()))
        };
        queue.try_send(Job { unsealed, reply }).unwrap();
        replies.push(sealed);
    }
    drop(queue);
    shared.serve(jobs);
    let mut sequences = Vec::new();
    let mut sizes = Vec::new();
    for (number, reply) in replies.into_iter().enumerate() {
        let sealed = reply.blocking_recv().unwrap().unwrap();
        sizes.push(sealed.seal.tree_size);
        let verify = |label| {
            sealed
                .seal
                .verify(label, ORIGIN, &sealed.header, signer.key())
        };
        if number == 5 {
            verify(label::DISPUTE).unwrap();
            assert!(verify(label::REQUEST).is_err());
        } else {
            verify(label::REQUEST).unwrap();
            assert!(verify(label::ANSWER).is_err());
            let opened = RequestHeader::open(&sealed.header).unwrap();
            assert_eq!(opened.run_id, [9; 16]);
            sequences.push(opened.sequence);
        }
    }
    assert_eq!(sequences, (1..=70).collect::<Vec<u64>>());
    assert_eq!(sizes.iter().filter(|size| **size == 63).count(), 63);
    assert_eq!(sizes.iter().filter(|size| **size == 7).count(), 7);
    assert_eq!(sizes[5], 1);
}

#[tokio::test]
async fn alone_it_is_the_same_format_with_an_empty_path() {
    let (_dir, signer) = signer();
    let sealer = Sealer::start(Arc::clone(&signer), ORIGIN).unwrap();
    let sealed = sealer.dispute(dispute()).await.unwrap();
    assert_eq!((sealed.seal.tree_size, sealed.seal.path.len()), (1, 0));
    sealed
        .seal
        .verify(label::DISPUTE, ORIGIN, &sealed.header, signer.key())
        .unwrap();
}

#[tokio::test]
async fn a_header_over_its_limit_is_not_sealed() {
    let (_dir, signer) = signer();
    let sealer = Sealer::start(signer, ORIGIN).unwrap();
    let mut header = request();
    header.fields = (0..64)
        .map(|n| Part::parse(&format!("{}{n:02}", "f".repeat(60))).unwrap())
        .collect();
    assert!(matches!(
        sealer.request(header).await,
        Err(SealerError::TooLarge(_))
    ));
}

/// A sealer without a thread: whoever is not sealed at once waits in the queue.
fn unserved(signer: &Arc<dyn Signer>) -> (Sealer, mpsc::Receiver<Job>) {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let shared = Arc::new(shared(signer, SEAL_SIZE_MAX as usize));
    (Sealer { queue, shared }, jobs)
}

#[test]
fn one_that_comes_alone_is_sealed_by_whoever_asks_and_the_next_waits_for_company() {
    let (_dir, signer) = signer();
    let (sealer, _jobs) = unserved(&signer);
    let ask = || sealer.at_once(Unsealed::Request(Box::new(request())));
    let first = ask().unwrap().unwrap();
    assert_eq!(RequestHeader::open(&first.header).unwrap().sequence, 1);
    // Long before the pause is over.
    sealer.shared.desk().sealed = Some(Instant::now() + Duration::from_secs(60));
    assert!(ask().is_err());
    {
        let mut desk = sealer.shared.desk();
        desk.sealed = Instant::now().checked_sub(Duration::from_secs(1));
        // Whatever else this machine did meanwhile.
        desk.slow = false;
    }
    let second = ask().unwrap().unwrap();
    assert_eq!(RequestHeader::open(&second.header).unwrap().sequence, 2);
}

#[test]
fn nobody_is_sealed_at_once_while_others_wait_are_to_come_or_signing_is_slow() {
    let (_dir, signer) = signer();
    let (sealer, _jobs) = unserved(&signer);
    let is_at_once = || {
        sealer.shared.desk().sealed = None;
        let asked = sealer.at_once(Unsealed::Request(Box::new(request())));
        asked.is_ok()
    };
    let change = |change: fn(&mut Desk)| change(&mut sealer.shared.desk());
    assert!(is_at_once());
    change(|desk| desk.gathering = true);
    assert!(!is_at_once());
    change(|desk| (desk.gathering, desk.slow) = (false, true));
    assert!(!is_at_once());
    change(|desk| (desk.slow, desk.carried) = (false, 2));
    assert!(!is_at_once());
    change(|desk| desk.carried = 1);
    let (reply, _sealed) = oneshot::channel();
    let unsealed = Unsealed::Dispute(dispute());
    sealer.queue.try_send(Job { unsealed, reply }).unwrap();
    assert!(!is_at_once());
}
