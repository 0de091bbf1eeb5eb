//! The end of a submission is found by the index of its request: never another's.

use proto::Code;
use proto::entry::Kind;
use proto::header::Outcome;

use super::world::World;
use crate::exchange::submission::Unanswered;
use crate::exchange::submission::item::Id;

#[tokio::test]
async fn an_end_found_by_an_index_never_ends_another_request() {
    let world = World::new().await;
    let mut adapter = world.adapter().await;
    let begin = world.log.head().size();
    let asked = world.request(1);
    let asking = world.asking(&asked);
    adapter.serve(&world).await;
    asking.await.unwrap().unwrap();
    let request = begin;
    let end = || Unanswered {
        outcome: Outcome::Cancelled,
        code: Code::Deadline,
        clause: "withdrawn".to_owned(),
    };
    let size = world.log.head().size();
    // Of the same consumer, of the same time, and of nobody: the index leads to a request that is none of theirs.
    let other = Id::of(&world.request(2));
    let theirs = Id {
        consumer: world.provider.system.clone(),
        exchange: asked.exchange_id,
    };
    for id in [other.clone(), theirs] {
        let ended = world.exchange.end_unanswered(&id, request, end()).await;
        assert!(ended.is_none(), "{id:?}");
    }
    // Nor does one that leads past the end, or to what is no request.
    for index in [0, size, u64::MAX] {
        let ended = world.exchange.end_unanswered(&other, index, end()).await;
        assert!(ended.is_none(), "{index}");
    }
    assert_eq!(world.log.head().size(), size, "nothing was recorded");
    let kinds: Vec<Kind> = world
        .entries(begin)
        .await
        .iter()
        .map(|seen| seen.kind)
        .collect();
    assert_eq!(kinds, [Kind::Request, Kind::Closing]);
    world.replay_is_clean().await;
}
