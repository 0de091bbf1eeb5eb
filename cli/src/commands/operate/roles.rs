//! `mohawel role`: people and their roles. A person makes the keys; an operator grants and hands back a certificate.
//!
//! The request and the answer are text files that may travel by any way: neither holds a secret. What makes a
//! request good is that the operator knows it comes from that person; the key's fingerprint is printed on both sides.

use std::fs;
use std::path::Path;

use audit::clock::Clock;
use certs::authority::LEAF_LIFE_MAX;
use certs::{Authority, PeerName, TlsKey};
use proto::act::{OperatorDeed, PersonRole};
use proto::id::Part;
use proto::key::{PublicKey, Signer as _};
use proto::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{act, open, registry_of, settled, tell};
use crate::args::{Acting, Role};
use crate::commands::agency::fingerprint::of as fingerprint_of;
use crate::commands::init::now;
use crate::commands::switch_dir::{SwitchDir, in_file};
use crate::commands::{operator, registry};
use crate::failure::Failure;
use crate::output::Output;

/// The file of a request inside the person's folder.
const REQUEST: &str = "role.request";
/// The largest request or answer, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What a person asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    role: String,
    name: String,
    /// DER SubjectPublicKeyInfo of the seal key, hex; empty for those who seal nothing.
    seal_key: String,
    /// PKCS#10, DER, hex.
    certificate_request: String,
}

/// What the operator hands back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    operator: operator::File,
    root_pem: String,
    log_vkey: String,
    chain_pem: String,
}

/// Runs one of the role commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(role: Role, output: Output) -> Result<(), Failure> {
    match role {
        Role::List(source) => list(&*registry::read(&source).await?, output),
        Role::Request { dir, role, name } => request(&dir, role, &name, output),
        Role::Grant {
            request,
            output: file,
            acting,
        } => grant(&acting, &request, &file, output).await,
        Role::Take { dir, answer } => take(&dir, &answer, output),
        Role::End { role, name, acting } => {
            let registry = registry_of(&acting).await?;
            let person = registry
                .person(role, &name)
                .filter(|person| person.ended.is_none())
                .ok_or_else(|| Failure::usage(format!("{name} does not have the role {role}")))?;
            let deed = OperatorDeed::SetRole {
                role,
                name,
                key: person.key.clone(),
                ended: true,
            };
            let done = act(&open(&acting)?, deed, &registry).await?;
            let done = settled(&acting, done).await?;
            tell(&done, "The role is taken away", "سُحب الدور", output)
        }
    }
}

fn request(dir: &Path, role: PersonRole, name: &Part, output: Output) -> Result<(), Failure> {
    certs::key_files::private_dir(dir).map_err(Failure::usage)?;
    let tls = TlsKey::generate().map_err(Failure::unavailable)?;
    tls.save(&dir.join(operator::TLS_KEY))
        .map_err(Failure::usage)?;
    let seal = role
        .seals()
        .then(|| adapters::FileSigner::load_or_make(&dir.join(operator::SEAL_KEY)))
        .transpose()
        .map_err(Failure::usage)?;
    let csr = certs::request::make(&tls).map_err(Failure::unavailable)?;
    let request = Request {
        role: role.name().to_owned(),
        name: name.to_string(),
        seal_key: seal
            .as_ref()
            .map(|seal| hex::encode(seal.key().spki()))
            .unwrap_or_default(),
        certificate_request: hex::encode(csr),
    };
    let path = dir.join(REQUEST);
    let text = toml::to_string(&request).map_err(Failure::unavailable)?;
    certs::key_files::replace_public(&path, text.as_bytes()).map_err(Failure::usage)?;
    let fingerprint = seal.as_ref().map(|seal| fingerprint_of(seal.key()));
    let value = json!({
        "request": path.display().to_string(),
        "fingerprint": fingerprint,
    });
    output.show(&value, || {
        output.line(format!(
            "{} {}",
            output.say("The request stands in", "الطلب في"),
            path.display()
        ));
        if let Some(fingerprint) = &fingerprint {
            output.line(format!(
                "{}: {fingerprint}",
                output.say(
                    "seal key, read it to the operator",
                    "مفتاح الختم، اقرأه للمشغّل"
                )
            ));
        }
    })
}

