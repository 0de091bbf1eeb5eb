//! `mohawel service`: publish what a system offers, copy, roll out, switch off, try, list.

use std::path::Path;

use adapters::adapter::Adapter;
use audit::receipt::Receipt;
use proto::act::ServiceDefinition;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::{Part, ServiceId};
use proto::key::Signer;
use proto::limits::label;
use proto::registry::{Registry, Service as Record};
use serde_json::{Value, json};

use super::{act, registry};
use crate::args::{Care, Publish, Service};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

mod copy;
pub mod definition;
mod notice;
pub mod review;
mod roll_out;
mod trial;

use definition::{Definition, Naming};
use review::Review;

/// Runs one of the service commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(service: Service, output: Output) -> Result<(), Failure> {
    match service {
        Service::Publish(publish) => {
            let definition = defined(&publish)?;
            let adapter = act::connect(&publish.home).await?;
            let authority = || act::authority(&publish.home, &publish.authority, output);
            with_care(&adapter, authority, &definition, publish.care, output)
                .await
                .map(drop)
        }
        Service::Copy(copy) => copy::run(copy, output).await,
        Service::RollOut(roll_out) => Box::pin(roll_out::run(roll_out, output)).await,
        Service::Disable {
            switched,
            notice_ar,
            notice_en,
        } => notice::run(switched, Some([notice_ar, notice_en]), output).await,
        Service::Enable(switched) => notice::run(switched, None, output).await,
        Service::Try(trial) => trial::run(trial, output).await,
        Service::Show { service, source } => {
            show(&*registry::read(&source).await?, &service, output)
        }
        Service::List(source) => list(&*registry::read(&source).await?, output),
    }
}

/// The definition that the command line names.
fn defined(publish: &Publish) -> Result<Definition, Failure> {
    let Some(document) = &publish.openapi else {
        let file = publish.file.as_deref();
        return Definition::load(file.ok_or_else(|| Failure::usage("give the definition's file"))?);
    };
    let missing = |what: &str| Failure::usage(format!("--openapi needs --{what}"));
    let text = |text: &Option<String>, what| text.clone().ok_or_else(|| missing(what));
    let sensitivity = publish.sensitivity.map(|given| Part::parse(given.word()));
    let naming = Naming {
        service: publish.service.clone().ok_or_else(|| missing("service"))?,
        name_ar: text(&publish.name_ar, "name-ar")?,
        name_en: text(&publish.name_en, "name-en")?,
        owner_contact: text(&publish.owner_contact, "owner-contact")?,
        sensitivity: sensitivity.transpose().map_err(Failure::usage)?,
    };
    Definition::load_openapi(document, naming)
}

/// Publishes unless that breaks somebody or only a look was asked for. Whether it was published.
async fn with_care<S: Signer>(
    adapter: &Adapter,
    authority: impl FnOnce() -> Result<S, Failure>,
    definition: &Definition,
    care: Care,
    output: Output,
) -> Result<bool, Failure> {
    let now_ms = adapter.clock().now_ms();
    let service = definition.of_system(adapter.home().system(), now_ms);
    let review = Review::of(&adapter.mirror().snapshot(), service, now_ms)?;
    let is_refused = review.is_breaking() && !care.accept_breaking;
    if care.dry_run || is_refused {
        print_review(&review, output)?;
        return if is_refused {
            Err(review.refused())
        } else {
            Ok(false)
        };
    }
    let published = publish_definition(adapter, &authority()?, review.service.clone()).await?;
    print_published(&published, &review, output)?;
    Ok(true)
}

/// No service of that name.
fn unpublished(service: &ServiceId) -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("{service} is not published"),
            format!("الخدمة {service} غير منشورة"),
        ],
        [
            "`mohawel service list` shows all of them.",
            "يعرضها كلها الأمر mohawel service list.",
        ],
    )
}

