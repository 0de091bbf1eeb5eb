//! What a switch or provider could hand a consumer, and that none of it reaches the caller.

use proto::header::RequestHeader;
use proto::wire::audit::v1::RecordedEntry;

use super::*;
use crate::testing::{NOW, World, part};
use proto::authorise::{Choice, choose};

/// A whole exchange, but for what the closures change.
struct Exchange {
    world: World,
    request: Envelope,
    request_index: u64,
    response: wire::CallResponse,
}

fn exchange(
    answer: impl FnOnce(&World, &Envelope) -> Envelope,
    closing: impl FnOnce(&mut proto::facts::ExchangeFacts),
) -> Exchange {
    let mut world = World::new();
    let request = world.request(|_| {});
    let request_index = world.record_request(&request);
    let answer = answer(&world, &request);
    let index = world.record_answer(&answer, request_index, closing);
    let entry = &world.entries[request_index as usize];
    let response = wire::CallResponse {
        answer: Some(answer.to_wire()),
        receipt: Some(world.receipt(index).to_wire()),
        request: Some(RecordedEntry {
            index: request_index,
            kind: u32::from(entry.kind as u8),
            stamp: Bytes::copy_from_slice(&entry.stamp.encode()),
            facts: entry.facts.clone(),
        }),
    };
    Exchange {
        world,
        request,
        request_index,
        response,
    }
}

impl Exchange {
    fn judge(&self) -> Result<AnswerHeader, Untrusted> {
        let returned = open(self.response.clone())?;
        let proven = proof(
            &returned,
            Kind::Closing,
            &NoteMemory::new(self.world.log_key()),
        )?;
        let opened = RequestHeader::open(&self.request.header).unwrap();
        let request = SealedRequest {
            header: &self.request.header,
            opened: &opened,
            seal: &self.request.seal,
        };
        let header = answer(
            &self.world.registry,
            request,
            &returned,
            &proven,
            (&SealMemory::default(), 0),
        )?;
        contents(&header, &returned.envelope)?;
        Ok(header)
    }
}

fn honest(world: &World, request: &Envelope) -> Envelope {
    world.answer(request, &world.provider.seal, |_| {})
}

#[test]
fn an_honest_answer_is_handed_out() {
    let header = exchange(honest, |_| {}).judge().unwrap();
    assert_eq!(header.fields, [part("alive")]);
}

#[test]
fn an_answer_by_another_key_for_another_request_or_with_more_fields_is_not() {
    let judged =
        |answer: fn(&World, &Envelope) -> Envelope| exchange(answer, |_| {}).judge().unwrap_err();
    let by_another = judged(|world, request| world.answer(request, &world.consumer.seal, |_| {}));
    assert!(matches!(by_another, Untrusted::Fault(AnswerFault::Seal)));
    let by_the_log = judged(|world, request| world.answer(request, &world.log, |_| {}));
    assert!(matches!(by_the_log, Untrusted::Fault(AnswerFault::Seal)));
    let other = judged(|world, _| {
        let another = world.request(|_| {});
        world.answer(&another, &world.provider.seal, |_| {})
    });
    assert!(matches!(
        other,
        Untrusted::Fault(AnswerFault::OtherExchange)
    ));
    let more = judged(|world, request| {
        world.answer(request, &world.provider.seal, |header| {
            header.fields = vec![part("income")]
        })
    });
    assert!(matches!(more, Untrusted::Fault(AnswerFault::Field(field)) if field == "income"));
}

#[test]
fn a_closing_entry_of_another_request_or_outcome_is_not_ours() {
    let judged = |closing: fn(&mut proto::facts::ExchangeFacts)| {
        exchange(honest, closing).judge().unwrap_err()
    };
    assert!(matches!(
        judged(|facts| facts.request_index -= 1),
        Untrusted::OtherRequest
    ));
    assert!(matches!(
        judged(|facts| facts.request_leaf = Bytes::new()),
        Untrusted::OtherRequest
    ));
    assert!(matches!(
        judged(|facts| facts.code = "provider_failed".to_owned()),
        Untrusted::OtherOutcome(code) if code == "provider_failed"
    ));
    // The switch says another stamp for our request than the one that it recorded.
    let mut told = exchange(honest, |_| {});
    let request = told.response.request.as_mut().unwrap();
    let mut stamp = told.world.entries[told.request_index as usize].stamp;
    stamp.recorded_at_us -= 1;
    request.stamp = Bytes::copy_from_slice(&stamp.encode());
    assert!(matches!(told.judge(), Err(Untrusted::OtherRequest)));
}

#[test]
fn an_answer_that_is_not_proved_to_be_recorded_is_not_handed_out() {
    let mut unrecorded = exchange(honest, |_| {});
    unrecorded.response.receipt = None;
    assert!(matches!(
        unrecorded.judge(),
        Err(Untrusted::Malformed("receipt"))
    ));
    // The receipt of the request instead.
    let mut swapped = exchange(honest, |_| {});
    swapped.response.receipt = Some(swapped.world.receipt(swapped.request_index).to_wire());
    assert!(matches!(swapped.judge(), Err(Untrusted::NotRecorded(_))));
    // The receipt of another log.
    let mut foreign = exchange(honest, |_| {});
    foreign.response.receipt = exchange(honest, |_| {}).response.receipt;
    assert!(matches!(foreign.judge(), Err(Untrusted::NotRecorded(_))));
    // Recorded, but late: it closes nothing.
    let mut late = exchange(honest, |_| {});
    let answer = Envelope::from_wire(late.response.answer.clone()).unwrap();
    let facts = late.world.entries.last().unwrap().facts.clone();
    let index = late
        .world
        .append(Kind::Late, facts, answer.header, Some(answer.seal));
    late.response.receipt = Some(late.world.receipt(index).to_wire());
    assert!(matches!(late.judge(), Err(Untrusted::OtherKind("late"))));
}

#[test]
fn another_payload_than_the_committed_one_is_not_handed_out() {
    let mut changed = exchange(honest, |_| {});
    if let Some(answer) = &mut changed.response.answer {
        answer.payload = Bytes::from_static(b"{\"alive\":fals}");
    }
    assert!(matches!(changed.judge(), Err(Untrusted::Payload)));
}

#[test]
fn the_agreement_that_permits_is_found_or_else_the_closest() {
    let mut world = World::new();
    let chosen = |world: &World, change: fn(&mut RequestHeader)| {
        let request = RequestHeader::open(&world.request(change).header).unwrap();
        match choose(&world.registry, &request, NOW) {
            Choice::Permits { agreement, .. } => (true, Some(agreement)),
            Choice::Closest { agreement, .. } => (false, Some(agreement)),
            Choice::Nothing(_) => (false, None),
        }
    };
    let unnamed = |header: &mut RequestHeader| header.agreement = None;
    assert_eq!(chosen(&world, unnamed), (true, Some(world.agreement)));
    let more = |header: &mut RequestHeader| header.fields = vec![part("income")];
    assert_eq!(chosen(&world, more), (false, Some(world.agreement)));
    let nobody = |header: &mut RequestHeader| header.provider = header.consumer.clone();
    assert_eq!(chosen(&world, nobody), (false, None));
    world.revoke();
    assert_eq!(chosen(&world, unnamed), (false, Some(world.agreement)));
}
