//! Before a definition is sealed: whether the registry takes it, what it breaks, and whom that touches.

use adapters::contract::{Change, Contract, breaking};
use proto::act::ServiceDefinition;
use proto::digest::Digest;
use proto::registry::{AgreementState, Registry};
use serde_json::{Value, json};

use super::definition::{readable, schemas};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// A definition as it would be published, compared with what is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// The definition.
    pub service: ServiceDefinition,
    /// The contract whose place it would take.
    pub replaces: Option<Digest>,
    /// What it takes from those who use the published one.
    pub changes: Vec<Change>,
    /// Agreements that count now and grant an operation that changes.
    pub touched: Vec<Touched>,
}

/// An agreement that a breaking change touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its id.
    pub id: Digest,
    /// Who asks by it.
    pub consumer: String,
    /// Operations of it that change, ascending.
    pub operations: Vec<String>,
    /// Its end, Unix milliseconds.
    pub not_after_ms: u64,
}

impl Review {
    /// Compares `service` with what `registry` holds under its name.
    ///
    /// # Errors
    /// A usage failure for what the registry does not take or no adapter could serve.
    pub fn of(
        registry: &Registry,
        service: ServiceDefinition,
        now_ms: u64,
    ) -> Result<Self, Failure> {
        readable(&service).map_err(|found| Failure::usage(found.join("; ")))?;
        let published = registry.service(&service.id());
        let changes = published.map_or_else(Vec::new, |record| {
            breaking(&contract(&record.definition), &contract(&service))
        });
        let touched = touched(registry, &service, &changes, now_ms);
        Ok(Self {
            service,
            replaces: published.map(|record| record.contract),
            changes,
            touched,
        })
    }

    /// Whether somebody who uses the published definition loses something.
    pub fn is_breaking(&self) -> bool {
        !self.changes.is_empty()
    }

    /// For machines: `breaking` and `agreements`.
    pub fn json(&self) -> [Value; 2] {
        let changes = self.changes.iter().map(|change| {
            json!({
                "operation": change.operation,
                "part": change.part.word(),
                "pointer": change.pointer,
                "kind": change.kind.word(),
                "sentence": change.en,
                "sentence_ar": change.ar,
            })
        });
        let touched = self.touched.iter().map(|touched| {
            json!({
                "agreement": touched.id.to_string(),
                "consumer": touched.consumer,
                "operations": touched.operations,
                "not_after": time_of_ms(touched.not_after_ms),
            })
        });
        [changes.collect(), touched.collect()]
    }

    /// What it breaks and whom that touches; nothing when nothing breaks.
    pub fn print(&self, output: Output) {
        if !self.is_breaking() {
            return;
        }
        let heading = [
            output.say("operation", "العملية"),
            output.say("place", "الموضع"),
            output.say("kind", "النوع"),
            output.say("what changes", "ما يتغيّر"),
        ];
        output.table(
            heading,
            self.changes.iter().map(|change| {
                [
                    change.operation.clone(),
                    format!("{} {}", change.part.word(), change.pointer),
                    change.kind.word().to_owned(),
                    output.say(&change.en, &change.ar).to_owned(),
                ]
            }),
        );
        if self.touched.is_empty() {
            output.line(output.say(
                "No agreement that counts now is touched.",
                "لا تمس هذه التغييرات أي اتفاقية سارية.",
            ));
            return;
        }
        let heading = [
            output.say("agreement", "الاتفاقية"),
            output.say("consumer", "الطالب"),
            output.say("operations", "العمليات"),
            output.say("until", "حتى"),
        ];
        output.table(
            heading,
            self.touched.iter().map(|touched| {
                [
                    touched.id.short(),
                    touched.consumer.clone(),
                    touched.operations.join(" "),
                    time_of_ms(touched.not_after_ms),
                ]
            }),
        );
    }

    /// Why nothing was published.
    pub fn refused(&self) -> Failure {
        let (changes, agreements) = (self.changes.len(), self.touched.len());
        Failure::new(
            Exit::Found,
            [
                format!(
                    "{changes} change(s) break those who use {}, {agreements} agreement(s) touched; nothing was published.",
                    self.service.id()
                ),
                format!(
                    "عدد التغييرات التي تضر مستخدمي {}: {changes}، والاتفاقيات المتأثرة: {agreements}؛ ولم يُنشر شيء.",
                    self.service.id()
                ),
            ],
            [
                "Publish it under a new name (persons.v2), or tell those agencies and publish with --accept-breaking.",
                "انشرها باسم جديد (مثل persons.v2)، أو أبلغ تلك الجهات ثم انشر بالخيار ‎--accept-breaking‎.",
            ],
        )
    }
}

/// The published definition as the contract module compares it.
fn contract(service: &ServiceDefinition) -> Contract {
    Contract {
        operations: service
            .operations
            .iter()
            .map(schemas::to_contract)
            .collect(),
    }
}

fn touched(
    registry: &Registry,
    service: &ServiceDefinition,
    changes: &[Change],
    now_ms: u64,
) -> Vec<Touched> {
    let mut touched: Vec<_> = registry
        .agreements()
        .filter(|record| {
            record.state == AgreementState::Active
                && record.content.not_after_ms > now_ms
                && record.superseded_from_ms.is_none_or(|from| from > now_ms)
        })
        .filter_map(|record| {
            let grants =
                record.content.grants.iter().filter(|grant| {
                    grant.system == service.system && grant.service == service.service
                });
            let mut operations: Vec<_> = grants
                .flat_map(|grant| &grant.operations)
                .map(ToString::to_string)
                .filter(|name| changes.iter().any(|change| change.operation == *name))
                .collect();
            operations.sort();
            operations.dedup();
            (!operations.is_empty()).then(|| Touched {
                id: record.id,
                consumer: record.content.consumer.to_string(),
                operations,
                not_after_ms: record.content.not_after_ms,
            })
        })
        .collect();
    touched.sort_by(|one, other| (&one.consumer, one.id).cmp(&(&other.consumer, other.id)));
    touched
}
