//! How one item of many ended.

use bytes::Bytes;
use prost::Message as _;

use super::ItemsError;
use crate::canonical;
use crate::header::AnswerStatus;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::wire::exchange::v1 as wire;

/// One item's result. `Debug` shows its payload: never write it into a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemResult {
    /// Any but refused: who refuses, refuses all of them.
    pub status: AnswerStatus,
    /// The agency's bytes; empty unless answered.
    pub payload: Bytes,
}

impl ItemResult {
    /// A result without a payload.
    pub fn without(status: AnswerStatus) -> Self {
        Self {
            status,
            payload: Bytes::new(),
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let status = match self.status {
            AnswerStatus::Answered => wire::AnswerStatus::Answered,
            AnswerStatus::NotFound => wire::AnswerStatus::NotFound,
            AnswerStatus::InvalidRequest => wire::AnswerStatus::InvalidRequest,
            AnswerStatus::Unavailable => wire::AnswerStatus::Unavailable,
            AnswerStatus::Failed | AnswerStatus::Refused(_) => wire::AnswerStatus::Failed,
        };
        wire::ItemResult {
            status: status as i32,
            payload: self.payload.clone(),
        }
        .encode_to_vec()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`ItemsError::Result`].
    pub fn open(bytes: &[u8]) -> Result<Self, ItemsError> {
        let wire: wire::ItemResult =
            canonical::decode(bytes, PAYLOAD_BYTES_MAX).map_err(|_| ItemsError::Result)?;
        let status = match wire::AnswerStatus::try_from(wire.status) {
            Ok(wire::AnswerStatus::Answered) => AnswerStatus::Answered,
            Ok(wire::AnswerStatus::NotFound) => AnswerStatus::NotFound,
            Ok(wire::AnswerStatus::InvalidRequest) => AnswerStatus::InvalidRequest,
            Ok(wire::AnswerStatus::Unavailable) => AnswerStatus::Unavailable,
            Ok(wire::AnswerStatus::Failed) => AnswerStatus::Failed,
            Ok(wire::AnswerStatus::Refused | wire::AnswerStatus::Unspecified) | Err(_) => {
                return Err(ItemsError::Result);
            }
        };
        if status != AnswerStatus::Answered && !wire.payload.is_empty() {
            return Err(ItemsError::Result);
        }
        Ok(Self {
            status,
            payload: wire.payload,
        })
    }
}
