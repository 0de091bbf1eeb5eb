//! An agency's register of processing activities, generated from its agreements: what is processed, for whom, why,
//! how long, under which licence. In Arabic and English side by side, as Law 151 of 2020 and Decree 816 of 2025 ask
//! a controller to keep; what agreements do not say stays empty rather than being invented.

use proto::act::Grant;
use proto::id::AgencyId;
use proto::registry::{Agreement, AgreementState, Registry};
use serde_json::{Value, json};

use super::shown::standing_words;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// One activity: a grant, seen from one side.
struct Activity<'a> {
    agreement: &'a Agreement,
    grant: &'a Grant,
    number: usize,
    gives: bool,
}

/// Writes the register.
///
/// # Errors
/// A usage failure for an agency that is not registered.
pub(super) fn register(
    registry: &Registry,
    agency: &AgencyId,
    output: Output,
) -> Result<(), Failure> {
    let record = registry
        .agency(agency)
        .ok_or_else(|| Failure::usage(format!("{agency} is not a registered agency")))?;
    let activities = activities(registry, agency);
    let rows: Vec<Value> = activities
        .iter()
        .map(|activity| row(registry, activity))
        .collect();
    let value = json!({
        "agency": agency.to_string(),
        "name_ar": record.name_ar,
        "name_en": record.name_en,
        "registry_size": registry.size(),
        "activities": rows,
    });
    output.show(&value, || {
        output.line(format!(
            "# Register of processing activities / سجل أنشطة المعالجة\n\n{} — {} / {}\n",
            agency, record.name_en, record.name_ar
        ));
        output.table(
            [
                "agreement / الاتفاقية",
                "role / الدور",
                "data / البيانات",
                "recipient or source / المتلقي أو المصدر",
                "purpose / الغرض",
                "legal basis / السند القانوني",
                "kept, days / الحفظ بالأيام",
                "licence / الترخيص",
                "sensitivity / الحساسية",
                "state, until / الحالة، حتى",
            ],
            activities.iter().map(|activity| cells(registry, activity)),
        );
    })
}

fn activities<'a>(registry: &'a Registry, agency: &AgencyId) -> Vec<Activity<'a>> {
    let mut agreements: Vec<&Agreement> = registry
        .agreements()
        .filter(|agreement| agreement.state != AgreementState::Proposed)
        .filter(|agreement| {
            agreement.content.provider == *agency || agreement.content.consumer.covers(agency)
        })
        .collect();
    agreements.sort_by_key(|agreement| agreement.acts.first().map_or(0, |act| act.index));
    agreements
        .into_iter()
        .flat_map(|agreement| {
            let gives = agreement.content.provider == *agency;
            let grants = agreement.content.grants.iter().enumerate();
            grants.map(move |(position, grant)| Activity {
                agreement,
                grant,
                number: position + 1,
                gives,
            })
        })
        .collect()
}

/// Names and legal bases of the purposes, Arabic and English.
fn purposes(registry: &Registry, grant: &Grant) -> ([String; 2], [String; 2]) {
    let (mut names, mut bases) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for code in &grant.purposes {
        match registry.purpose(code) {
            Some(record) => {
                let purpose = &record.purpose;
                names[0].push(purpose.name_ar.clone());
                names[1].push(purpose.name_en.clone());
                bases[0].push(purpose.legal_basis_ar.clone());
                bases[1].push(purpose.legal_basis_en.clone());
            }
            None => {
                names[0].push(code.to_string());
                names[1].push(code.to_string());
            }
        }
    }
    let join = |lists: [Vec<String>; 2]| {
        lists.map(|mut list| {
            list.dedup();
            list.join("; ")
        })
    };
    (join(names), join(bases))
}

fn row(registry: &Registry, activity: &Activity<'_>) -> Value {
    let (content, grant) = (&activity.agreement.content, activity.grant);
    let ([name_ar, name_en], [basis_ar, basis_en]) = purposes(registry, grant);
    json!({
        "agreement": activity.agreement.id.to_string(),
        "grant": activity.number,
        "role": if activity.gives { "provider" } else { "consumer" },
        "service": grant.system.service(&grant.service).to_string(),
        "fields": grant.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "other_party": if activity.gives { content.consumer.to_string() } else { content.provider.to_string() },
        "purposes_ar": name_ar,
        "purposes_en": name_en,
        "legal_basis": grant.legal_basis,
        "purpose_legal_basis_ar": basis_ar,
        "purpose_legal_basis_en": basis_en,
        "retention_days": grant.retention_days,
        "licence": grant.licence,
        "sensitivity": grant.sensitivity.as_ref().map(ToString::to_string),
        "state": activity.agreement.state.name(),
        "not_after": time_of_ms(content.not_after_ms),
        "superseded_from": activity.agreement.superseded_from_ms.map(time_of_ms),
    })
}

fn cells(registry: &Registry, activity: &Activity<'_>) -> [String; 10] {
    let (content, grant) = (&activity.agreement.content, activity.grant);
    let ([name_ar, name_en], [basis_ar, basis_en]) = purposes(registry, grant);
    let (role_en, role_ar) = if activity.gives {
        ("gives", "يقدّم")
    } else {
        ("receives", "يتلقى")
    };
    let other = if activity.gives {
        content.consumer.to_string()
    } else {
        content.provider.to_string()
    };
    let [state_en, state_ar] = standing_words(
        activity.agreement.state,
        activity.agreement.superseded_from_ms,
    );
    [
        format!("{} #{}", activity.agreement.id.short(), activity.number),
        format!("{role_en} / {role_ar}"),
        format!(
            "{}: {}",
            grant.system.service(&grant.service),
            super::words(&grant.fields)
        ),
        other,
        format!("{name_en} / {name_ar}"),
        format!("{}; {basis_en} / {basis_ar}", grant.legal_basis),
        grant.retention_days.to_string(),
        grant.licence.clone(),
        grant
            .sensitivity
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        format!(
            "{state_en} / {state_ar}, {}",
            time_of_ms(content.not_after_ms)
        ),
    ]
}
