//! An intended call: whether the service offers it, and which clause of which agreement decides.
//!
//! The decision is [`proto::authorise::authorise`]'s, over the header that the adapter itself would begin with.

use adapters::adapter::Adapter;
use proto::authorise::{Denial, authorise, locate};
use proto::header::RequestHeader;
use proto::id::{Part, ServiceId};
use proto::refusal::{Code, Language};

use super::check::Check;
use super::row::{Row, same};

/// A call that somebody means to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intended {
    /// The service.
    pub service: ServiceId,
    /// One of its operations.
    pub operation: Part,
    /// The legal reason.
    pub purpose: Part,
    /// Fields asked for.
    pub fields: Vec<Part>,
}

/// Both rows, judged by this adapter's own registry.
pub(super) async fn examine(adapter: &Adapter, call: &Intended) -> [Row; 2] {
    let consumer = adapter.consumer();
    let ask = consumer
        .ask(call.service.as_str())
        .operation(call.operation.as_str())
        .purpose(call.purpose.as_str())
        .fields(call.fields.iter().map(Part::as_str));
    let header = match ask.unsent_header().await {
        Ok(header) => header,
        Err(error) => {
            let remedy = ["Correct the command line.", "صحّح سطر الأمر."];
            let row = Check::Service.failed(same(error), remedy);
            return [row, Check::Agreement.not_tried(Check::Service)];
        }
    };
    [service(adapter, &header), agreement(adapter, &header)]
}

fn service(adapter: &Adapter, header: &RequestHeader) -> Row {
    let registry = adapter.mirror().snapshot();
    let id = header.provider.service(&header.service);
    let service = match locate(&registry, header) {
        Ok(service) => service,
        Err(Code::ContractViolation) => {
            let offered = registry.service(&id).map(|service| {
                let names = service.definition.operations.iter();
                names
                    .map(|operation| operation.name.to_string())
                    .collect::<Vec<_>>()
            });
            let offered = offered.unwrap_or_default().join(", ");
            return Check::Service.failed(
                [
                    format!(
                        "{id} has no operation {}; it has {offered}",
                        header.operation
                    ),
                    format!(
                        "الخدمة {id} ليس فيها العملية {}؛ وفيها {offered}",
                        header.operation
                    ),
                ],
                [
                    "Ask for one of these: `mohawel directory show` explains them.",
                    "اطلب إحداها؛ يشرحها الأمر mohawel directory show.",
                ],
            );
        }
        Err(code) => {
            return Check::Service.failed(
                [
                    format!("{id}: {} ({code})", code.sentence(Language::English)),
                    format!("{id}: {} ({code})", code.sentence(Language::Arabic)),
                ],
                [
                    code.remedy(Language::English),
                    code.remedy(Language::Arabic),
                ],
            );
        }
    };
    let known = service.definition.operation(&header.operation);
    let unknown = header
        .fields
        .iter()
        .find(|field| known.is_none_or(|operation| !operation.fields.contains(field)));
    match unknown {
        None => Check::Service.ok(same(format!("{id} {}", header.operation))),
        Some(field) => Check::Service.failed(
            [
                format!("{id} {} returns no field {field}", header.operation),
                format!("العملية {id} {} لا تعيد الحقل {field}", header.operation),
            ],
            [
                "Ask for fields that the operation returns: `mohawel directory show` lists them.",
                "اطلب حقولًا تعيدها العملية؛ يعرضها الأمر mohawel directory show.",
            ],
        ),
    }
}

fn agreement(adapter: &Adapter, header: &RequestHeader) -> Row {
    let registry = adapter.mirror().snapshot();
    match authorise(&registry, header, adapter.clock().now_ms()) {
        Ok(permission) => {
            let (id, grant) = (permission.agreement.short(), permission.grant);
            let quota = match permission.daily_quota {
                0 => [String::new(), String::new()],
                quota => [
                    format!("; at most {quota} a day"),
                    format!("؛ بحد أقصى {quota} يوميًا"),
                ],
            };
            Check::Agreement.ok([
                format!("agreement {id} permits it by grant {grant}{}", quota[0]),
                format!("تسمح به الاتفاقية {id} بالإذن {grant}{}", quota[1]),
            ])
        }
        Err(Denial {
            code,
            agreement,
            grant,
            clause,
        }) => {
            let which = agreement.map_or_else(|| "–".to_owned(), |id| id.short());
            let grant = if grant == 0 {
                String::new()
            } else {
                format!("/{grant}")
            };
            Check::Agreement.failed(
                [
                    format!(
                        "{} ({code}; agreement {which}{grant}, clause: {clause})",
                        code.sentence(Language::English)
                    ),
                    format!(
                        "{} ({code}؛ الاتفاقية {which}{grant}، البند: {clause})",
                        code.sentence(Language::Arabic)
                    ),
                ],
                [
                    code.remedy(Language::English),
                    code.remedy(Language::Arabic),
                ],
            )
        }
    }
}
