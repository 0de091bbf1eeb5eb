//! `mohawel service`: publish what a system offers, list what is offered.

use std::path::Path;

use adapters::adapter::Adapter;
use audit::receipt::Receipt;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::ServiceId;
use proto::key::Signer;
use proto::limits::label;
use proto::registry::Service as Record;
use serde_json::{Value, json};

use super::{act, registry};
use crate::args::Service;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

pub mod definition;

use definition::Definition;

/// Runs one of the service commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(service: Service, output: Output) -> Result<(), Failure> {
    match service {
        Service::Publish {
            file,
            home,
            authority,
        } => {
            let definition = Definition::load(&file)?;
            let authority = act::authority(&home, &authority, output)?;
            let adapter = act::connect(&home).await?;
            let published = publish(&adapter, &authority, &definition).await?;
            print_published(&published, output)
        }
        Service::List(source) => {
            let registry = registry::read(&source).await?;
            let services: Vec<&Record> = registry.services().collect();
            output.show(
                &services
                    .iter()
                    .map(|record| service_json(record))
                    .collect::<Vec<_>>(),
                || {
                    let heading = [
                        output.say("service", "الخدمة"),
                        output.say("name", "الاسم"),
                        output.say("operations", "العمليات"),
                        output.say("fields", "الحقول"),
                    ];
                    output.table(
                        heading,
                        services.iter().map(|record| service_row(record, output)),
                    );
                },
            )
        }
    }
}

/// A service that stands in the log.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its full name.
    pub service: ServiceId,
    /// What requests name.
    pub contract: Digest,
    /// The proof, verified.
    pub receipt: Receipt,
}

/// Publishes `definition` for the adapter's system, sealed by its agency's authority key.
///
/// # Errors
/// As [`act::submit`].
pub async fn publish(
    adapter: &Adapter,
    authority: &dyn Signer,
    definition: &Definition,
) -> Result<Published, Failure> {
    let service = definition.of_system(adapter.home().system(), adapter.clock().now_ms());
    let (kind, header) = (Kind::Service, service.encode());
    let receipt = act::submit(adapter, authority, kind, label::AUTHORITY, header).await?;
    Ok(Published {
        service: service.id(),
        contract: service.contract(),
        receipt,
    })
}

/// Publishes the definition in a TOML file.
///
/// # Errors
/// As [`Definition::load`] and [`publish`].
pub async fn publish_file(
    adapter: &Adapter,
    authority: &dyn Signer,
    file: &Path,
) -> Result<Published, Failure> {
    publish(adapter, authority, &Definition::load(file)?).await
}

fn print_published(published: &Published, output: Output) -> Result<(), Failure> {
    let Published {
        service,
        contract,
        receipt,
    } = published;
    let value = json!({
        "service": service.to_string(),
        "contract": contract.to_string(),
        "index": receipt.index,
    });
    output.show(&value, || {
        output.line(format!(
            "{} {service}",
            output.say("Published", "نُشرت الخدمة")
        ));
        output.line(format!("{}: {contract}", output.say("contract", "العقد")));
        output.line(format!(
            "{} {}",
            output.say("Proved in the log at", "ثبتت في السجل برقم"),
            receipt.index
        ));
    })
}

fn service_row(record: &Record, output: Output) -> [String; 4] {
    let definition = &record.definition;
    let name = output
        .say(&definition.name_en, &definition.name_ar)
        .to_owned();
    let operations: Vec<_> = definition
        .operations
        .iter()
        .map(|operation| operation.name.to_string())
        .collect();
    let fields: Vec<_> = definition
        .operations
        .iter()
        .map(|operation| {
            operation
                .fields
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    [
        definition.id().to_string(),
        name,
        operations.join("\n"),
        fields.join("\n"),
    ]
}

/// A service for machines.
pub fn service_json(record: &Record) -> Value {
    let definition = &record.definition;
    let operations: Vec<Value> = definition
        .operations
        .iter()
        .map(|operation| {
            json!({
                "name": operation.name.to_string(),
                "name_ar": operation.name_ar,
                "name_en": operation.name_en,
                "fields": operation.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "service": definition.id().to_string(),
        "name_ar": definition.name_ar,
        "name_en": definition.name_en,
        "contract": record.contract.to_string(),
        "operations": operations,
        "issued_at": time_of_ms(definition.issued_at_ms),
        "index": record.index,
    })
}
