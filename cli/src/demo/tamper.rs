//! A request that is changed between its seal and the switch, as by someone inside the agency's own
//! network who holds its TLS connection but not its seal key.

use std::path::Path;

use adapters::adapter::Adapter;
use adapters::identity::Home;
use audit::receipt::Receipt;
use bytes::Bytes;
use prost::Message as _;
use proto::act::ConsumerScope;
use proto::commitment::{Commitment, Salt};
use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, Part, ServiceId};
use proto::limits::{DEADLINE_MS_DEFAULT, label};
use proto::registry::{AgreementState, Registry};
use proto::seal::Seal;
use proto::wire::exchange::v1::CallRequest;
use serde_json::{Value, json};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::failure::Failure;

/// What the switch said to the changed request, and where its log holds that.
#[derive(Debug)]
pub(super) struct Refused {
    /// The refusal code.
    pub code: String,
    /// Log index of the refusal entry.
    pub index: u64,
}

const SERVICE: &str = "EG/GOV/CIVIL/registry/persons.v1";

/// Seals a permitted request as the home's system, then asks for another field under the same seal.
pub(super) async fn send_changed(home: &Path, parameters: Value) -> Result<Refused, Failure> {
    let adapter = Adapter::connect(Home::open(home).map_err(Failure::usage)?)
        .await
        .map_err(Failure::unavailable)?;
    let payload =
        Bytes::from(json!({ "operation": "lookup", "parameters": parameters }).to_string());
    let salt = Salt::random().map_err(Failure::unavailable)?;
    let registry = adapter.mirror().snapshot();
    let mut header = permitted(
        &adapter,
        &registry,
        Commitment::new("application/json", &payload, &salt),
    )?;
    let seal = Seal::one(
        label::REQUEST,
        registry.origin(),
        &header.encode(),
        &**adapter.home().signer(),
    )
    .map_err(Failure::unavailable)?;
    header.fields = vec![part("birth_date")?];
    let envelope = Envelope::new(header.encode(), seal, salt, payload);
    let sent = adapter
        .connection()
        .exchange()
        .call(CallRequest {
            envelope: Some(envelope.to_wire()),
        })
        .await;
    let Err(status) = sent else {
        return Err(Failure::untrusted(
            "the switch let a changed request through",
        ));
    };
    let code = status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default();
    let receipt = status
        .metadata()
        .get_bin("mohawel-receipt-bin")
        .and_then(|value| value.to_bytes().ok());
    let wire = receipt.and_then(|bytes| proto::wire::audit::v1::Receipt::decode(bytes).ok());
    let receipt = wire
        .map(Receipt::from_wire)
        .transpose()
        .map_err(Failure::untrusted)?;
    let receipt =
        receipt.ok_or_else(|| Failure::untrusted("the refusal came without a receipt"))?;
    receipt
        .verify(&Bytes::new(), None, adapter.home().log_key())
        .map_err(Failure::untrusted)?;
    Ok(Refused {
        code,
        index: receipt.index,
    })
}

/// A header that the switch would let through if nobody changed it.
fn permitted(
    adapter: &Adapter,
    registry: &Registry,
    payload: Commitment,
) -> Result<RequestHeader, Failure> {
    let system = adapter.home().system().clone();
    let service_id = ServiceId::parse(SERVICE).map_err(Failure::usage)?;
    let service = registry
        .service(&service_id)
        .ok_or_else(|| Failure::unavailable("the service is not published"))?;
    let agreement = registry
        .agreements()
        .find(|agreement| {
            agreement.state == AgreementState::Active
                && agreement.content.provider == service_id.system().agency()
                && agreement.content.consumer == ConsumerScope::Agency(system.agency())
        })
        .ok_or_else(|| Failure::unavailable("there is no agreement"))?;
    Ok(RequestHeader {
        exchange_id: ExchangeId::from_uuid(Uuid::now_v7())
            .ok_or_else(|| Failure::unavailable("no exchange id"))?,
        attempt_of: None,
        run_id: *Uuid::now_v7().as_bytes(),
        sequence: 1,
        consumer: system,
        provider: service_id.system(),
        service: service_id.service(),
        operation: part("lookup")?,
        contract: service.contract,
        purpose: part("takaful-eligibility")?,
        agreement: Some(agreement.id),
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: Vec::new(),
        actor: None,
        fields: vec![part("name_ar")?],
        issued_at_ms: adapter.clock().now_ms(),
        deadline_ms: DEADLINE_MS_DEFAULT,
        payload,
        seen: None,
    })
}

fn part(text: &str) -> Result<Part, Failure> {
    Part::parse(text).map_err(Failure::usage)
}
