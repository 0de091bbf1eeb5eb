//! `mohawel service try`: a provider asks its own service through the switch, before anybody else may.
//!
//! Nobody asks without an agreement, the provider neither. So the agency agrees with itself: for a day, for the purpose
//! `test`, and for nothing but this operation and these fields. The exchange is recorded and proved like any other.

use proto::act::{ConsumerScope, Grant};
use proto::digest::Digest;
use proto::id::{AgencyId, Part};
use proto::registry::{AgreementState, Registry};

use super::unpublished;
use crate::args::{Call, Try};
use crate::commands::agreement::terms::{End, Terms, Validity};
use crate::commands::{act, agreement, call};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Stated by every trial.
const PURPOSE: &str = "test";
/// An agreement that ends sooner is not used any more.
const LEFT_MS: u64 = 60_000;

/// Makes the agreement where there is none, and asks.
///
/// # Errors
/// As [`act::submit`] and [`call::run`].
pub(super) async fn run(trial: Try, output: Output) -> Result<(), Failure> {
    let purpose = Part::parse(PURPOSE).map_err(Failure::usage)?;
    let adapter = act::connect(&trial.home).await?;
    let registry = adapter.mirror().snapshot();
    let terms = terms(&trial, &purpose, &registry, adapter.home().system())?;
    let now_ms = adapter.clock().now_ms();
    let agreement = match standing(&registry, &terms, now_ms) {
        Some(id) => id,
        None => {
            let authority = act::authority(&trial.home, &trial.authority, output)?;
            let done = Box::pin(agreement::propose(&adapter, &authority, &terms)).await?;
            output.note(format!(
                "{} {} {}",
                output.say("The agency agreed with itself:", "اتفقت الجهة مع نفسها:"),
                done.id.short(),
                output.say(
                    "permits this operation and these fields for a day, for the purpose test, to nobody else.",
                    "تسمح بهذه العملية وهذه الحقول يومًا واحدًا لغرض test وللجهة نفسها فقط."
                ),
            ));
            done.id
        }
    };
    drop(adapter);
    let fields = terms.grants.into_iter().flat_map(|grant| grant.fields);
    let asked = Call {
        service: trial.service,
        operation: trial.operation,
        home: trial.home,
        purpose,
        fields: fields.collect(),
        data: trial.data,
        upload: None,
        content_type: String::new(),
        agreement: Some(agreement.to_string()),
        deadline_ms: trial.deadline_ms,
        retries: 0,
        receipt: None,
        output: None,
        actor: None,
        case: None,
        attempt_of: None,
    };
    Box::pin(call::run(asked, output)).await
}

/// The service is somebody else's.
fn foreign(trial: &Try, agency: &AgencyId) -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("{} is not a service of {agency}", trial.service),
            format!("الخدمة {} ليست من خدمات الجهة {agency}", trial.service),
        ],
        [
            "Others' services are asked with `mohawel call`, under an agreement.",
            "تُسأل خدمات الجهات الأخرى بالأمر mohawel call وفق اتفاقية.",
        ],
    )
}

/// What the agency agrees with itself.
fn terms(
    trial: &Try,
    purpose: &Part,
    registry: &Registry,
    own: &proto::id::SystemId,
) -> Result<Terms, Failure> {
    let (agency, system) = (own.agency(), trial.service.system());
    if !system.belongs_to(&agency) {
        return Err(foreign(trial, &agency));
    }
    let record = registry
        .service(&trial.service)
        .ok_or_else(|| unpublished(&trial.service))?;
    let operation = record
        .definition
        .operation(&trial.operation)
        .ok_or_else(|| {
            let names = record.definition.operations.iter();
            let names: Vec<_> = names.map(|one| one.name.to_string()).collect();
            Failure::usage(format!(
                "{} has no operation '{}'; it has {}",
                trial.service,
                trial.operation,
                names.join(", ")
            ))
        })?;
    let stands = registry
        .purpose(purpose)
        .is_some_and(|record| !record.purpose.ended);
    if !stands {
        return Err(Failure::new(
            Exit::Usage,
            [
                "The switch's catalogue has no purpose 'test'.",
                "لا يوجد الغرض test في قائمة أغراض المحوِّل.",
            ],
            [
                "Ask the operator for it: `mohawel purpose set test`.",
                "اطلبه من المشغّل: mohawel purpose set test.",
            ],
        ));
    }
    let mut fields = trial.fields.clone();
    if fields.is_empty() {
        fields.clone_from(&operation.fields);
    }
    fields.sort();
    fields.dedup();
    Ok(Terms {
        consumer: ConsumerScope::Agency(agency.clone()),
        provider: agency,
        validity: Validity {
            not_before_ms: None,
            end: End::Days(1),
        },
        grants: vec![Grant {
            system,
            service: trial.service.service(),
            operations: vec![trial.operation.clone()],
            purposes: vec![purpose.clone()],
            fields,
            legal_basis: "A trial of the own service / تجربة خدمة الجهة نفسها".to_owned(),
            daily_quota: 0,
            retention_days: 1,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        supersedes: None,
    })
}

/// The agreement of an earlier trial that permits the very same and still counts.
fn standing(registry: &Registry, terms: &Terms, now_ms: u64) -> Option<Digest> {
    let own = terms.consumer.to_string();
    let mut standing = registry.agreements().filter(|record| {
        let content = &record.content;
        record.state == AgreementState::Active
            && record.superseded_from_ms.is_none()
            && content.provider == terms.provider
            && content.consumer.to_string() == own
            && content.grants == terms.grants
            && content.not_before_ms <= now_ms
            && content.not_after_ms > now_ms.saturating_add(LEFT_MS)
    });
    standing.next().map(|record| record.id)
}
