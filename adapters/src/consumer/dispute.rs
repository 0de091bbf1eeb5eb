//! The consumer's sealed objection to an answer whose payload is not its header's.

use std::time::Duration;

use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::DisputeHeader;
use proto::id::ExchangeId;
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;

use super::Consumer;

/// How long the record of a dispute is waited for.
const DISPUTE_WAIT: Duration = Duration::from_secs(5);

impl Consumer {
    /// Puts a sealed objection on record. Says whether its receipt proves that.
    pub(super) async fn dispute(&self, exchange_id: ExchangeId, answer_header: Digest) -> bool {
        let header = DisputeHeader {
            exchange_id,
            answer_header,
            code: Code::PayloadMismatch,
            issued_at_ms: self.adapter.clock().now_ms(),
        };
        match tokio::time::timeout(DISPUTE_WAIT, self.record_dispute(header)).await {
            Ok(Ok(())) => true,
            Ok(Err(reason)) => {
                tracing::error!(exchange = %exchange_id, reason, "the dispute is not on record");
                false
            }
            Err(_) => {
                tracing::error!(exchange = %exchange_id, "the dispute is not on record: no answer of the switch");
                false
            }
        }
    }

    async fn record_dispute(&self, header: DisputeHeader) -> Result<(), String> {
        let sealed = self
            .adapter
            .sealer()
            .dispute(header)
            .await
            .map_err(|error| error.to_string())?;
        let envelope = Envelope::bare(sealed.header.clone(), sealed.seal.clone());
        let request = wire::DisputeRequest {
            envelope: Some(envelope.to_wire()),
        };
        let mut client = self.adapter.connection().exchange();
        let response = client
            .dispute(request)
            .await
            .map_err(|status| status.to_string())?;
        let receipt = response.into_inner().receipt.ok_or("there is no receipt")?;
        let receipt =
            audit::receipt::Receipt::from_wire(receipt).map_err(|error| error.to_string())?;
        let proven = self
            .adapter
            .prove(&receipt, &sealed.header, Some(&sealed.seal))
            .map_err(|error| error.to_string())?;
        if proven.entry.kind == Kind::Dispute {
            Ok(())
        } else {
            Err(format!("it is recorded as {}", proven.entry.kind.name()))
        }
    }
}
