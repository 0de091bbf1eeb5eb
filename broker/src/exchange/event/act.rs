//! What every act of an agency about events has in common: who brings it, its turn, and its refusal.

use std::pin::Pin;
use std::sync::Arc;

use audit::log::AppendError;
use proto::Code;
use proto::authorise::{Denial, code_of as header_code};
use proto::envelope::Envelope;
use proto::events::EventFault;
use proto::id::SystemId;
use proto::registry::Registry;

use crate::api::roles::{self, Denied, Rpc};
use crate::exchange::refusal::{Refused, code_of};
use crate::exchange::{Exchange, JUDGEMENTS_MAX, Received};

/// Why an act is refused.
#[derive(Debug)]
pub(super) enum No {
    /// By this code.
    Code(Code),
    /// By what the agencies agreed on.
    Denied(Denial),
    /// The store is full, or another does the same now: again later.
    Later(u64),
    /// The registry moved: judged again.
    Moved(u64),
}

impl From<Code> for No {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl From<AppendError> for No {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::RegistryMoved { size } => Self::Moved(size),
            error => Self::Code(code_of(&error)),
        }
    }
}

impl From<EventFault> for No {
    fn from(fault: EventFault) -> Self {
        Self::Code(match fault {
            EventFault::Duplicate(_) | EventFault::Twice(_) => Code::Duplicate,
            EventFault::TooMany => return Self::Later(60_000),
            EventFault::NoSubscription(_) | EventFault::Ended(_) | EventFault::NoEvent(_) => {
                Code::Stale
            }
            EventFault::Fields(_) => Code::FieldNotGranted,
        })
    }
}

/// One judgement of an act, until its entry is durable.
pub(super) type Judged<'a, T> = Pin<Box<dyn Future<Output = Result<T, No>> + Send + 'a>>;

impl Exchange {
    /// Lets `judge` decide about what came, again when the registry moved in between; records a refusal.
    pub(super) async fn act<T: Send + 'static>(
        self: &Arc<Self>,
        mut received: Received,
        judge: impl for<'a> Fn(&'a Self, &'a Received) -> Judged<'a, T> + Send + 'static,
    ) -> Result<T, Box<Refused>> {
        let admitted = match received.peer().agency.clone() {
            Some(agency) => Some(self.admitted(&agency).await.map_err(Refused::unrecorded)?),
            None => None,
        };
        received.admit(admitted, self.log.arriving());
        let this = Arc::clone(self);
        // In a task of its own: what is durable takes effect, whoever still waits for the receipt.
        let task = self.exchanges.spawn(async move {
            for _ in 0..JUDGEMENTS_MAX {
                let no = match judge(&this, &received).await {
                    Ok(done) => return Ok(done),
                    Err(No::Moved(size)) => {
                        this.registry.reached(size).await;
                        continue;
                    }
                    Err(No::Later(retry_after_ms)) => {
                        let mut refused = Refused::unrecorded(Code::Overloaded);
                        refused.retry_after_ms = Some(retry_after_ms);
                        return Err(refused);
                    }
                    Err(no) => no,
                };
                let now_ms = this.clock.now_ms();
                let refusal = match no {
                    No::Denied(denial) => received.refuse(denial.code, now_ms).with_denial(
                        denial.agreement,
                        denial.grant,
                        &denial.clause,
                    ),
                    No::Code(code) => received.refuse(code, now_ms),
                    No::Later(_) | No::Moved(_) => break,
                };
                // Nothing unread is judged against a registry, so nothing overtakes it.
                let told = this.refuse(refusal).await;
                return Err(told.unwrap_or_else(|_| Refused::unrecorded(Code::Overloaded)));
            }
            Err(Refused::unrecorded(Code::Overloaded))
        });
        task.await
            .unwrap_or_else(|_| Err(Refused::unrecorded(Code::LogUnavailable)))
    }
}

/// The system that brings it, if it may, and what it brings.
pub(super) fn brought<'a>(
    registry: &Registry,
    received: &'a Received,
    rpc: Rpc,
) -> Result<(&'a SystemId, &'a Envelope), Code> {
    let peer = received.peer();
    roles::permit(registry, peer, rpc).map_err(Denied::code)?;
    let system = peer.system.as_ref().ok_or(Code::UnknownPeer)?;
    let envelope = received.envelope().map_err(header_code)?;
    Ok((system, envelope))
}

/// The same, of a header alone.
pub(super) fn brought_bare<'a>(
    registry: &Registry,
    received: &'a Received,
    rpc: Rpc,
) -> Result<(&'a SystemId, &'a Envelope), Code> {
    let (system, envelope) = brought(registry, received, rpc)?;
    if envelope.salt.is_empty() && envelope.payload.is_empty() {
        Ok((system, envelope))
    } else {
        Err(Code::Malformed)
    }
}
