//! Links without a network: what ends one, who gets a seat, what is sent when, what is late.

use proto::wire::exchange::v1::attach_request::Message as In;
use proto::wire::exchange::v1::attach_response::Message as Out;
use proto::wire::exchange::v1::{
    Answer, Attach, AttachRequest, CancelReason, Credit, Drain, Envelope,
};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::parcel::Parcel;
use super::*;

mod leaving;

type Adapter = mpsc::Sender<Result<AttachRequest, Status>>;

struct Hub {
    links: Arc<Links>,
    late: mpsc::Receiver<LateAnswer>,
}

fn hub(settings: Settings) -> Hub {
    let (sender, late) = mpsc::channel(settings.late_backlog);
    Hub {
        links: Links::new(settings, sender, mpsc::channel(1).0),
        late,
    }
}

fn system() -> SystemId {
    SystemId::parse("EG/GOV/CIVIL/registry").unwrap()
}

fn exchange(number: u8) -> ExchangeId {
    let mut bytes = [
        0x01, 0x90, 0xa1, 0xb2, 0xc3, 0xd4, 0x7e, 0x5f, 0x8a, 0, 0, 0, 0, 0, 0, 0,
    ];
    bytes[15] = number;
    ExchangeId::from_slice(&bytes).unwrap()
}

fn message(message: In) -> Result<AttachRequest, Status> {
    Ok(AttachRequest {
        message: Some(message),
    })
}

fn attach(max_in_flight: u32) -> Result<AttachRequest, Status> {
    message(In::Attach(Attach {
        max_in_flight,
        takes_uploads: true,
        takes_events: false,
    }))
}

fn answer(number: u8) -> Result<AttachRequest, Status> {
    let exchange_id = exchange(number).as_bytes().to_vec().into();
    message(In::Answer(Answer {
        exchange_id,
        envelope: Some(Envelope::default()),
    }))
}

impl Hub {
    /// An adapter that attached, its outbox behind the first message.
    async fn adapter(&self, max_in_flight: u32) -> (Adapter, Outbox, Arc<Link>) {
        self.adapter_of(Peer::of_system(&system(), 1), max_in_flight)
            .await
    }

    async fn adapter_of(
        &self,
        peer: Arc<Peer>,
        max_in_flight: u32,
    ) -> (Adapter, Outbox, Arc<Link>) {
        let (adapter, messages) = mpsc::channel(64);
        let mut outbox = self
            .links
            .open(peer, system(), ReceiverStream::new(messages));
        adapter.send(attach(max_in_flight)).await.unwrap();
        let Out::Attached(attached) = next(&mut outbox).await else {
            panic!("not attached first")
        };
        // Whoever hears that it is attached finds it in the table: another link may be drained at once.
        let link = self.find(attached.link_id).unwrap();
        (adapter, outbox, link)
    }

    fn find(&self, id: u64) -> Option<Arc<Link>> {
        self.links
            .table
            .all()
            .into_iter()
            .flat_map(|(_, links)| links.to_vec())
            .map(|entered| entered.link)
            .find(|link| link.id() == id)
    }

    fn seat(&self, number: u8) -> Result<Seat, NoSeat> {
        self.links.seat(&system(), exchange(number), 1, false)
    }
}

async fn next(outbox: &mut Outbox) -> Out {
    let next = tokio::time::timeout(Duration::from_secs(5), outbox.next())
        .await
        .unwrap();
    next.unwrap().unwrap().message.unwrap()
}

/// Whether nothing is to be sent.
async fn is_quiet(outbox: &mut Outbox) -> bool {
    tokio::time::timeout(Duration::from_millis(30), outbox.next())
        .await
        .is_err()
}

fn queue(link: &Link, consumer: u64, number: u8) {
    let parcel = Parcel {
        exchange: exchange(number),
        envelope: Envelope::default(),
        receipt: Default::default(),
        deadline: Instant::now() + Duration::from_secs(9),
        traceparent: String::new(),
        takes_chunks: false,
    };
    link.enqueue(consumer, u64::from(number), parcel);
}