async fn grant(acting: &Acting, file: &Path, to: &Path, output: Output) -> Result<(), Failure> {
    let request: Request = read(file)?;
    let wrong = |what: &str| in_file(file, what);
    let role = PersonRole::parse(&request.role).ok_or_else(|| wrong("it names no role"))?;
    let name = Part::parse(&request.name).map_err(|error| in_file(file, error))?;
    let key = if role.seals() {
        let spki = hex::decode(&request.seal_key).map_err(|_| wrong("seal_key is not hex"))?;
        Some(PublicKey::from_spki(&spki).map_err(|error| in_file(file, error))?)
    } else {
        None
    };
    let csr = hex::decode(&request.certificate_request)
        .map_err(|_| wrong("certificate_request is not hex"))?;
    let switch = SwitchDir::new(&acting.switch);
    let authority = Authority::open(&switch.authority()).map_err(Failure::usage)?;
    let person = person_name(&authority, role, &name)?;
    // Issued before the role is recorded: a request that cannot be served must leave no trace.
    let issued = authority
        .issue_person(&csr, &person, LEAF_LIFE_MAX, now(&Clock::System)?)
        .map_err(Failure::usage)?;
    let acting_operator = open(acting)?;
    let answer = Answer {
        operator: acting_operator.file_of(&name),
        root_pem: authority.root_pem(),
        log_vkey: acting_operator.log_key.to_vkey(),
        chain_pem: issued.chain_pem,
    };
    let text = toml::to_string(&answer).map_err(Failure::unavailable)?;
    let fingerprint = key.as_ref().map(fingerprint_of);
    let registry = registry_of(acting).await?;
    // A role that `mohawel apply` granted, or a certificate that ran out: only the certificate is missing.
    if registry.has_role(role, &name)
        && registry
            .person(role, &name)
            .is_some_and(|person| person.key == key)
    {
        certs::key_files::replace_public(to, text.as_bytes()).map_err(Failure::usage)?;
        return certificate_only(to, output);
    }
    let deed = OperatorDeed::SetRole {
        role,
        name,
        key,
        ended: false,
    };
    let done = act(&acting_operator, deed, &registry).await?;
    certs::key_files::replace_public(to, text.as_bytes()).map_err(Failure::usage)?;
    if let Some(fingerprint) = fingerprint {
        output.note(format!(
            "{}: {fingerprint}",
            output.say("the person's seal key", "مفتاح ختم الشخص")
        ));
    }
    let done = settled(acting, done).await?;
    tell(&done, "The role is granted", "مُنح الدور", output)
}

fn certificate_only(to: &Path, output: Output) -> Result<(), Failure> {
    let value = json!({ "answer": to.display().to_string(), "index": null });
    output.show(&value, || {
        output.line(output.say(
            "The person has the role already; a new certificate is in the answer",
            "الدور للشخص قائم؛ وفي الرد شهادة جديدة",
        ));
    })
}

fn person_name(authority: &Authority, role: PersonRole, name: &Part) -> Result<PeerName, Failure> {
    let (domain, name) = (authority.trust_domain(), name.as_str());
    match role {
        PersonRole::Operator => PeerName::operator(domain, name),
        PersonRole::Approver => PeerName::approver(domain, name),
        PersonRole::Auditor => PeerName::auditor(domain, name),
        PersonRole::Dpo => PeerName::dpo(domain, name),
    }
    .map_err(Failure::usage)
}

fn take(dir: &Path, file: &Path, output: Output) -> Result<(), Failure> {
    let answer: Answer = read(file)?;
    let key = TlsKey::load(&dir.join(operator::TLS_KEY)).map_err(Failure::usage)?;
    certs::Identity::from_pem(&answer.chain_pem, &key).map_err(|error| in_file(file, error))?;
    let write = |name: &str, text: &str| {
        certs::key_files::replace_public(&dir.join(name), text.as_bytes()).map_err(Failure::usage)
    };
    write(operator::ROOT, &answer.root_pem)?;
    write(operator::LOG_KEY, &format!("{}\n", answer.log_vkey))?;
    write(operator::CHAIN, &answer.chain_pem)?;
    // Last, for its presence says that the others are there.
    write(operator::FILE, &answer.operator.to_toml()?)?;
    let value = json!({ "operator": dir.display().to_string() });
    output.show(&value, || {
        output.line(format!(
            "{} --operator {}",
            output.say("Ready. Act with", "جاهز. استخدم"),
            dir.display()
        ));
    })
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Failure> {
    let found = fs::metadata(path).map_err(|error| in_file(path, error))?;
    if found.len() > FILE_BYTES_MAX {
        return Err(in_file(path, "it is far larger than any such file"));
    }
    let text = fs::read_to_string(path).map_err(|error| in_file(path, error))?;
    toml::from_str(&text).map_err(|error| in_file(path, error))
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let value: Vec<_> = registry
        .people()
        .map(|person| {
            json!({
                "role": person.role.name(),
                "name": person.name.to_string(),
                "fingerprint": person.key.as_ref().map(fingerprint_of),
                "index": person.index,
                "ended": person.ended,
            })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("role", "الدور"),
                output.say("name", "الاسم"),
                output.say("seal key", "مفتاح الختم"),
                output.say("state", "الحالة"),
                output.say("entry", "القيد"),
            ],
            registry.people().map(|person| {
                let role = match person.role {
                    PersonRole::Operator => output.say("operator", "مشغّل"),
                    PersonRole::Approver => output.say("approver", "معتمِد"),
                    PersonRole::Auditor => output.say("auditor", "مدقّق"),
                    PersonRole::Dpo => {
                        output.say("data-protection officer", "مسؤول حماية البيانات")
                    }
                };
                let state = match person.ended {
                    None => output.say("in office", "في الخدمة").to_owned(),
                    Some(index) => format!("{} {index}", output.say("ended at", "انتهى عند")),
                };
                [
                    role.to_owned(),
                    person.name.to_string(),
                    person.key.as_ref().map(fingerprint_of).unwrap_or_default(),
                    state,
                    person.index.to_string(),
                ]
            }),
        );
    })
}
