//! Evidence of one item as a file: JSON, bytes in base64, digests and keys in hex.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::items::ItemProof;
use serde_json::{Value, json};

use super::{ItemEvidence, ProofError};
use crate::journal::SealedBytes;

/// What the file says it is.
const FORMAT: &str = "mohawel/item-proof/v1";

impl ItemEvidence {
    /// The file's content.
    pub fn to_json(&self) -> Value {
        let half = |sealed: &SealedBytes, receipt: &Bytes, item: &ItemProof| {
            json!({
                "header": STANDARD.encode(&sealed.header),
                "seal": STANDARD.encode(&sealed.seal),
                "receipt": STANDARD.encode(receipt),
                "manifest": STANDARD.encode(&item.manifest),
                "manifest_key": hex::encode(item.manifest_key.0),
                "index": item.index,
                "item": STANDARD.encode(&item.item),
                "item_key": hex::encode(item.item_key.0),
                "path": hashes(&item.path),
            })
        };
        json!({
            "format": FORMAT,
            "request": half(&self.request, &self.request_receipt, &self.item),
            "answer": half(&self.answer, &self.answer_receipt, &self.result),
            "above": hashes(&self.above),
        })
    }

    /// Reads a file's content. Nothing of it is believed before it was verified.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] naming the part.
    pub fn from_json(value: &Value) -> Result<Self, ProofError> {
        if value["format"] != FORMAT {
            return Err(ProofError::Malformed("format"));
        }
        let request = half(&value["request"]).ok_or(ProofError::Malformed("request"))?;
        let answer = half(&value["answer"]).ok_or(ProofError::Malformed("answer"))?;
        Ok(Self {
            request: request.0,
            request_receipt: request.1,
            item: request.2,
            answer: answer.0,
            answer_receipt: answer.1,
            result: answer.2,
            above: read_hashes(&value["above"]).ok_or(ProofError::Malformed("path"))?,
        })
    }
}

fn hashes(path: &[Digest]) -> Vec<String> {
    path.iter().map(Digest::to_string).collect()
}

fn read_hashes(value: &Value) -> Option<Vec<Digest>> {
    let list = value.as_array()?.iter();
    list.map(|hash| Digest::from_hex(hash.as_str()?)).collect()
}

fn half(value: &Value) -> Option<(SealedBytes, Bytes, ItemProof)> {
    let bytes =
        |name: &str| -> Option<Bytes> { Some(STANDARD.decode(value[name].as_str()?).ok()?.into()) };
    let key = |name: &str| Salt::from_slice(&hex::decode(value[name].as_str()?).ok()?).ok();
    let sealed = SealedBytes {
        header: bytes("header")?,
        seal: bytes("seal")?,
    };
    let item = ItemProof {
        manifest: bytes("manifest")?,
        manifest_key: key("manifest_key")?,
        index: u32::try_from(value["index"].as_u64()?).ok()?,
        item: bytes("item")?,
        item_key: key("item_key")?,
        path: read_hashes(&value["path"])?,
    };
    Some((sealed, bytes("receipt")?, item))
}