async fn delivered(outbox: &mut Outbox) {
    match next(outbox).await {
        Out::Deliver(deliver) => {
            assert!((8_000..=9_000).contains(&deliver.remaining_ms));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whatever_breaks_the_protocol_ends_the_link_with_its_reason() {
    let credit = |more| message(In::Credit(Credit { more }));
    let rows: Vec<(Vec<Result<AttachRequest, Status>>, LinkEnd)> = vec![
        (vec![], LinkEnd::NotAttach),
        (vec![credit(1)], LinkEnd::NotAttach),
        (vec![answer(1)], LinkEnd::NotAttach),
        (
            vec![Ok(AttachRequest { message: None })],
            LinkEnd::NotAttach,
        ),
        (vec![Err(Status::unknown("reset"))], LinkEnd::NotAttach),
        (vec![attach(0)], LinkEnd::Credits),
        (vec![attach(1), attach(1)], LinkEnd::AttachedTwice),
        (vec![attach(1), credit(0)], LinkEnd::Credits),
        (vec![attach(1), credit(4_096)], LinkEnd::Credits),
        (
            vec![attach(1), Ok(AttachRequest { message: None })],
            LinkEnd::Empty,
        ),
    ];
    for (messages, end) in rows {
        let hub = hub(Settings::default());
        let peer = Peer::of_system(&system(), 1);
        let shown = format!("{messages:?}");
        let outbox = hub.links.open(peer, system(), tokio_stream::iter(messages));
        let sent: Vec<_> = outbox.collect().await;
        let status = sent.last().unwrap().as_ref().unwrap_err();
        assert_eq!(status.message(), end.to_string(), "{shown}");
        assert_eq!(status.code(), Code::InvalidArgument, "{shown}");
        hub.links.close().await;
        assert_eq!(hub.links.attached(), []);
    }
}

#[tokio::test]
async fn an_adapter_that_never_attaches_is_not_waited_for() {
    let hub = hub(Settings {
        attach_timeout: Duration::from_millis(10),
        ..Settings::default()
    });
    let (_silent, messages) = mpsc::channel::<Result<AttachRequest, Status>>(1);
    let peer = Peer::of_system(&system(), 1);
    let mut outbox = hub
        .links
        .open(peer, system(), ReceiverStream::new(messages));
    let status = outbox.next().await.unwrap().unwrap_err();
    assert_eq!(status.message(), LinkEnd::NotAttach.to_string());
    assert!(outbox.next().await.is_none());
}

#[tokio::test]
async fn an_adapter_that_offers_more_than_the_limit_gets_the_limit() {
    let hub = hub(Settings {
        in_flight_max: 2,
        queue: 1,
        ..Settings::default()
    });
    let (_adapter, _outbox, link) = hub.adapter(u32::MAX).await;
    let seats: Vec<_> = (0..2).map(|number| hub.seat(number).unwrap()).collect();
    assert_eq!(link.load(), 1_000_000, "two seats are all of its credits");
    drop(seats);
}

#[tokio::test]
async fn seats_go_to_the_least_loaded_adapter_that_takes_work() {
    let hub = hub(Settings {
        queue: 1,
        ..Settings::default()
    });
    assert_eq!(hub.seat(1).unwrap_err(), NoSeat::Offline);
    let (_one, _outbox_one, one) = hub.adapter(1).await;
    let (_three, mut outbox_three, three) = hub.adapter(3).await;
    // Credits 1 and 3, and one more may wait on each: six seats, in proportion to the credits.
    let seats: Vec<_> = (0..4).map(|number| hub.seat(number).unwrap()).collect();
    assert_eq!((one.load(), three.load()), (1_000_000, 1_000_000));
    let rest: Vec<_> = (4..6).map(|number| hub.seat(number).unwrap()).collect();
    assert_eq!(hub.seat(6).unwrap_err(), NoSeat::Full);
    drop(seats);
    drop(rest);
    assert_eq!((one.load(), three.load()), (0, 0));
    // An id has one seat on a link at a time: answers name only the id.
    let _both = (hub.seat(7).unwrap(), hub.seat(7).unwrap());
    assert_eq!(hub.seat(7).unwrap_err(), NoSeat::Full);
    one.let_go();
    three.drain();
    assert_eq!(hub.seat(8).unwrap_err(), NoSeat::Offline);
    assert!(matches!(
        next(&mut outbox_three).await,
        Out::Drain(Drain {})
    ));
}

#[tokio::test]
async fn nothing_is_sent_without_credit_and_consumers_take_turns() {
    let hub = hub(Settings::default());
    let (adapter, mut outbox, link) = hub.adapter(1).await;
    let mut seats: Vec<_> = (0..3).map(|number| hub.seat(number).unwrap()).collect();
    seats.push(hub.links.seat(&system(), exchange(9), 2, false).unwrap());
    (0..3).for_each(|number| queue(&link, 1, number));
    queue(&link, 2, 9);
    delivered(&mut outbox).await;
    assert!(is_quiet(&mut outbox).await);
    // The first is answered and closed: its credit comes back, and the other consumer is next.
    adapter.send(answer(0)).await.unwrap();
    let mut first = seats.remove(0);
    assert!(first.answer().await.unwrap().is_some());
    drop(first);
    delivered(&mut outbox).await;
    assert!(is_quiet(&mut outbox).await);
    adapter.send(answer(9)).await.unwrap();
    let mut other = seats.pop().unwrap();
    assert!(other.answer().await.unwrap().is_some());
    // More credit, more at once.
    adapter
        .send(message(In::Credit(Credit { more: 1 })))
        .await
        .unwrap();
    delivered(&mut outbox).await;
    assert!(is_quiet(&mut outbox).await);
    // What is left before it was sent is not sent.
    drop(seats);
    drop(other);
    assert!(is_quiet(&mut outbox).await);
}

#[tokio::test]
async fn an_answer_is_handed_over_once_then_late_once_then_unknown() {
    let mut hub = hub(Settings::default());
    let (adapter, mut outbox, link) = hub.adapter(4).await;
    // Before it was sent, an answer cannot be one.
    let mut seat = hub.seat(1).unwrap();
    adapter.send(answer(1)).await.unwrap();
    adapter.send(answer(99)).await.unwrap();
    queue(&link, 1, 1);
    delivered(&mut outbox).await;
    adapter.send(answer(1)).await.unwrap();
    assert!(seat.answer().await.unwrap().is_some());
    adapter.send(answer(1)).await.unwrap();
    adapter.send(answer(1)).await.unwrap();
    while link.count_unknown() < 4 {
        tokio::task::yield_now().await;
    }
    // The second is late, and only told once the exchange is closed.
    assert!(hub.late.try_recv().is_err());
    drop(seat);
    assert_eq!(hub.late.recv().await.unwrap().request_index, 1);
    assert!(hub.late.try_recv().is_err());
}

#[tokio::test]
async fn who_waits_no_more_cancels_and_what_comes_then_is_late() {
    let mut hub = hub(Settings::default());
    let (adapter, mut outbox, link) = hub.adapter(4).await;
    let mut seats: Vec<_> = (1..=3).map(|number| hub.seat(number).unwrap()).collect();
    // Not sent yet: nothing to cancel.
    seats[2].cancel(CancelReason::HangUp);
    assert!(is_quiet(&mut outbox).await);
    (1..=2).for_each(|number| queue(&link, 1, number));
    delivered(&mut outbox).await;
    delivered(&mut outbox).await;
    seats[0].cancel(CancelReason::Deadline);
    let Out::Cancel(cancel) = next(&mut outbox).await else {
        panic!("no cancel")
    };
    assert_eq!(cancel.exchange_id[..], exchange(1).as_bytes()[..]);
    assert_eq!(cancel.reason(), CancelReason::Deadline);
    // The answer crossed the decision: it is not lost.
    assert!(link.take_answer(exchange(2), Some(Envelope::default())));
    seats[1].cancel(CancelReason::Deadline);
    assert!(is_quiet(&mut outbox).await);
    drop(seats);
    assert_eq!(hub.late.recv().await.unwrap().request_index, 2);
    adapter.send(answer(1)).await.unwrap();
    assert_eq!(hub.late.recv().await.unwrap().request_index, 1);
}

#[tokio::test]
async fn a_link_that_ends_fails_what_is_pending_on_it() {
    for by_adapter in [true, false] {
        let hub = hub(Settings::default());
        let (adapter, outbox, link) = hub.adapter(1).await;
        let mut seat = hub.seat(1).unwrap();
        queue(&link, 1, 1);
        let outbox = if by_adapter {
            drop(adapter);
            Some(outbox)
        } else {
            // The stream towards it was dropped: nobody reads there.
            drop(outbox);
            None
        };
        assert!(seat.answer().await.is_err());
        while !hub.links.attached().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.seat(2).unwrap_err(), NoSeat::Offline);
        if let Some(mut outbox) = outbox {
            assert!(outbox.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn an_adapter_that_does_not_read_is_cut_off() {
    let hub = hub(Settings::default());
    let (_adapter, mut outbox, link) = hub.adapter(1).await;
    for _ in 0..2_000 {
        link.answer_recorded(exchange(1), Default::default());
    }
    let status = outbox.next().await.unwrap().unwrap_err();
    assert_eq!(status.message(), LinkEnd::NotReading.to_string());
}

#[tokio::test]
async fn a_switch_that_stops_drains_then_ends_its_links_and_takes_no_more() {
    let hub = hub(Settings::default());
    let (_adapter, mut outbox, _) = hub.adapter(1).await;
    hub.links.drain();
    assert!(matches!(next(&mut outbox).await, Out::Drain(Drain {})));
    assert_eq!(hub.seat(1).unwrap_err(), NoSeat::Offline);
    let peer = Peer::of_system(&system(), 2);
    let mut refused = hub
        .links
        .open(peer, system(), tokio_stream::iter([attach(1)]));
    assert_eq!(
        refused.next().await.unwrap().unwrap_err().code(),
        Code::Unavailable
    );
    hub.links.close().await;
    assert_eq!(
        outbox.next().await.unwrap().unwrap_err().code(),
        Code::Unavailable
    );
    assert!(outbox.next().await.is_none());
}
