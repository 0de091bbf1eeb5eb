//! Room 6, provider: `Recorded → Answered`.
//!
//! Takes a durable request. Delivers it on its link and waits: the first of answer, hang-up and deadline ends the
//! wait. Says no with deadline and provider_failed. Never judges the answer, and never ends without a closing entry:
//! every way out of here leads to the record.

use audit::log::Arriving;
use proto::wire::exchange::v1::{CancelReason, Envelope};
use tokio::time::{Instant, sleep_until};

use super::outcome::{Cause, Fault};
use super::record::Recorded;
use super::refusal::micros;
use super::{Caller, Exchange};

/// A recorded request and what came back for it, unjudged.
#[derive(Debug)]
pub(super) struct Answered {
    recorded: Recorded,
    envelope: Option<Envelope>,
    provider_us: u64,
    arriving: Option<Arriving>,
}

/// An answered request in its parts, for the next room.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) recorded: Recorded,
    pub(super) envelope: Option<Envelope>,
    pub(super) provider_us: u64,
    pub(super) arriving: Option<Arriving>,
}

impl Answered {
    /// The same answer again, for a registry that moved.
    pub(super) fn again(recorded: Recorded, envelope: Envelope, provider_us: u64) -> Self {
        Self {
            recorded,
            envelope: Some(envelope),
            provider_us,
            arriving: None,
        }
    }

    pub(super) fn into_parts(self) -> Parts {
        let Self {
            recorded,
            envelope,
            provider_us,
            arriving,
        } = self;
        Parts {
            recorded,
            envelope,
            provider_us,
            arriving,
        }
    }
}

impl Exchange {
    /// Asks the provider.
    pub(super) async fn provider(
        &self,
        recorded: Recorded,
        caller: &mut Caller,
    ) -> Result<Answered, Fault> {
        let (delivered, deadline) = (Instant::now(), recorded.deadline());
        if deadline <= delivered {
            return Err(Fault::new(recorded, Cause::Deadline, 0));
        }
        recorded.seat().deliver(&recorded);
        self.awaited(recorded, caller, (delivered, deadline)).await
    }

    /// Waits for the answer to what was delivered, until the deadline.
    pub(super) async fn awaited(
        &self,
        mut recorded: Recorded,
        caller: &mut Caller,
        (delivered, deadline): (Instant, Instant),
    ) -> Result<Answered, Fault> {
        let cause = tokio::select! {
            biased;
            answer = recorded.seat_mut().answer() => match answer {
                Ok(envelope) => return Ok(self.answered(recorded, envelope, delivered)),
                Err(_) => Cause::LinkLost,
            },
            cause = caller.hung_up() => cause,
            () = sleep_until(deadline) => Cause::Deadline,
            () = self.stop.cancelled() => Cause::Stopping,
        };
        Err(broken_off(recorded, cause, delivered))
    }

    /// What came for what was delivered.
    pub(super) fn answered(
        &self,
        recorded: Recorded,
        envelope: Option<Envelope>,
        delivered: Instant,
    ) -> Answered {
        Answered {
            recorded,
            envelope,
            provider_us: micros(delivered),
            arriving: Some(self.log.arriving()),
        }
    }
}

/// The exchange ends here, and its adapter is told, unless it is gone.
pub(super) fn broken_off(mut recorded: Recorded, cause: Cause, since: Instant) -> Fault {
    let reason = match &cause {
        Cause::LinkLost => None,
        Cause::HangUp | Cause::Stopping | Cause::NotRead => Some(CancelReason::HangUp),
        Cause::Deadline | Cause::TooLong => Some(CancelReason::Deadline),
        Cause::Cut(_) => Some(CancelReason::Revoked),
        Cause::Stream(_) | Cause::Upload { .. } | Cause::Answer { .. } => {
            Some(CancelReason::Broken)
        }
    };
    if let Some(reason) = reason {
        recorded.seat_mut().cancel(reason);
    }
    Fault::new(recorded, cause, micros(since))
}
