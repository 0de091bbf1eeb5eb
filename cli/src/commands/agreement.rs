//! `mohawel agreement`: propose, accept, revoke, list, show. Only agencies' authority keys make any of it count.

use adapters::adapter::Adapter;
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::act::{AgreementAct, AgreementContent, ConsumerScope, Grant, Step};
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::key::Signer;
use proto::limits::label;
use proto::registry::{Agreement as Record, AgreementState, Registry};
use serde_json::{Value, json};

use super::{act, registry};
use crate::args::{Agreement, Template};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

pub mod abroad;
mod delegation;
mod processing;
mod shown;
mod template;
pub mod terms;

pub use shown::state;
use shown::{list, print, words};
use terms::Terms;

/// Digits of an agreement's id that must be given at least.
pub(crate) const PREFIX_MIN: usize = 6;

/// Runs one of the agreement commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(agreement: Agreement, output: Output) -> Result<(), Failure> {
    match agreement {
        Agreement::Propose {
            file,
            set,
            home,
            authority,
        } => {
            let terms = Terms::load(&file, &set)?;
            let authority = act::authority(&home, &authority, output)?;
            let adapter = act::connect(&home).await?;
            for [english, arabic] in terms.unknown(&adapter.mirror().snapshot()) {
                output.note(output.say(&english, &arabic));
            }
            let done = propose(&adapter, &authority, &terms).await?;
            print_done(&done, &adapter.mirror().snapshot(), output)
        }
        Agreement::Accept {
            id,
            home,
            authority,
        } => {
            let authority = act::authority(&home, &authority, output)?;
            let adapter = act::connect(&home).await?;
            let id = find(&adapter.mirror().snapshot(), &id)?.id;
            let done = accept(&adapter, &authority, &id).await?;
            print_done(&done, &adapter.mirror().snapshot(), output)
        }
        Agreement::Revoke {
            id,
            home,
            authority,
        } => {
            let authority = act::authority(&home, &authority, output)?;
            let adapter = act::connect(&home).await?;
            let id = find(&adapter.mirror().snapshot(), &id)?.id;
            let done = revoke(&adapter, &authority, &id).await?;
            print_done(&done, &adapter.mirror().snapshot(), output)
        }
        Agreement::Template(Template::List) => template::list(output),
        Agreement::Template(Template::Show { name }) => template::show(&name, output),
        Agreement::Delegate(hand_on) => delegation::delegate(hand_on, output).await,
        Agreement::EndDelegation {
            id,
            home,
            authority,
        } => delegation::end(&home, &authority, &id, output).await,
        Agreement::OpenAbroad(opened) => abroad::open(opened, output).await,
        Agreement::CloseAbroad(closed) => abroad::close(closed, output).await,
        Agreement::Register { agency, source } => {
            processing::register(&*registry::read(&source).await?, &agency, output)
        }
        Agreement::List(source) => list(&*registry::read(&source).await?, output),
        Agreement::Show { id, source } => {
            let registry = registry::read(&source).await?;
            let record = find(&registry, &id)?;
            let mut value = agreement_json(record);
            value["delegations"] = delegation::of_agreement_json(&registry, &record.id);
            value["openings"] = abroad::of_agreement_json(&registry, &record.id);
            output.show(&value, || {
                print(record, output);
                abroad::print_all(&registry, &record.id, output);
                delegation::print_all(&registry, &record.id, output);
            })
        }
    }
}

/// An act on an agreement that stands in the log.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was done.
    pub step: Step,
    /// To which agreement.
    pub id: Digest,
    /// The proof, verified.
    pub receipt: Receipt,
}

/// Proposes an agreement of these terms in the name of the adapter's agency.
///
/// # Errors
/// As [`act::submit`].
pub async fn propose(
    adapter: &Adapter,
    authority: &dyn Signer,
    terms: &Terms,
) -> Result<Done, Failure> {
    let now_ms = adapter.clock().now_ms();
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&Salt::random().map_err(Failure::unavailable)?.0[..16]);
    let (not_before_ms, not_after_ms) = terms.validity.at(now_ms);
    let content = AgreementContent {
        nonce,
        origin: adapter.home().log_key().origin().to_owned(),
        consumer: terms.consumer.clone(),
        provider: terms.provider.clone(),
        grants: terms.grants.clone(),
        not_before_ms,
        not_after_ms,
        supersedes: match &terms.supersedes {
            Some(digits) => Some(find(&adapter.mirror().snapshot(), digits)?.id),
            None => None,
        },
    };
    let (id, content) = (content.id(), content.encode());
    submit(adapter, authority, (Step::Propose, id, None), content).await
}

/// Accepts another agency's proposal.
///
/// # Errors
/// As [`act::submit`]; a usage failure for an id that the registry does not know.
pub async fn accept(
    adapter: &Adapter,
    authority: &dyn Signer,
    id: &Digest,
) -> Result<Done, Failure> {
    let previous = known(&adapter.mirror().snapshot(), id)?.last_act();
    let act = (Step::Accept, *id, Some(previous));
    submit(adapter, authority, act, Bytes::new()).await
}

