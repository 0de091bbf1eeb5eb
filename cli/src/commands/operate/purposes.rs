//! `mohawel purpose`: the catalogue of legal reasons, in both languages.

use proto::act::{OperatorDeed, Purpose as Sealed};
use proto::registry::Registry;
use serde_json::json;

use super::{act, open, registry_of, settled, tell};
use crate::args::Purpose;
use crate::commands::registry;
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the purpose commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(purpose: Purpose, output: Output) -> Result<(), Failure> {
    match purpose {
        Purpose::List(source) => list(&*registry::read(&source).await?, output),
        Purpose::Set {
            code,
            name_ar,
            name_en,
            legal_basis_ar,
            legal_basis_en,
            acting,
        } => {
            let purpose = Sealed {
                code,
                name_ar,
                name_en,
                legal_basis_ar,
                legal_basis_en,
                ended: false,
            };
            let registry = registry_of(&acting).await?;
            let done = act(
                &open(&acting)?,
                OperatorDeed::SetPurpose(purpose),
                &registry,
            )
            .await?;
            let done = settled(&acting, done).await?;
            tell(
                &done,
                "The purpose stands in the catalogue",
                "أُدرج الغرض",
                output,
            )
        }
        Purpose::End { code, acting } => {
            let registry = registry_of(&acting).await?;
            let known = registry
                .purpose(&code)
                .ok_or_else(|| Failure::usage(format!("the catalogue has no purpose '{code}'")))?;
            let ended = Sealed {
                ended: true,
                ..known.purpose.clone()
            };
            let done = act(&open(&acting)?, OperatorDeed::SetPurpose(ended), &registry).await?;
            let done = settled(&acting, done).await?;
            tell(&done, "The purpose is ended", "أُنهي الغرض", output)
        }
    }
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let value: Vec<_> = registry
        .purposes()
        .map(|record| {
            let purpose = &record.purpose;
            json!({
                "purpose": purpose.code.to_string(),
                "name_ar": purpose.name_ar,
                "name_en": purpose.name_en,
                "legal_basis_ar": purpose.legal_basis_ar,
                "legal_basis_en": purpose.legal_basis_en,
                "ended": purpose.ended,
                "index": record.index,
            })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("purpose", "الغرض"),
                output.say("name", "الاسم"),
                output.say("legal basis", "السند القانوني"),
                output.say("state", "الحالة"),
            ],
            registry.purposes().map(|record| {
                let purpose = &record.purpose;
                let state = if purpose.ended {
                    output.say("ended", "منتهٍ")
                } else {
                    output.say("in use", "سارٍ")
                };
                [
                    purpose.code.to_string(),
                    output.say(&purpose.name_en, &purpose.name_ar).to_owned(),
                    output
                        .say(&purpose.legal_basis_en, &purpose.legal_basis_ar)
                        .to_owned(),
                    state.to_owned(),
                ]
            }),
        );
    })
}
