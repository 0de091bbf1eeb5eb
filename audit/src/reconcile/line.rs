//! One line of an export: what one side holds of one exchange. Read strictly, and nothing in it proved yet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::Message as _;
use proto::id::{ExchangeId, SystemId};
use proto::seal::Seal;
use proto::wire::audit::v1 as wire;
use serde_json::Value;

use crate::receipt::Receipt;

/// Bytes of one line at most.
pub(super) const BYTES_MAX: u64 = 1 << 20;

/// On which side of an exchange a journal's system stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It asked.
    Consumer,
    /// It answered.
    Provider,
}

impl Role {
    /// The word in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }
}

/// Half an exchange as one side holds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Half {
    /// Header and seal; neither for an end without an answer.
    pub(super) sealed: Option<(Bytes, Seal)>,
    /// What the log gave for it.
    pub(super) receipt: Option<Receipt>,
}

/// One exchange as one side holds it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) exchange: ExchangeId,
    pub(super) role: Role,
    pub(super) system: SystemId,
    pub(super) outcome: String,
    pub(super) request: Half,
    pub(super) answer: Half,
}

impl Line {
    /// Reads one JSON object. Keys that it does not know are passed over: exports may say more.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let value: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON")?;
        let word = |key: &str| value.get(key).and_then(Value::as_str);
        let exchange = word("exchange_id").and_then(ExchangeId::parse);
        let role = match word("role") {
            Some("consumer") => Role::Consumer,
            Some("provider") => Role::Provider,
            _ => return Err("its role is neither consumer nor provider"),
        };
        let system = word("system").and_then(|system| SystemId::parse(system).ok());
        Ok(Self {
            exchange: exchange.ok_or("it has no exchange_id")?,
            role,
            system: system.ok_or("it has no system")?,
            outcome: word("outcome").unwrap_or_default().to_owned(),
            request: half(value.get("request"))?,
            answer: half(value.get("answer"))?,
        })
    }
}

fn half(value: Option<&Value>) -> Result<Half, &'static str> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Half::default());
    };
    let bytes = |key: &str| match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(_) => Err("a value is not base64"),
        },
        Some(_) => Err("a value is not text"),
    };
    let sealed = match (bytes("header")?, bytes("seal")?) {
        (Some(header), Some(seal)) => {
            let seal = Seal::from_block(&seal).ok_or("a seal is not a seal block")?;
            Some((header, seal))
        }
        (None, None) => None,
        _ => return Err("a header stands without its seal, or a seal without its header"),
    };
    let receipt = match bytes("receipt")? {
        None => None,
        Some(bytes) => {
            let message = wire::Receipt::decode(bytes).map_err(|_| "a receipt is no receipt")?;
            let receipt = Receipt::from_wire(message).map_err(|_| "a receipt is malformed")?;
            Some(receipt)
        }
    };
    Ok(Half { sealed, receipt })
}
