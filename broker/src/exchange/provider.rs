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
        mut recorded: Recorded,
        caller: &mut Caller,
    ) -> Result<Answered, Fault> {
        let (delivered, deadline) = (Instant::now(), recorded.deadline());
        if deadline <= delivered {
            return Err(Fault::new(recorded, Cause::Deadline, 0));
        }
        recorded.seat().deliver(&recorded);
        let cause = tokio::select! {
            biased;
            answer = recorded.seat_mut().answer() => match answer {
                Ok(envelope) => {
                    let (provider_us, arriving) = (micros(delivered), Some(self.log.arriving()));
                    return Ok(Answered { recorded, envelope, provider_us, arriving });
                }
                Err(_) => Cause::LinkLost,
            },
            cause = caller.hung_up() => cause,
            () = sleep_until(deadline) => Cause::Deadline,
            () = self.stop.cancelled() => Cause::Stopping,
        };
        match cause {
            Cause::Deadline => recorded.seat_mut().cancel(CancelReason::Deadline),
            Cause::HangUp | Cause::Stopping => recorded.seat_mut().cancel(CancelReason::HangUp),
            Cause::LinkLost
            | Cause::Answer { .. }
            | Cause::Cut(_)
            | Cause::Stream(_)
            | Cause::NotRead
            | Cause::TooLong => {}
        }
        Err(Fault::new(recorded, cause, micros(delivered)))
    }
}
