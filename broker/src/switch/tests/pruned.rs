//! A switch over a log that was pruned: it starts, has its whole registry, goes on, and its epoch entry says so.

use audit::prune::{Before, Options, prune};
use proto::entry::Draft;
use proto::facts::ExchangeFacts;

use super::*;

#[tokio::test]
async fn it_serves_its_whole_registry_and_takes_new_members() {
    let site = Site::found().await;
    let switch = site.start().await;
    let moss = Applicant::new(MOSS);
    on_board(&site, &switch, &moss).await;
    let refused = ExchangeFacts {
        code: "malformed".to_owned(),
        decided_at_ms: site.clock.now_ms(),
        refused_sha256: vec![1; 32].into(),
        ..ExchangeFacts::default()
    };
    while switch.log().head().size() < 600 {
        let draft = Draft {
            kind: Kind::Refusal,
            facts: facts::encode(&refused),
            header: Bytes::new(),
            seal: None,
        };
        switch.log().append(draft, None).await.unwrap();
    }
    let before = switch.registry().load();
    switch.shutdown().await.unwrap();
    let report = prune(&site.config.log.dir, Options::new(Before::Index(599))).unwrap();
    assert_eq!(report.minimum_index, 512);

    let switch = site.start().await;
    let after = switch.registry().load();
    assert_eq!(after.digest(), before.digest());
    let epoch = switch.log().entry(600).await.unwrap().unwrap();
    let epoch = Entry::decode(&epoch).unwrap();
    assert_eq!(facts::epoch(&epoch.facts).unwrap().recovery, "pruned:512");
    on_board(&site, &switch, &Applicant::new(CIVIL)).await;
    switch.shutdown().await.unwrap();
    let report = audit::replay::replay(&site.config.log.dir, audit::replay::Options::default());
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.files.minimum_index, 512);
}
