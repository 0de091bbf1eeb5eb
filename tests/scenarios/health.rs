//! `grpc.health.v1`: serving while the log can commit, not-serving from the first moment of the end.

use tests::channel::channel;
use tests::world::World;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// What health says of `service`, by its number.
pub(crate) async fn status(world: &World, service: &str) -> i32 {
    let tls = world.moss.tls(world.switch.ground());
    let channel = channel(world.switch.exchange(), tls).await.unwrap();
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    HealthClient::new(channel)
        .check(request)
        .await
        .unwrap()
        .into_inner()
        .status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_is_serving_and_no_other() {
    let world = World::new().await;
    for service in [
        "",
        "mohawel.exchange.v1.Exchange",
        "mohawel.exchange.v1.Link",
        "mohawel.registry.v1.Agencies",
        "mohawel.registry.v1.Operations",
        "mohawel.audit.v1.Log",
    ] {
        assert_eq!(
            status(&world, service).await,
            ServingStatus::Serving as i32,
            "{service}"
        );
    }
    let tls = world.moss.tls(world.switch.ground());
    let channel = channel(world.switch.exchange(), tls).await.unwrap();
    let request = HealthCheckRequest {
        service: "no.such.Service".to_owned(),
    };
    let unknown = HealthClient::new(channel).check(request).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_switch_says_so_before_anything_else() {
    let world = World::new().await;
    let mut provider = world.raw_provider(4).await;
    let consumer = world.raw_consumer().await;
    let asked = tokio::spawn(async move { consumer.ask_well().await });
    let delivered = provider.delivery().await;
    let tls = world.moss.tls(world.switch.ground());
    let mut health = HealthClient::new(channel(world.switch.exchange(), tls).await.unwrap());
    let mut watched = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let next = async |watched: &mut tonic::Streaming<tonic_health::pb::HealthCheckResponse>| {
        tests::soon("a word of health", watched.message())
            .await
            .unwrap()
            .unwrap()
            .status
    };
    assert_eq!(next(&mut watched).await, ServingStatus::Serving as i32);
    let finishing = tokio::spawn(world.finish());
    assert_eq!(next(&mut watched).await, ServingStatus::NotServing as i32);
    provider.answer_well(&delivered).await;
    tests::soon("the answer", asked).await.unwrap().unwrap();
    drop((watched, health));
    tests::soon("the switch ends", finishing).await.unwrap();
}
