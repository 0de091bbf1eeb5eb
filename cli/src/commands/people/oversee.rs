//! Sealing a hold, an erasure or a review with an agency's authority key, and having it recorded.

use adapters::Adapter;
use audit::receipt::Receipt;
use bytes::Bytes;
use prost::Message as _;
use proto::entry::Kind;
use proto::key::Signer;
use proto::wire::audit::v1 as wire;

use crate::commands::{act, refused};
use crate::failure::Failure;

/// Seals `header` under `label`, submits it, and proves its entry. Gives the receipt.
///
/// # Errors
/// What the switch refuses; [`crate::failure::Exit::Untrusted`] when the receipt proves nothing.
pub(in crate::commands) async fn submit(
    adapter: &Adapter,
    authority: &dyn Signer,
    (kind, label): (Kind, &str),
    header: Bytes,
) -> Result<Receipt, Failure> {
    let envelope = act::sealed(adapter, authority, label, header)?;
    let request = wire::OverseeRequest {
        kind: u32::from(kind as u8),
        envelope: envelope.to_wire().encode_to_vec().into(),
    };
    let response = adapter
        .connection()
        .log()
        .oversee(request)
        .await
        .map_err(|status| refused::failure(&status))?;
    let (receipt, entry) = act::proved(adapter, response.into_inner().receipt, &envelope)?;
    if entry.kind == kind {
        Ok(receipt)
    } else {
        Err(Failure::untrusted("it is recorded as something else"))
    }
}
