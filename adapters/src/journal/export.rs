//! Exchanges and disclosed payloads as JSON, for auditors: one object a line, exact bytes in base64.
//!
//! The format is written down in `docs/log.md` and read by `audit::reconcile`; both ends are held together by a test.

use audit::receipt::Receipt;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::Message as _;
use proto::id::{ExchangeId, SystemId};
use proto::wire::audit::v1 as wire;
use serde_json::{Value, json};

use super::record::{Record, SealedBytes};
use super::vault::Opened;

/// One exchange as `adapter receipts --export` writes it. `system` is the home's.
pub fn exchange(record: &Record, system: &SystemId) -> Value {
    json!({
        "exchange_id": record.exchange.to_string(),
        "role": record.role.name(),
        "system": system.to_string(),
        "other": record.other.to_string(),
        "at_ms": record.at_ms,
        "outcome": record.outcome,
        "request": half(record.request.as_ref(), record.request_receipt.as_ref()),
        "answer": half(record.answer.as_ref(), record.answer_receipt.as_ref()),
    })
}

/// Index of the entry that a receipt is of.
pub fn index(receipt: Option<&Bytes>) -> Option<u64> {
    let receipt = wire::Receipt::decode(receipt?.clone()).ok()?;
    Receipt::from_wire(receipt)
        .ok()
        .map(|receipt| receipt.index)
}

fn half(sealed: Option<&SealedBytes>, receipt: Option<&Bytes>) -> Value {
    if sealed.is_none() && receipt.is_none() {
        return Value::Null;
    }
    json!({
        "index": index(receipt),
        "header": sealed.map(|sealed| STANDARD.encode(&sealed.header)),
        "seal": sealed.map(|sealed| STANDARD.encode(&sealed.seal)),
        "receipt": receipt.map(|receipt| STANDARD.encode(receipt)),
    })
}

/// The payloads of one exchange as `adapter receipts --disclose` writes them.
pub fn disclosure(
    exchange: ExchangeId,
    request: Option<&Opened>,
    answer: Option<&Opened>,
) -> Value {
    let half = |opened: &Opened| {
        json!({
            "salt": STANDARD.encode(opened.salt.0),
            "payload": STANDARD.encode(&opened.payload),
        })
    };
    json!({
        "exchange_id": exchange.to_string(),
        "request": request.map(half),
        "answer": answer.map(half),
    })
}