/// One service: what it promises, whom to ask about it, and what of it is switched off.
fn show(registry: &Registry, id: &ServiceId, output: Output) -> Result<(), Failure> {
    let record = registry.service(id).ok_or_else(|| unpublished(id))?;
    let definition = &record.definition;
    output.show(&service_json(record), || {
        let name = output.say(&definition.name_en, &definition.name_ar);
        output.line(format!("{id}  {name}"));
        if !definition.owner_contact.is_empty() {
            let (contact, word) = (&definition.owner_contact, output.say("contact", "للاستفسار"));
            output.line(format!("{word}: {contact}"));
        }
        if let Some(sensitivity) = &definition.sensitivity {
            let word = output.say("sensitivity", "الحساسية");
            output.line(format!("{word}: {sensitivity}"));
        }
        print_operations(definition, output);
        for notice in &record.notices {
            let what = notice.operation.as_ref().map_or("*", Part::as_str);
            let why = output.say(&notice.notice_en, &notice.notice_ar);
            let word = output.say("switched off", "متوقفة");
            output.line(format!("{word}: {what}  {why}"));
        }
        let word = output.say("contract", "العقد");
        output.line(format!("{word}: {}", record.contract));
    })
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let services: Vec<&Record> = registry.services().collect();
    let json: Vec<_> = services.iter().map(|record| service_json(record)).collect();
    output.show(&json, || {
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
    })
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
    publish_definition(adapter, authority, service).await
}

async fn publish_definition(
    adapter: &Adapter,
    authority: &dyn Signer,
    service: ServiceDefinition,
) -> Result<Published, Failure> {
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

/// What would be published, and what it would break.
fn print_review(review: &Review, output: Output) -> Result<(), Failure> {
    let [breaking, agreements] = review.json();
    let value = json!({
        "published": false,
        "service": definition_json(&review.service),
        "replaces": review.replaces.map(|contract| contract.to_string()),
        "breaking": breaking,
        "agreements": agreements,
    });
    output.show(&value, || {
        output.line(format!(
            "{} {}",
            output.say("Would be published:", "ما كان سيُنشر:"),
            review.service.id()
        ));
        print_operations(&review.service, output);
        review.print(output);
    })
}

/// What it can be asked, with everything the registry holds of it but the schemas themselves.
fn print_operations(service: &ServiceDefinition, output: Output) {
    let heading = [
        output.say("operation", "العملية"),
        output.say("method, path", "الطريقة والمسار"),
        output.say("fields", "الحقول"),
        output.say("subjects", "أصحاب البيانات"),
        output.say("schemas", "المخططات"),
    ];
    output.table(
        heading,
        service.operations.iter().map(|operation| {
            let subjects = operation.subjects.iter();
            let subjects: Vec<_> = subjects
                .map(|subject| format!("{} ({})", subject.pointer, subject.scheme))
                .collect();
            let fields = operation.fields.iter().map(ToString::to_string);
            [
                operation.name.to_string(),
                format!("{} {}", operation.method, operation.path),
                fields.collect::<Vec<_>>().join(" "),
                subjects.join(" "),
                format!(
                    "{} + {} B",
                    operation.request_schema.len(),
                    operation.answer_schema.len()
                ),
            ]
        }),
    );
}

fn print_published(published: &Published, review: &Review, output: Output) -> Result<(), Failure> {
    let Published {
        service,
        contract,
        receipt,
    } = published;
    let [breaking, agreements] = review.json();
    let value = json!({
        "published": true,
        "service": service.to_string(),
        "contract": contract.to_string(),
        "index": receipt.index,
        "breaking": breaking,
        "agreements": agreements,
    });
    output.show(&value, || {
        review.print(output);
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
    let mut value = definition_json(&record.definition);
    let notices = record.notices.iter().map(|notice| {
        json!({
            "operation": notice.operation.as_ref().map(ToString::to_string),
            "notice_ar": notice.notice_ar,
            "notice_en": notice.notice_en,
            "index": notice.index,
        })
    });
    value["contract"] = record.contract.to_string().into();
    value["disabled"] = notices.collect();
    value["index"] = record.index.into();
    value
}

fn definition_json(definition: &ServiceDefinition) -> Value {
    let schema = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let operations = definition.operations.iter().map(|operation| {
        let subjects = operation.subjects.iter();
        json!({
            "name": operation.name.to_string(),
            "name_ar": operation.name_ar,
            "name_en": operation.name_en,
            "method": operation.method,
            "path": operation.path,
            "fields": operation.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "request_schema": schema(&operation.request_schema),
            "answer_schema": schema(&operation.answer_schema),
            "subjects": subjects
                .map(|subject| json!({ "pointer": subject.pointer, "scheme": subject.scheme.to_string() }))
                .collect::<Vec<_>>(),
        })
    });
    json!({
        "service": definition.id().to_string(),
        "name_ar": definition.name_ar,
        "name_en": definition.name_en,
        "owner_contact": definition.owner_contact,
        "sensitivity": definition.sensitivity.as_ref().map(ToString::to_string),
        "operations": operations.collect::<Vec<_>>(),
        "issued_at": time_of_ms(definition.issued_at_ms),
    })
}
