//! A switch in this process. It ends with [`TestSwitch::finish`], which verifies and replays its log from disk; one
//! that is merely dropped fails its scenario.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters::Invitation;
use audit::clock::Clock;
use audit::journal::{Bundles, Journal, Recovery, TailAndStore};
use audit::log::{Log, LogError};
use audit::tiles::published::read_published;
use broker::{Listeners, StartError, Switch};
use proto::act;
use proto::envelope::Envelope;
use proto::id::AgencyId;
use proto::limits::label;
use proto::registry::Registry;
use proto::seal::Seal;
use proto::wire::registry::v1 as wire;
use proto::wire::registry::v1::operations_client::OperationsClient;
use tokio::net::TcpListener;

use crate::channel::channel;
use crate::check::{Told, check_log};
use crate::ground::{Ground, ORIGIN, loopback};
use crate::{PATIENCE, soon};

/// A running switch.
#[derive(Debug)]
pub struct TestSwitch {
    // Only taken when it ends.
    ground: Option<Ground>,
    switch: Option<Switch>,
}

impl TestSwitch {
    /// A new one, with a clock that stands still.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// A new one, with these lines in `[limits]`.
    pub async fn start_with(limits: &str) -> Self {
        Self::on(Ground::found().await, limits).await.unwrap()
    }

    /// On what stands there.
    ///
    /// # Errors
    /// Why it does not start, with the ground.
    pub async fn on(ground: Ground, limits: &str) -> Result<Self, (StartError, Ground)> {
        Self::on_addresses(ground, limits, loopback(), loopback()).await
    }

    /// As [`TestSwitch::on`], listening where an earlier one did.
    ///
    /// # Errors
    /// As [`TestSwitch::on`].
    pub async fn on_addresses(
        ground: Ground,
        limits: &str,
        exchange: SocketAddr,
        enrol: SocketAddr,
    ) -> Result<Self, (StartError, Ground)> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let listeners = listeners(exchange, enrol).await;
            ground.write_config(
                listeners.exchange.local_addr().unwrap(),
                listeners.enrol.local_addr().unwrap(),
                limits,
            );
            match Switch::start(ground.config(), listeners, ground.clock.clone()).await {
                Ok(switch) => {
                    return Ok(Self {
                        ground: Some(ground),
                        switch: Some(switch),
                    });
                }
                // A switch that was cut off lets go of its log once its last task has ended.
                Err(StartError::Log(LogError::InUse(_))) if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => return Err((error, ground)),
            }
        }
    }

    /// With `wrap` around the real journal.
    pub async fn over<J: Journal + 'static>(
        ground: Ground,
        limits: &str,
        wrap: impl FnOnce(TailAndStore) -> Arc<J>,
    ) -> (Self, Arc<J>) {
        let listeners = listeners(loopback(), loopback()).await;
        ground.write_config(
            listeners.exchange.local_addr().unwrap(),
            listeners.enrol.local_addr().unwrap(),
            limits,
        );
        let config = ground.log_config();
        let published = read_published(&config.layout.dir)
            .unwrap()
            .map(|found| found.checkpoint.head());
        let none = Bundles::new(|_| Err(std::io::Error::other("the scenario needs no bundles")));
        let (journal, _) = TailAndStore::open(
            config.layout.clone(),
            Some(none),
            published,
            Recovery::Strict,
        )
        .unwrap();
        let journal = wrap(journal);
        let log = Log::over(
            config,
            ground.log_signer(),
            Arc::clone(&journal) as Arc<dyn Journal>,
        )
        .await
        .unwrap();
        let switch = Switch::start_with_log(ground.config(), listeners, ground.clock.clone(), log)
            .await
            .unwrap();
        (
            Self {
                ground: Some(ground),
                switch: Some(switch),
            },
            journal,
        )
    }

    /// What it stands on.
    pub fn ground(&self) -> &Ground {
        self.ground.as_ref().unwrap()
    }

    /// The switch itself.
    pub fn switch(&self) -> &Switch {
        self.switch.as_ref().unwrap()
    }

    /// The one clock.
    pub fn clock(&self) -> &Clock {
        &self.ground().clock
    }

    /// The switch's time, milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.clock().now_ms()
    }

    /// Where members connect.
    pub fn exchange(&self) -> SocketAddr {
        self.switch().exchange_address()
    }

    /// Where newcomers connect.
    pub fn enrol(&self) -> SocketAddr {
        self.switch().enrol_address()
    }

    /// The registry that decides now.
    pub fn registry(&self) -> Arc<Registry> {
        self.switch().registry().load()
    }

    /// Entries in the log.
    pub fn size(&self) -> u64 {
        self.switch().log().head().size()
    }

    /// An invitation by the operator, over the operator's own connection.
    pub async fn invite(&self, agency: &str) -> Invitation {
        let invitation = Invitation {
            agency: AgencyId::parse(agency).unwrap(),
            token: Invitation::new_token().unwrap(),
            expires_at_ms: self.now_ms() + 3_600_000,
            root_sha256: proto::Digest(self.ground().authority().root_sha256()),
            genesis_sha256: self.ground().genesis,
            enrol: self.enrol().to_string(),
        };
        let header = act::Invitation {
            agency: invitation.agency.clone(),
            token: invitation.token_sha256(),
            expires_at_ms: invitation.expires_at_ms,
            issued_at_ms: self.now_ms(),
            authority_kid: None,
        }
        .encode();
        let seal = Seal::one(
            label::OPERATOR,
            ORIGIN,
            &header,
            &*self.ground().operator_signer(),
        )
        .unwrap();
        let channel = channel(self.exchange(), self.ground().operator_tls())
            .await
            .unwrap();
        let envelope = Some(Envelope::bare(header, seal).to_wire());
        OperationsClient::new(channel)
            .operate(wire::OperateRequest {
                kind: u32::from(proto::entry::Kind::Invitation as u8),
                envelope,
            })
            .await
            .unwrap();
        invitation
    }

    /// Ends it in order, then checks the whole log from disk.
    pub async fn finish(self) -> Told {
        let ground = self.stop().await;
        check_log(&ground.log_dir(), &ground.log_key())
    }

    /// Ends it in order.
    pub async fn stop(mut self) -> Ground {
        let switch = self.switch.take().unwrap();
        soon("the switch ends", switch.shutdown()).await.unwrap();
        self.ground.take().unwrap()
    }

    /// Ends it after its log has stopped: nothing can be flushed any more. Gives the reason.
    pub async fn bury(mut self) -> (Ground, String) {
        let switch = self.switch.take().unwrap();
        let Err(LogError::Stopped(reason)) = soon("the switch ends", switch.shutdown()).await
        else {
            panic!("a log that had stopped was closed as if nothing had happened");
        };
        (self.ground.take().unwrap(), reason.to_string())
    }
}

impl Drop for TestSwitch {
    fn drop(&mut self) {
        assert!(
            self.ground.is_none() || std::thread::panicking(),
            "a scenario ended without `finish`: its log was not checked"
        );
    }
}

async fn listeners(exchange: SocketAddr, enrol: SocketAddr) -> Listeners {
    Listeners {
        exchange: listen(exchange).await,
        enrol: listen(enrol).await,
    }
}

/// Listens; where an earlier switch did, as soon as the address is free.
async fn listen(address: SocketAddr) -> TcpListener {
    soon("the address is free", async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await
}
