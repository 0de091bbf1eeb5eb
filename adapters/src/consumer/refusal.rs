//! A gRPC status becomes an error that says what happened, what to do, and whether the log proves it.

use std::time::Duration;

use audit::receipt::Receipt;
use bytes::Bytes;
use prost::Message;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::facts;
use proto::refusal::{Code, Language};
use proto::wire::audit::v1 as wire;
use tonic::Status;
use tonic_types::StatusExt;

use super::Try;
use super::outcome::{ExchangeError, Refused};
use crate::adapter::Adapter;
use crate::sealer::Sealed;

/// The domain of our refusals in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mohawel";
/// The trailer that carries a refusal's receipt.
const RECEIPT_TRAILER: &str = "mohawel-receipt-bin";
/// The longest wait that a switch may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// Reads the status of a call that brought no answer.
pub(super) fn read(
    status: &Status,
    sealed: &Sealed,
    try_: &Try,
    adapter: &Adapter,
) -> ExchangeError {
    let info = status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN);
    let code = info.as_ref().and_then(|info| Code::parse(&info.reason));
    let (Some(info), Some(code)) = (info, code) else {
        return ExchangeError::Transport {
            reason: format!("{:?}: {}", status.code(), status.message()),
            attempt: try_.attempt(),
        };
    };
    let word = |key: &str| {
        info.metadata
            .get(key)
            .filter(|word| !word.is_empty())
            .cloned()
    };
    let receipt = receipt_of(status);
    let proven = receipt
        .as_ref()
        .is_some_and(|receipt| proves(receipt, code, sealed, try_, adapter));
    if code.is_recorded() && !proven {
        tracing::warn!(exchange = %try_.id, %code, "refused without a receipt that proves it");
    }
    ExchangeError::Refused(Box::new(Refused {
        code,
        exchange_id: try_.id,
        clause: word("clause"),
        agreement: word("agreement"),
        grant: word("grant")
            .and_then(|grant| grant.parse().ok())
            .filter(|grant| *grant > 0),
        notice_ar: word("notice_ar").filter(|notice| is_plain(notice)),
        notice_en: word("notice_en").filter(|notice| is_plain(notice)),
        first_outcome: word("outcome"),
        sentence: code.sentence(Language::English),
        remedy: code.remedy(Language::English),
        sentence_ar: code.sentence(Language::Arabic),
        remedy_ar: code.remedy(Language::Arabic),
        retry_after: status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay)
            .map(|delay| delay.min(RETRY_AFTER_MAX)),
        receipt,
        proven,
        attempt: try_.attempt(),
    }))
}

/// Whether a text of somebody else may be shown on a terminal.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn receipt_of(status: &Status) -> Option<Receipt> {
    let trailer = status
        .metadata()
        .get_bin(RECEIPT_TRAILER)?
        .to_bytes()
        .ok()?;
    Receipt::from_wire(wire::Receipt::decode(trailer).ok()?).ok()
}

/// Whether the receipt proves a refusal or an end of this very exchange: over our own header and
/// seal, or over an entry without a header that names our bytes or our exchange.
fn proves(receipt: &Receipt, code: Code, sealed: &Sealed, try_: &Try, adapter: &Adapter) -> bool {
    let Ok(facts) = facts::exchange(&receipt.facts) else {
        return false;
    };
    match receipt.kind {
        Kind::Refusal if facts.refused_sha256.is_empty() => {
            facts.code == code.name()
                && adapter
                    .prove(receipt, &sealed.header, Some(&sealed.seal))
                    .is_ok()
        }
        Kind::Refusal => {
            facts.code == code.name()
                && Digest::from_slice(&facts.refused_sha256) == Some(Digest::of(&sealed.header))
                && adapter.prove(receipt, &Bytes::new(), None).is_ok()
        }
        Kind::Closing => {
            facts.exchange_id[..] == try_.id.as_bytes()[..]
                && adapter.prove(receipt, &Bytes::new(), None).is_ok()
        }
        _ => false,
    }
}
