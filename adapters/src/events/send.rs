//! Sending to the switch: each act again while the way to it is broken, the very same bytes, and its receipt proved.

use std::future::Future;

use audit::receipt::Receipt;
use proto::entry::Kind;
use proto::refusal::Code;
use proto::wire::audit::v1 as wire;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use super::{EventError, WITHIN};
use crate::adapter::Adapter;
use crate::connection::Backoff;
use crate::sealer::Sealed;

/// How often the same bytes are sent while the switch cannot be reached.
const SENDS: u32 = 3;
/// The domain of the switch's refusals in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mohawel";

/// One call.
pub(super) async fn once<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, EventError> {
    match tokio::time::timeout(WITHIN, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(refused(&status)),
        Err(_) => Err(EventError::Transport("not in time".to_owned())),
    }
}

/// The same call until the switch says something.
pub(super) async fn again<T, F>(call: impl Fn() -> F) -> Result<T, EventError>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut backoff = Backoff::default();
    let mut left = SENDS;
    loop {
        left -= 1;
        match once(call()).await {
            Err(EventError::Transport(_)) if left > 0 => {
                tokio::time::sleep(backoff.next_wait()).await;
            }
            ended => return ended,
        }
    }
}

/// The receipt proves that the log holds this very header as an entry of `kind`.
pub(super) fn proved(
    adapter: &Adapter,
    receipt: Option<wire::Receipt>,
    sealed: &Sealed,
    kind: Kind,
) -> Result<Receipt, EventError> {
    let untrusted = |what: &str| EventError::Untrusted(what.to_owned());
    let receipt = receipt.ok_or_else(|| untrusted("there is none"))?;
    let receipt = Receipt::from_wire(receipt).map_err(|_| untrusted("it is malformed"))?;
    let proven = adapter.prove(&receipt, &sealed.header, Some(&sealed.seal))?;
    if proven.entry.kind == kind {
        Ok(receipt)
    } else {
        Err(EventError::Untrusted(format!(
            "it is recorded as {}",
            proven.entry.kind.name()
        )))
    }
}

fn refused(status: &Status) -> EventError {
    let info = status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN);
    let code = info.as_ref().and_then(|info| Code::parse(&info.reason));
    let Some(code) = code else {
        return EventError::Transport(format!("{:?}: {}", status.code(), status.message()));
    };
    let clause = info.and_then(|info| info.metadata.get("clause").cloned());
    EventError::Refused {
        code,
        clause: clause.filter(|clause| !clause.is_empty()),
        retry_after: status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay),
    }
}
