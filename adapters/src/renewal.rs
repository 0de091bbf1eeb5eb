//! Keeps the TLS certificate alive: renewed at two thirds of its life, without failing one exchange.
//!
//! ```text
//! ask over the connection that stands → prove the certificate's entry → store it
//! → make a second connection, which shows it → what begins goes there: calls, the registry's stream, a second link
//! → what is under way finishes on the first, which then closes
//! ```
//!
//! A renewal that fails is tried again, each time a part of what is left later, so that there are
//! always several tries before the end. Specification: `docs/protocol.md` §1 (renewal).

use std::sync::Arc;
use std::time::Duration;

use audit::clock::Clock;
use audit::receipt::Receipt;
use certs::{Identity, TlsKey};
use proto::wire::registry::v1 as wire;
use tokio::sync::{Mutex, watch};
use tonic::Status;

use crate::adapter::ProofError;
use crate::checkpoints::Checkpoints;
use crate::connection::{Connection, random};
use crate::enrol::{EnrolError, certificate};
use crate::error::Standing;
use crate::identity::{Home, HomeError};

/// The longest sleep between two looks: a clock that was set must not be noticed too late.
const LOOK: Duration = Duration::from_secs(600);
/// The shortest and the longest pause after a renewal that did not come through.
const AGAIN: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(600)];
/// So many tries at least fit into what is left.
const TRIES: u32 = 8;
/// The pause with nothing left: the switch takes no connection, but a clock may be set right.
const ENDED: Duration = Duration::from_secs(60);
/// The pause after a renewal: an authority that itself is about to end gives ever shorter lives.
const PAUSE: Duration = Duration::from_secs(1);

/// The renewal of one adapter's certificate. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Renewal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    home: Home,
    clock: Clock,
    connection: Connection,
    checkpoints: Checkpoints,
    standing: Standing,
    /// What the connection shows.
    shown: watch::Sender<Span>,
    /// One renewal at a time. Inside: a certificate is stored that no connection shows yet.
    turn: Mutex<bool>,
}

/// When a certificate ends, and when it is renewed: Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    due_ms: u64,
    end_ms: u64,
}

impl Span {
    /// Of a certificate that lives from `begin_ms` on. Renewed at two thirds, spread by a thirtieth
    /// to earlier, so that what was enrolled at one instant does not come back at one.
    fn new(begin_ms: u64, end_ms: u64, random: u64) -> Self {
        let life_ms = end_ms.saturating_sub(begin_ms);
        let earlier_ms = life_ms / 3 + random % (life_ms / 30 + 1);
        Self {
            due_ms: end_ms.saturating_sub(earlier_ms),
            end_ms,
        }
    }

    /// As the certificate itself says, which is a little before it was issued: a certificate of
    /// minutes is then renewed at once, and known better from then on.
    fn read(identity: &Identity) -> Self {
        let begin = identity.not_before();
        Self::new(unix_ms(begin.unix_timestamp()), end_ms(identity), random())
    }
}

impl Renewal {
    pub(crate) fn new(
        home: Home,
        clock: Clock,
        connection: Connection,
        checkpoints: Checkpoints,
        standing: Standing,
    ) -> Self {
        let shown = watch::Sender::new(Span::read(&home.identity().current()));
        Self(Arc::new(Shared {
            home,
            clock,
            connection,
            checkpoints,
            standing,
            shown,
            turn: Mutex::new(false),
        }))
    }

    /// Renews as long as the switch is believed.
    pub(crate) async fn keep(self) {
        let standing = self.0.standing.clone();
        tokio::select! {
            () = self.renew_when_due() => {}
            _ = standing.lost() => {}
        }
    }

