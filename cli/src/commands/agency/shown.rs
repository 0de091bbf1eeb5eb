//! One agency as people and machines read it: who it is, what alarms there are, its keys, services and agreements.

use proto::id::AgencyId;
use proto::registry::{
    Agency as Record, Agreement, AgreementState, BoundKey, EncryptionKeyRecord, Registry, Service,
};
use serde_json::{Value, json};

use super::{agency_json, fingerprint, withdrawn};
use crate::commands::agreement::{self, agreement_json};
use crate::commands::service::service_json;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

pub(super) fn show(registry: &Registry, id: &AgencyId, output: Output) -> Result<(), Failure> {
    let agency = registry.agency(id).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            [
                format!("{id} is not a registered agency"),
                format!("الجهة {id} غير مسجّلة"),
            ],
            [
                "`mohawel agency list` shows all of them.",
                "يعرضها كلها الأمر mohawel agency list.",
            ],
        )
    })?;
    let of = Belongings::of(registry, id);
    let mut value = agency_json(registry, agency);
    value["keys"] = of.keys.iter().map(|key| key_json(key)).collect();
    value["encryption_keys"] = of
        .encryption_keys
        .iter()
        .map(|record| {
            json!({
                "kid": record.binding.key.kid().to_string(),
                "system": record.binding.system.to_string(),
                "index": record.index,
            })
        })
        .collect();
    value["services"] = of
        .services
        .iter()
        .map(|record| service_json(record))
        .collect();
    value["agreements"] = of
        .agreements
        .iter()
        .map(|record| agreement_json(record))
        .collect();
    output.show(&value, || print(registry, agency, &of, output))
}

/// What the registry holds of one agency, each in the order of the log.
struct Belongings<'a> {
    keys: Vec<&'a BoundKey>,
    encryption_keys: Vec<&'a EncryptionKeyRecord>,
    services: Vec<&'a Service>,
    agreements: Vec<&'a Agreement>,
}

impl<'a> Belongings<'a> {
    fn of(registry: &'a Registry, id: &AgencyId) -> Self {
        let (keys, services) = (registry.keys(), registry.services());
        let mut of = Self {
            keys: keys.filter(|key| key.system.belongs_to(id)).collect(),
            encryption_keys: registry
                .encryption_keys()
                .filter(|record| record.binding.system.belongs_to(id))
                .collect(),
            services: services
                .filter(|record| record.definition.system.belongs_to(id))
                .collect(),
            agreements: registry
                .agreements()
                .filter(|record| {
                    record.content.provider == *id || record.content.consumer.covers(id)
                })
                .collect(),
        };
        of.keys.sort_by_key(|key| key.index);
        of.services.sort_by_key(|record| record.index);
        of.agreements
            .sort_by_key(|record| record.acts.first().map_or(0, |act| act.index));
        of
    }
}

fn print(registry: &Registry, agency: &Record, of: &Belongings<'_>, output: Output) {
    output.line(format!(
        "{}  {} / {}",
        agency.id, agency.name_en, agency.name_ar
    ));
    for line in fingerprint::lines(&agency.authority_key, output) {
        output.line(line);
    }
    if let Some((index, reason)) = &agency.suspended {
        output.line(format!(
            "{} {index}: {reason}",
            output.say("SUSPENDED since entry", "موقوفة منذ القيد")
        ));
    }
    if let Some((index, reason)) = withdrawn(registry, agency) {
        output.line(format!(
            "{} {index}: {reason}",
            output.say(
                "ITS COUNTRY WAS WITHDRAWN at entry",
                "سُحب قبول بلدها عند القيد"
            )
        ));
    }
    if let Some(replacement) = &agency.replacement {
        output.line(format!(
            "{} {}: {} ({})",
            output.say(
                "ALARM: operators replace the authority key at",
                "إنذار: يستبدل المشغّلون مفتاح السلطة في"
            ),
            time_of_ms(replacement.due_at_ms),
            fingerprint::of(&replacement.key),
            output.say(
                "object with `mohawel agency object` if it is not lost",
                "اعترض بالأمر mohawel agency object إن لم يكن مفقودًا"
            )
        ));
    }
    print_keys(of, output);
    for record in &of.services {
        output.line(format!(
            "{}: {}",
            output.say("service", "خدمة"),
            record.definition.id()
        ));
    }
    for record in of
        .agreements
        .iter()
        .filter(|record| record.state != AgreementState::Revoked)
    {
        let (content, word) = (&record.content, output.say("agreement", "اتفاقية"));
        let (id, state) = (record.id.short(), agreement::state(record.state, output));
        output.line(format!(
            "{word}: {id}  {} → {}  {state}",
            content.consumer, content.provider
        ));
    }
}

fn print_keys(of: &Belongings<'_>, output: Output) {
    let heading = [
        output.say("system", "النظام"),
        output.say("adapter", "المحوّل الطرفي"),
        output.say("seal key", "مفتاح الختم"),
        output.say("state", "الحالة"),
    ];
    let row = |key: &&BoundKey| {
        let state = key.ended.as_ref().map_or_else(
            || output.say("bound", "مربوط").to_owned(),
            |(_, reason)| format!("{}: {reason}", output.say("ended", "منتهٍ")),
        );
        [
            key.system.part(3).to_owned(),
            key.adapter.to_string(),
            key.key.kid().short(),
            state,
        ]
    };
    output.table(heading, of.keys.iter().map(row));
    for record in &of.encryption_keys {
        output.line(format!(
            "{}: {}  {}",
            output.say("encryption key", "مفتاح التعمية"),
            record.binding.key.kid().short(),
            record.binding.system.part(3)
        ));
    }
}

fn key_json(key: &BoundKey) -> Value {
    let ended = key.ended.as_ref();
    json!({
        "kid": key.key.kid().to_string(),
        "system": key.system.to_string(),
        "adapter": key.adapter.to_string(),
        "algorithm": key.key.algorithm().name(),
        "index": key.index,
        "ended": ended.map(|(index, reason)| json!({ "index": index, "reason": reason.to_string() })),
    })
}