/// Ends an agreement for good.
///
/// # Errors
/// As [`accept`].
pub async fn revoke(
    adapter: &Adapter,
    authority: &dyn Signer,
    id: &Digest,
) -> Result<Done, Failure> {
    let previous = known(&adapter.mirror().snapshot(), id)?.last_act();
    let act = (Step::Revoke, *id, Some(previous));
    submit(adapter, authority, act, Bytes::new()).await
}

async fn submit(
    adapter: &Adapter,
    authority: &dyn Signer,
    (step, id, previous): (Step, Digest, Option<Digest>),
    content: Bytes,
) -> Result<Done, Failure> {
    let act = AgreementAct {
        step,
        agreement: id,
        previous,
        agency: adapter.home().system().agency(),
        issued_at_ms: adapter.clock().now_ms(),
        content,
    };
    let (kind, header) = (Kind::AgreementAct, act.encode());
    let receipt = act::submit(adapter, authority, kind, label::ACT, header).await?;
    Ok(Done { step, id, receipt })
}

/// Whether `text` can be the first digits of an agreement's id.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() >= PREFIX_MIN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The agreement of an id or of its first digits.
///
/// # Errors
/// A usage failure for too few digits, none that begins so, or several.
pub fn find<'a>(registry: &'a Registry, text: &str) -> Result<&'a Record, Failure> {
    let text = text.to_ascii_lowercase();
    if !is_prefix(&text) {
        return Err(Failure::usage(format!(
            "'{text}' is not an agreement's id: give at least {PREFIX_MIN} of its hex digits"
        )));
    }
    let mut found = registry
        .agreements()
        .filter(|record| record.id.to_string().starts_with(&text));
    match (found.next(), found.next()) {
        (Some(record), None) => Ok(record),
        (None, _) => Err(unknown(&text)),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several agreements begin with {text}: give more digits"
        ))),
    }
}

fn known<'a>(registry: &'a Registry, id: &Digest) -> Result<&'a Record, Failure> {
    registry
        .agreement(id)
        .ok_or_else(|| unknown(&id.to_string()))
}

fn unknown(id: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("no agreement begins with {id}"),
            format!("لا توجد اتفاقية تبدأ بالرقم {id}"),
        ],
        [
            "`mohawel agreement list` shows all of them.",
            "يعرضها كلها الأمر mohawel agreement list.",
        ],
    )
}

fn print_done(done: &Done, registry: &Registry, output: Output) -> Result<(), Failure> {
    let record = known(registry, &done.id)?;
    let value = json!({
        "step": done.step.name(),
        "index": done.receipt.index,
        "agreement": agreement_json(record),
    });
    output.show(&value, || {
        print(record, output);
        output.line(format!(
            "{} {}",
            output.say("Proved in the log at", "ثبت في السجل برقم"),
            done.receipt.index
        ));
        if record.state == AgreementState::Proposed && done.step == Step::Propose {
            output.line(format!(
                "{}: mohawel agreement accept {} --home HOME",
                output.say(
                    "The other agency accepts it with",
                    "تقبلها الجهة الأخرى بالأمر"
                ),
                done.id
            ));
        }
    })
}

/// An agreement for machines.
pub fn agreement_json(record: &Record) -> Value {
    let content = &record.content;
    json!({
        "agreement": record.id.to_string(),
        "state": record.state.name(),
        "consumer": content.consumer.to_string(),
        "provider": content.provider.to_string(),
        "not_before": time_of_ms(content.not_before_ms),
        "not_after": time_of_ms(content.not_after_ms),
        "supersedes": content.supersedes.map(|id| id.to_string()),
        "superseded_from": record.superseded_from_ms.map(time_of_ms),
        "members": members_json(content),
        "grants": content.grants.iter().map(grant_json).collect::<Vec<_>>(),
        "acts": record.acts.iter().map(|act| json!({
            "step": act.step.name(),
            "agency": act.agency.to_string(),
            "recorded_at": time_of_ms(act.recorded_at_ms),
            "index": act.index,
        })).collect::<Vec<_>>(),
    })
}

fn members_json(content: &AgreementContent) -> Value {
    match &content.consumer {
        ConsumerScope::Group { members, .. } => members
            .iter()
            .map(|member| json!({ "agency": member.agency.to_string(), "value": member.value }))
            .collect(),
        ConsumerScope::Agency(_) | ConsumerScope::Class(..) | ConsumerScope::Everyone(_) => {
            Value::Null
        }
    }
}

fn grant_json(grant: &Grant) -> Value {
    let texts =
        |parts: &[proto::id::Part]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "service": grant.system.service(&grant.service).to_string(),
        "operations": texts(&grant.operations),
        "purposes": texts(&grant.purposes),
        "fields": texts(&grant.fields),
        "legal_basis": grant.legal_basis,
        "daily_quota": grant.daily_quota,
        "retention_days": grant.retention_days,
        "rate_per_s": grant.rate_per_s,
        "delegation_depth": grant.delegation_depth,
        "licence": grant.licence,
        "sensitivity": grant.sensitivity.as_ref().map(ToString::to_string),
        "rows": grant.row_scope.iter().map(|rule| json!({
            "field": rule.field.to_string(),
            "equals": rule.equals,
            "own_value": rule.equals.is_none(),
        })).collect::<Vec<_>>(),
    })
}
