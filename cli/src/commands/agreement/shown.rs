//! Agreements as people read them: a list, one with everything in it.

use proto::act::{AgreementContent, ConsumerScope};
use proto::registry::{Agreement as Record, AgreementState, Registry};

use super::agreement_json;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

pub(super) fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let mut records: Vec<&Record> = registry.agreements().collect();
    records.sort_by_key(|record| record.acts.first().map_or(0, |act| act.index));
    output.show(
        &records
            .iter()
            .map(|record| agreement_json(record))
            .collect::<Vec<_>>(),
        || {
            let heading = [
                output.say("agreement", "الاتفاقية"),
                output.say("consumer", "الطالب"),
                output.say("provider", "المزوّد"),
                output.say("state", "الحالة"),
                output.say("until", "حتى"),
            ];
            output.table(
                heading,
                records.iter().map(|record| {
                    let content = &record.content;
                    let until = time_of_ms(content.not_after_ms);
                    [
                        record.id.short(),
                        content.consumer.to_string(),
                        content.provider.to_string(),
                        standing(record, output),
                        until,
                    ]
                }),
            );
        },
    )
}

/// Where an agreement stands, for people.
pub fn state(state: AgreementState, output: Output) -> String {
    let [english, arabic] = state_words(state);
    output.say(english, arabic).to_owned()
}

fn state_words(state: AgreementState) -> [&'static str; 2] {
    let arabic = match state {
        AgreementState::Proposed => "مقترحة",
        AgreementState::Active => "سارية",
        AgreementState::Revoked => "ملغاة",
    };
    [state.name(), arabic]
}

/// The state, and from when a newer agreement takes its place.
pub(super) fn standing(record: &Record, output: Output) -> String {
    let [english, arabic] = standing_words(record.state, record.superseded_from_ms);
    output.say(&english, &arabic).to_owned()
}

/// The same in English and Arabic; the time in Unix milliseconds.
pub(super) fn standing_words(
    state: AgreementState,
    superseded_from_ms: Option<u64>,
) -> [String; 2] {
    let [english, arabic] = state_words(state);
    match superseded_from_ms.map(time_of_ms) {
        None => [english.to_owned(), arabic.to_owned()],
        Some(from) => [
            format!("{english}, superseded from {from}"),
            format!("{arabic}, يحل غيرها محلها من {from}"),
        ],
    }
}

pub(super) fn print(record: &Record, output: Output) {
    let content = &record.content;
    output.line(format!(
        "{} {}",
        output.say("agreement", "اتفاقية"),
        record.id
    ));
    output.line(format!(
        "{} → {}  {}",
        content.consumer,
        content.provider,
        standing(record, output)
    ));
    let (from, until) = (
        time_of_ms(content.not_before_ms),
        time_of_ms(content.not_after_ms),
    );
    output.line(format!(
        "{} {from} {} {until}",
        output.say("counts from", "تسري من"),
        output.say("until", "حتى")
    ));
    let heading = [
        output.say("grant", "الإذن"),
        output.say("operations", "العمليات"),
        output.say("purposes", "الأغراض"),
        output.say("fields", "الحقول"),
        output.say("quota a day", "الحصة اليومية"),
        output.say("legal basis", "السند القانوني"),
    ];
    output.table(
        heading,
        content.grants.iter().map(|grant| {
            let quota = match grant.daily_quota {
                0 => output.say("none", "بلا حد").to_owned(),
                quota => quota.to_string(),
            };
            let service = format!("{}/{}", grant.system.part(3), grant.service);
            [
                service,
                words(&grant.operations),
                words(&grant.purposes),
                words(&grant.fields),
                quota,
                grant.legal_basis.clone(),
            ]
        }),
    );
    print_limits(content, output);
    let heading = [
        output.say("act", "الإجراء"),
        output.say("by", "من"),
        output.say("recorded", "سُجّل في"),
        output.say("entry", "القيد"),
    ];
    output.table(
        heading,
        record.acts.iter().map(|act| {
            [
                act.step.name().to_owned(),
                act.agency.to_string(),
                time_of_ms(act.recorded_at_ms),
                act.index.to_string(),
            ]
        }),
    );
}

/// What narrows the grants beyond their lists, a line each.
pub(super) fn print_limits(content: &AgreementContent, output: Output) {
    if let ConsumerScope::Group { members, .. } = &content.consumer {
        let members: Vec<_> = members
            .iter()
            .map(|member| format!("{} ({})", member.agency, member.value))
            .collect();
        let word = output.say("members", "الأعضاء");
        output.line(format!("{word}: {}", members.join(", ")));
    }
    for (position, grant) in content.grants.iter().enumerate() {
        let number = position + 1;
        for rule in &grant.row_scope {
            let value = rule.equals.clone().unwrap_or_else(|| {
                output
                    .say("the asking agency's own value", "قيمة الجهة الطالبة")
                    .to_owned()
            });
            let word = output.say("only records where", "فقط السجلات التي فيها");
            output.line(format!("{number}: {word} {} = {value}", rule.field));
        }
        if grant.rate_per_s > 0 {
            let word = output.say("requests a second", "طلب في الثانية");
            output.line(format!("{number}: {} {word}", grant.rate_per_s));
        }
        if grant.delegation_depth > 0 {
            let word = output.say("may be handed on, times", "يمكن تفويضه، عدد المرات");
            output.line(format!("{number}: {word} {}", grant.delegation_depth));
        }
        if !grant.licence.is_empty() {
            let word = output.say("licence", "الترخيص");
            output.line(format!("{number}: {word} {}", grant.licence));
        }
    }
}

pub(super) fn words(parts: &[proto::id::Part]) -> String {
    parts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superseded_agreement_says_from_when_in_both_languages() {
        let from = 1_795_000_000_000;
        let plain = standing_words(AgreementState::Active, None);
        assert_eq!(plain, ["active", "سارية"]);
        let later = standing_words(AgreementState::Active, Some(from));
        for (later, plain) in later.iter().zip(&plain) {
            assert!(later.starts_with(plain.as_str()));
            assert!(later.contains(&time_of_ms(from)), "{later}");
        }
    }
}
