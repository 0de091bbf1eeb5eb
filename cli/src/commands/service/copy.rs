//! `mohawel service copy`: what works elsewhere is published by another agency, word for word but its contact.

use std::path::Path;

use super::definition::Definition;
use super::{unpublished, with_care};
use crate::args::{AuthorityKey, CopyService};
use crate::commands::act;
use crate::failure::Failure;
use crate::output::Output;

/// Publishes another agency's definition, as the registry proves it, under the own system.
///
/// # Errors
/// A usage failure for a service that is not published or is the own one; what [`super::run`] says of publishing.
pub(super) async fn run(copy: CopyService, output: Output) -> Result<(), Failure> {
    let adapter = act::connect(&copy.home).await?;
    let registry = adapter.mirror().snapshot();
    let source = registry
        .service(&copy.service)
        .ok_or_else(|| unpublished(&copy.service))?;
    let definition = Definition {
        service: copy.name.unwrap_or_else(|| copy.service.service()),
        name_ar: source.definition.name_ar.clone(),
        name_en: source.definition.name_en.clone(),
        operations: source.definition.operations.clone(),
        owner_contact: copy.owner_contact,
        sensitivity: source.definition.sensitivity.clone(),
    };
    let own = adapter.home().system();
    if own.service(&definition.service) == copy.service {
        return Err(Failure::usage(format!(
            "{} is this system's own already; give another name with --as",
            copy.service
        )));
    }
    output.line(format!(
        "{} {}, {} {}, {} {}",
        output.say("The definition of", "تعريف الخدمة"),
        copy.service,
        output.say("contract", "العقد"),
        source.contract.short(),
        output.say("entry", "القيد"),
        source.index
    ));
    let authority = || act::authority(&copy.home, &copy.authority, output);
    if with_care(&adapter, authority, &definition, copy.care, output).await? {
        say_what_is_left(&definition, &copy.home, &copy.authority, output);
    }
    Ok(())
}

/// A definition answers nobody yet.
fn say_what_is_left(
    definition: &Definition,
    home: &Path,
    authority: &AuthorityKey,
    output: Output,
) {
    let operations: Vec<_> = definition
        .operations
        .iter()
        .map(|operation| operation.name.to_string())
        .collect();
    let home = home.display();
    let key = authority
        .authority
        .as_ref()
        .map(|path| format!(" --authority {}", path.display()))
        .unwrap_or_default();
    output.line(output.say("Still to do:", "بقي ما يلي:"));
    output.line(format!(
        "1. {} (service \"{}\": {}): mohawel adapter run --home {home} --providers FILE",
        output.say(
            "a providers file that says where the answers come from",
            "ملف مزوّدين يبيّن مصدر الإجابات"
        ),
        definition.service,
        operations.join(", "),
    ));
    output.line(format!(
        "2. {}: mohawel agreement propose FILE --home {home}{key}",
        output.say(
            "an agreement with each agency that shall ask; agreements are not copied",
            "اتفاقية مع كل جهة ستسأل؛ فالاتفاقيات لا تُنسخ"
        ),
    ));
}
