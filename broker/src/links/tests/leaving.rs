//! One adapter with two links: the older one leaves, and nothing is lost between them.

use super::*;

#[tokio::test]
async fn an_adapter_that_leaves_gets_everything_that_has_a_seat_and_then_the_end() {
    let hub = hub(Settings::default());
    let (adapter, mut outbox, link) = hub.adapter(1).await;
    let mut seats: Vec<_> = (1..=2).map(|number| hub.seat(number).unwrap()).collect();
    adapter.send(message(In::Drain(Drain {}))).await.unwrap();
    while hub.seat(3).is_ok() {
        tokio::task::yield_now().await;
    }
    // Seated and not recorded yet: nothing was delivered, and still the link is not done.
    assert!(is_quiet(&mut outbox).await);
    (1..=2).for_each(|number| queue(&link, 1, number));
    for number in 1..=2 {
        delivered(&mut outbox).await;
        assert!(is_quiet(&mut outbox).await);
        adapter.send(answer(number)).await.unwrap();
        let mut seat = seats.remove(0);
        assert!(seat.answer().await.unwrap().is_some());
        seat.answer_recorded(Default::default());
        drop(seat);
        assert!(matches!(next(&mut outbox).await, Out::AnswerRecorded(_)));
    }
    assert!(outbox.next().await.is_none());
    drop(outbox);
    hub.links.readers.close();
    hub.links.readers.wait().await;
    assert_eq!(hub.links.attached(), []);
}

#[tokio::test]
async fn an_adapter_without_work_leaves_at_once_also_after_it_was_told_to() {
    for told in [false, true] {
        let hub = hub(Settings::default());
        let (adapter, mut outbox, link) = hub.adapter(1).await;
        if told {
            link.drain();
            assert!(matches!(next(&mut outbox).await, Out::Drain(Drain {})));
            assert!(is_quiet(&mut outbox).await);
        }
        adapter.send(message(In::Drain(Drain {}))).await.unwrap();
        let end = tokio::time::timeout(Duration::from_secs(5), outbox.next()).await;
        assert!(end.unwrap().is_none());
    }
}

#[tokio::test]
async fn new_work_goes_to_the_link_with_the_next_certificate_and_comes_back_when_that_is_gone() {
    let hub = hub(Settings {
        queue: 0,
        ..Settings::default()
    });
    let (_old_adapter, _old_outbox, old) = hub.adapter(2).await;
    let under_way = hub.seat(1).unwrap();
    let other = Peer::of_system(&system(), 2);
    let (_other_adapter, _other_outbox, other) = hub.adapter_of(other, 2).await;
    let renewed = Peer::renewed(&system(), 1, 7);
    let (new_adapter, new_outbox, new) = hub.adapter_of(renewed, 2).await;
    // The system's other adapter keeps its share; the old link gets nothing while there is room elsewhere.
    let mut seats: Vec<_> = (2..6).map(|number| hub.seat(number).unwrap()).collect();
    let loads = || (old.load(), other.load(), new.load());
    assert_eq!(loads(), (500_000, 1_000_000, 1_000_000));
    // With no room elsewhere it still takes work, as long as its adapter has not drained it.
    seats.push(hub.seat(6).unwrap());
    assert_eq!(old.load(), 1_000_000);
    assert_eq!(hub.seat(7).unwrap_err(), NoSeat::Full);
    drop((seats, under_way));
    drop((new_adapter, new_outbox));
    while hub.find(new.id()).is_some() {
        tokio::task::yield_now().await;
    }
    let _back: Vec<_> = (7..10).map(|number| hub.seat(number).unwrap()).collect();
    assert!(old.load() >= 500_000, "as any other link again");
}

#[tokio::test]
async fn two_links_with_one_certificate_share_the_work() {
    let hub = hub(Settings::default());
    let (_adapter, _outbox, one) = hub.adapter(4).await;
    let (_second, _outbox_two, two) = hub.adapter(4).await;
    let _seats: Vec<_> = (0..4).map(|number| hub.seat(number).unwrap()).collect();
    assert_eq!((one.load(), two.load()), (500_000, 500_000));
}
