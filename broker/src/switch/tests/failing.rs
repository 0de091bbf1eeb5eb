//! A switch whose disk fails: it says so, acknowledges nothing, and ends.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use audit::journal::{
    Admission, Committed, Head, Journal, JournalError, Recovery, SealBatch, Statistics,
    TailAndStore,
};

use super::*;

/// A journal whose commits fail once it is told so.
#[derive(Debug)]
struct Failing {
    inner: TailAndStore,
    fails: AtomicBool,
}

impl Journal for Failing {
    fn commit(
        &self,
        drafts: Vec<Admission>,
        seal: &mut SealBatch<'_>,
    ) -> Result<Committed, JournalError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(JournalError::Io {
                what: "syncing".into(),
                reason: "no space left".into(),
            });
        }
        self.inner.commit(drafts, seal)
    }

    fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, JournalError> {
        self.inner.read(range, bytes_max)
    }

    fn head(&self) -> Result<Head, JournalError> {
        self.inner.head()
    }

    fn keep(&self, published: u64) -> Result<(), JournalError> {
        self.inner.keep(published)
    }

    fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }
}

#[tokio::test]
async fn when_the_log_fails_health_says_so_and_nothing_is_acknowledged() {
    let site = Site::found().await;
    let log_config = Switch::log_config(&site.config, &site.clock);
    let (inner, _) =
        TailAndStore::open(log_config.layout.clone(), None, None, Recovery::Strict).unwrap();
    let journal = Arc::new(Failing {
        inner,
        fails: AtomicBool::new(false),
    });
    let signer = Arc::new(LogKeyFile::load(&site.config.log.key).unwrap());
    let log = Log::over(log_config, signer, Arc::clone(&journal) as Arc<dyn Journal>)
        .await
        .unwrap();
    let listeners = Site::listeners().await;
    let switch = Switch::start_with_log(site.config.clone(), listeners, site.clock.clone(), log);
    let switch = switch.await.unwrap();
    let operator = site.connect_operator(&switch, OPERATOR).await;
    assert!(
        serving(&operator, "").await && serving(&operator, "mohawel.exchange.v1.Exchange").await
    );

    let size = switch.registry().load().size();
    journal.fails.store(true, Ordering::SeqCst);
    let invitation = wire::OperateRequest {
        kind: u32::from(Kind::Invitation as u8),
        envelope: Some(site.invitation(&Applicant::new(MOSS)).to_wire()),
    };
    let refused_invitation = OperationsClient::new(operator.clone())
        .operate(invitation)
        .await;
    assert_eq!(
        refused(refused_invitation),
        (Code::Unavailable, "log_unavailable".into())
    );
    let reason = switch.stopped().await;
    assert!(reason.contains("no space left"), "{reason}");
    for _ in 0..200 {
        if !serving(&operator, "").await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        !serving(&operator, "").await && !serving(&operator, "mohawel.registry.v1.Agencies").await
    );
    assert_eq!(switch.registry().load().size(), size);
    assert!(matches!(switch.shutdown().await, Err(LogError::Stopped(_))));
}

#[tokio::test]
async fn a_switch_that_drains_says_not_serving_to_those_who_watch() {
    let site = Site::found().await;
    let switch = site.start().await;
    let operator = site.connect_operator(&switch, OPERATOR).await;
    let asked = HealthCheckRequest {
        service: String::new(),
    };
    let mut watch = HealthClient::new(operator)
        .watch(asked)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
    let address = switch.exchange_address();
    let shutdown = tokio::spawn(switch.shutdown());
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    shutdown.await.unwrap().unwrap();
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nobody is accepted any more"
    );
}