    async fn renew_when_due(&self) {
        let mut shown = self.0.shown.subscribe();
        let mut failures = 0;
        loop {
            let span = *shown.borrow_and_update();
            let now_ms = self.0.clock.now_ms();
            if now_ms < span.due_ms {
                let wait = Duration::from_millis(span.due_ms - now_ms).min(LOOK);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    // Somebody renewed by hand.
                    Ok(()) = shown.changed() => failures = 0,
                }
                continue;
            }
            let pause = match self.renew().await {
                Ok(()) => {
                    failures = 0;
                    PAUSE
                }
                Err(error) => {
                    let left =
                        Duration::from_millis(span.end_ms.saturating_sub(self.0.clock.now_ms()));
                    let pause = pause_after(failures, left, random());
                    failures += 1;
                    if left.is_zero() {
                        tracing::error!(system = %self.0.home.system(), %error, "the certificate has ended and was not renewed; ask the operator for a new invitation");
                    } else {
                        tracing::warn!(system = %self.0.home.system(), %error, left_s = left.as_secs(), again_ms = pause.as_millis(), "the certificate could not be renewed yet");
                    }
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Renews now.
    pub(crate) async fn renew(&self) -> Result<(), EnrolError> {
        let shared = &*self.0;
        let mut unshown = shared.turn.lock().await;
        let stored_ms = end_ms(&shared.home.identity().current());
        if !*unshown || stored_ms <= shared.clock.now_ms() {
            self.issue().await?;
            *unshown = true;
        }
        shared.connection.move_over().await?;
        *unshown = false;
        let end_ms = end_ms(&shared.home.identity().current());
        let now_ms = shared.clock.now_ms();
        shared
            .shown
            .send_replace(Span::new(now_ms, end_ms, random()));
        tracing::info!(system = %shared.home.system(), life_s = end_ms.saturating_sub(now_ms) / 1_000, "certificate renewed");
        Ok(())
    }

    /// Asks for a certificate for the same key, proves its entry and stores it.
    async fn issue(&self) -> Result<(), EnrolError> {
        let Shared {
            home,
            clock,
            connection,
            checkpoints,
            ..
        } = &*self.0;
        let config = home.config();
        let key = TlsKey::load(&home.path(&config.files.tls_key)).map_err(HomeError::Key)?;
        let request = wire::RenewRequest {
            certificate_request: certs::request::make(&key)?.into(),
        };
        let response = connection.agencies().renew(request).await?.into_inner();
        let chain = response.certificate_chain;
        let receipt = Receipt::from_wire(response.receipt.ok_or(EnrolError::Receipts)?)?;
        let (system, domain) = (home.system(), &config.trust_domain);
        let proven = certificate::prove(&chain, &receipt, system, domain, home.log_key())?;
        checkpoints
            .note(proven.checkpoint, receipt.checkpoint)
            .map_err(ProofError::from)?;
        let identity = Identity::new(
            certs::pem::decode_chain(&chain).map_err(HomeError::Pem)?,
            &key,
        )
        .map_err(HomeError::Identity)?;
        if end_ms(&identity) <= clock.now_ms() {
            // Better the one that stands.
            return Err(EnrolError::Certificate("it has ended already"));
        }
        // On a blocking thread: it waits for the disk, and exchanges must not.
        let home = home.clone();
        tokio::task::spawn_blocking(move || home.replace_chain(&chain))
            .await
            .map_err(|error| Status::internal(error.to_string()))??;
        Ok(())
    }
}

/// The pause after so many failures in a row: from a second on it doubles, is cut by up to half at
/// random, and leaves time for several more tries.
fn pause_after(failures: u32, left: Duration, random: u64) -> Duration {
    if left.is_zero() {
        return ENDED;
    }
    let [shortest, longest] = AGAIN;
    let doubled = Duration::from_secs(1 << failures.min(10));
    let whole = doubled.min(longest).min(left / TRIES);
    let whole_ms = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(whole_ms - random % (whole_ms / 2 + 1)).max(shortest)
}

fn end_ms(identity: &Identity) -> u64 {
    unix_ms(identity.not_after().unix_timestamp())
}

fn unix_ms(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life_and_a_little_spread() {
        for random in [0, 1, 12_345, u64::MAX] {
            let span = Span::new(1_000, 1_000 + 30 * DAY_MS, random);
            assert_eq!(span.end_ms, 1_000 + 30 * DAY_MS);
            let at_ms = span.due_ms - 1_000;
            assert!((19 * DAY_MS..=20 * DAY_MS).contains(&at_ms), "{at_ms}");
        }
        // Nothing to live: due at once, and no arithmetic that breaks.
        assert_eq!(Span::new(9, 9, 7).due_ms, 9);
        assert_eq!(Span::new(9, 3, 7).due_ms, 3);
        assert_eq!(Span::new(0, 0, u64::MAX).due_ms, 0);
    }

    #[test]
    fn failures_are_tried_again_well_before_the_end() {
        // A third of a week is left: seconds first, ten minutes at most.
        let third = Duration::from_secs(201_600);
        assert_eq!(pause_after(0, third, 0), Duration::from_secs(1));
        assert_eq!(pause_after(3, third, 0), Duration::from_secs(8));
        assert_eq!(pause_after(u32::MAX, third, 0), Duration::from_secs(600));
        // However little is left and however often it failed, several tries fit in.
        for left_ms in [2_000, 10_000, 100_000, 10_000_000] {
            let (mut left, mut tries) = (Duration::from_millis(left_ms), 0);
            while !left.is_zero() {
                left = left.saturating_sub(pause_after(tries, left, 0));
                tries += 1;
            }
            assert!(tries >= 5, "{tries} tries in {left_ms} ms");
        }
        assert_eq!(pause_after(0, Duration::ZERO, 0), ENDED);
    }

    #[test]
    fn pauses_are_spread_and_never_empty() {
        let left = Duration::from_secs(86_400);
        for random in [0, 1, 7_777, u64::MAX] {
            let pause = pause_after(6, left, random);
            assert!(pause <= Duration::from_secs(64) && pause >= Duration::from_secs(32));
            assert!(pause_after(0, Duration::from_millis(1), random) >= AGAIN[0]);
        }
    }
}
