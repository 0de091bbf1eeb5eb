//! Keys and certificates that the log binds to an agency and that its own adapter neither made nor was told of.

use adapters::adapter::Adapter;
use adapters::alarm;
use adapters::alarm::book::{self, Book};
use adapters::alarm::bound::What;
use adapters::identity::FileSigner;
use bytes::Bytes;
use proto::act::KeyBinding;
use proto::entry::Kind;
use proto::id::Part;
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;
use tests::ground::ORIGIN;
use tests::until;
use tests::world::World;

/// Binds another key to the agency's system, as whoever has the authority key can, here or elsewhere.
async fn slip_in(world: &World, adapter: &str) -> FileSigner {
    let folder = tempfile::tempdir().unwrap();
    let signer = FileSigner::load_or_make(&folder.path().join("seal.key")).unwrap();
    let mut binding = KeyBinding {
        system: world.moss.system.clone(),
        adapter: Part::parse(adapter).unwrap(),
        key: signer.key().clone(),
        issued_at_ms: world.switch.clock().now_ms(),
        possession: Bytes::new(),
    };
    let over = binding.possession_bytes();
    binding.possession = Seal::one(label::POSSESSION, ORIGIN, &over, &signer)
        .unwrap()
        .cose;
    let submitted = world.moss.submit(
        &world.switch,
        Kind::KeyBound,
        label::AUTHORITY,
        binding.encode(),
    );
    submitted.await.unwrap();
    signer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_nobody_here_knows_of_is_an_alarm_until_a_person_acknowledges_it() {
    let world = World::new().await;
    let home = world.moss.home_dir();
    let adapter = world.consumer().await;
    // What this home makes itself is none: its renewals, its next key.
    adapter.renew().await.unwrap();
    adapters::succession::succeed(&adapter).await.unwrap();
    let look = |adapter: &Adapter| {
        let registry = adapter.mirror().snapshot();
        alarm::look(&world.moss.home(), &registry, 1).unwrap()
    };
    assert_eq!(look(&adapter), []);
    // Keys under the authority key, wherever that was; a certificate of the switch's own authority for another key.
    let slipped = slip_in(&world, "a2").await;
    let sealed_to = world.moss.bind_encryption_key(&world.switch).await;
    let system = &world.moss.system;
    world
        .switch
        .certificate(system, time::Duration::hours(1))
        .await;
    until("the running adapter raises all", || {
        Book::read(&home).unwrap().open().len() == 3
    })
    .await;
    let book = Book::read(&home).unwrap();
    let mut raised: Vec<_> = book
        .open()
        .iter()
        .map(|raised| raised.bound.clone())
        .collect();
    raised.sort_by_key(|bound| bound.what);
    assert_eq!(
        (raised[0].what, raised[0].fingerprint),
        (What::SealKey, slipped.key().kid())
    );
    assert_eq!(
        (raised[1].what, raised[1].fingerprint),
        (What::EncryptionKey, sealed_to.kid())
    );
    assert_eq!(raised[2].what, What::Certificate);
    // It stays across runs, and is raised once.
    drop(adapter);
    let again = world.consumer().await;
    assert_eq!(look(&again), []);
    assert_eq!(Book::read(&home).unwrap().open().len(), 3);
    for bound in &raised {
        book::know(&home, &bound.fingerprint, 2).unwrap();
    }
    assert!(Book::read(&home).unwrap().open().is_empty());
    assert_eq!(look(&again), []);
    drop(again);
    world.finish().await;
}
