//! The registry handle: acts judged, recorded, published, and found again.

use audit::log::Log;
use proto::limits::label;

use super::*;
use crate::switch::{LogKeyFile, Switch};
use crate::testing::{Applicant, NOW_MS, Site, sealed};

async fn open(site: &Site) -> (Log, RegistryHandle) {
    let signer = Arc::new(LogKeyFile::load(&site.config.log.key).unwrap());
    let log = Log::open(Switch::log_config(&site.config, &site.clock), signer)
        .await
        .unwrap();
    let registry = RegistryHandle::open(log.clone(), site.clock.clone())
        .await
        .unwrap();
    (log, registry)
}

async fn invite(
    site: &Site,
    registry: &RegistryHandle,
    system: &str,
) -> Result<Appended, SubmitError> {
    let act = site.invitation(&Applicant::new(system));
    registry
        .submit(
            Kind::Invitation,
            RegistryFacts::default(),
            act.header,
            Some(act.seal),
        )
        .await
}

#[tokio::test]
async fn an_act_is_published_once_it_is_durable_and_held_snapshots_never_change() {
    let site = Site::found().await;
    let (log, registry) = open(&site).await;
    let before = registry.load();
    let waiting = tokio::spawn({
        let registry = registry.clone();
        async move {
            registry.reached(2).await;
            registry.load().size()
        }
    });
    let appended = invite(&site, &registry, "EG/GOV/MOSS/takaful")
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap(), 2);
    assert_eq!((before.size(), registry.load().size()), (1, 2));
    assert_eq!(appended.entry.stamp.registry_size, 1);
    assert_eq!(log.head().registry_size(), 2);
    let mirrored = registry.entries_from(1, 10);
    assert_eq!(
        mirrored,
        [(appended.index, appended.entry.encode().unwrap())]
    );
    assert!(
        registry.entries_from(2, 10).is_empty() && registry.entries_from(u64::MAX, 10).is_empty()
    );
    assert_eq!(registry.entries_from(0, 1).len(), 1);
}

#[tokio::test]
async fn what_the_fold_refuses_is_not_recorded() {
    let site = Site::found().await;
    let (log, registry) = open(&site).await;
    invite(&site, &registry, "EG/GOV/MOSS/takaful")
        .await
        .unwrap();
    let size = log.head().size();
    let twice = invite(&site, &registry, "EG/GOV/MOSS/takaful").await;
    assert!(
        matches!(twice, Err(SubmitError::Fold(FoldError::TokenUsed))),
        "{twice:?}"
    );
    let act = site.invitation(&Applicant::new("EG/GOV/X/y"));
    let unsealed = registry
        .submit(
            Kind::Invitation,
            RegistryFacts::default(),
            act.header.clone(),
            None,
        )
        .await;
    assert!(matches!(
        unsealed,
        Err(SubmitError::Fold(FoldError::Unsealed))
    ));
    let as_request = registry
        .submit(
            Kind::Request,
            RegistryFacts::default(),
            act.header,
            Some(act.seal),
        )
        .await;
    assert!(matches!(
        as_request,
        Err(SubmitError::Fold(FoldError::NotRegistry))
    ));
    assert_eq!((log.head().size(), registry.load().size()), (size, 2));
}

#[tokio::test]
async fn an_act_goes_on_when_whoever_sent_it_hangs_up() {
    let site = Site::found().await;
    let (_log, registry) = open(&site).await;
    let mut submitting = Box::pin(invite(&site, &registry, "EG/GOV/MOSS/takaful"));
    let waker = std::task::Waker::noop();
    let polled = submitting
        .as_mut()
        .poll(&mut std::task::Context::from_waker(waker));
    assert!(polled.is_pending());
    drop(submitting);
    registry.reached(2).await;
    assert_eq!(registry.load().invitations().count(), 1);
}

#[tokio::test]
async fn an_invitation_at_its_end_is_refused_before_its_entry_could_miss_it() {
    let site = Site::found().await;
    let (log, registry) = open(&site).await;
    invite(&site, &registry, "EG/GOV/MOSS/takaful")
        .await
        .unwrap();
    let size = log.head().size();
    let expires_at_ms = NOW_MS + 3_600_000;
    site.clock
        .advance_ms(expires_at_ms - JUDGED_AHEAD_MS - NOW_MS);
    let applicant = Applicant::new("EG/GOV/MOSS/takaful");
    let act = applicant.enrolment(registry.load().genesis_sha256());
    let submitted = registry
        .submit(
            Kind::Agency,
            RegistryFacts::default(),
            act.header,
            Some(act.seal),
        )
        .await;
    assert!(
        matches!(
            submitted,
            Err(SubmitError::Fold(FoldError::InvitationExpired))
        ),
        "{submitted:?}"
    );
    assert_eq!(log.head().size(), size);
}

#[tokio::test]
async fn acts_sent_at_once_are_judged_one_on_the_other() {
    let site = Site::found().await;
    let (log, registry) = open(&site).await;
    let act = site.invitation(&Applicant::new("EG/GOV/MOSS/takaful"));
    let sent: Vec<_> = (0..16)
        .map(|_| {
            let (registry, act) = (registry.clone(), act.clone());
            tokio::spawn(async move {
                registry
                    .submit(
                        Kind::Invitation,
                        RegistryFacts::default(),
                        act.header,
                        Some(act.seal),
                    )
                    .await
            })
        })
        .collect();
    let mut recorded = 0;
    for task in sent {
        match task.await.unwrap() {
            Ok(_) => recorded += 1,
            Err(error) => assert!(
                matches!(error, SubmitError::Fold(FoldError::TokenUsed)),
                "{error}"
            ),
        }
    }
    assert_eq!(
        (recorded, registry.load().size(), log.head().registry_size()),
        (1, 2, 2)
    );
}

#[tokio::test]
async fn a_log_that_does_not_fold_is_not_served() {
    let site = Site::found().await;
    let (log, registry) = open(&site).await;
    // Past the handle: a writer that recorded what no operator sealed.
    let applicant = Applicant::new("EG/GOV/MOSS/takaful");
    let forged = sealed(
        label::OPERATOR,
        site.invitation(&applicant).header,
        &applicant.authority_key,
    );
    let draft = Draft {
        kind: Kind::Invitation,
        facts: Bytes::new(),
        header: forged.header,
        seal: Some(forged.seal),
    };
    let index = log.append(draft, None).await.unwrap().index;
    drop(registry);
    let opened = RegistryHandle::open(log.clone(), site.clock.clone()).await;
    let Err(OpenError::Fold {
        index: found,
        fault,
    }) = opened
    else {
        panic!("{opened:?}")
    };
    assert_eq!((found, fault), (index, FoldError::NotOperator));
}
