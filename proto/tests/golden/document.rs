//! `docs/protocol.md` against code, schemas and golden bytes: what nothing checks will lie.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proto::Code;
use proto::act::{PersonRole, TwoOperators};
use proto::authorise::Clause;
use proto::entry::Kind;
use proto::header::Outcome;
use proto::id::{AgencyId, Part};
use proto::limits::{self, label};

use crate::book;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The cells of a row, without backquotes.
fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}

/// The rows of the first table after `start` with this header row.
fn table(document: &str, start: &str, header: &str) -> Vec<Vec<String>> {
    let from = document.find(start).unwrap();
    let mut lines = document[from..].lines();
    assert!(lines.any(|line| line == header), "{start}: {header}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect()
}

/// Every `pub const` at the left margin (limits) or indented (labels), by name, as the source says.
fn constants(indent: &str) -> BTreeSet<String> {
    let start = format!("{indent}pub const ");
    let source = read("proto/src/limits.rs");
    let names = source
        .lines()
        .filter_map(|line| line.strip_prefix(&start)?.split_once(':'))
        .map(|(name, _)| name.to_owned());
    names.collect()
}

macro_rules! values {
    ($path:ident; $($name:ident)*) => {
        BTreeMap::from([$((stringify!($name).to_owned(), $path::$name.to_string()),)*])
    };
}

#[test]
fn the_limits_are_those_of_the_code() {
    let code = values!(limits; HEADER_VERSION SEAL_SIZE_MAX SEAL_PATH_MAX SEAL_BYTES_MAX SALT_BYTES
        HEADER_BYTES_MAX REGISTRY_HEADER_BYTES_MAX FACTS_BYTES_MAX ENTRY_BYTES_MAX
        REGISTRY_ENTRY_BYTES_MAX PAYLOAD_BYTES_MAX SEALED_BYTES_MAX CHUNK_BYTES_MAX CHUNK_BYTES_DEFAULT CHUNK_WINDOW ITEMS_MAX STREAM_MS_MAX STREAM_IDLE_MS
        STREAMS_PER_CONSUMER_MAX MESSAGE_BYTES_MAX CONTENT_TYPE_BYTES_MAX
        FIELDS_MAX SUBJECTS_MAX DELEGATION_MAX PART_BYTES_MAX DISPLAY_NAME_BYTES_MAX
        OPERATIONS_MAX GRANTS_MAX GRANT_LIST_MAX WINDOW_MS WINDOW_MS_MAX DEADLINE_MS_MAX SUBMISSION_MS_MAX DEADLINE_MS_DEFAULT
        SEAL_MEMORY_ROOTS SEAL_MEMORY_MS KEPT_ANSWER_MS CONSISTENCY_SIZES_MAX
        MEMBERS_MAX ROW_RULES_MAX PURPOSES_MAX APPLICATION_MS REPLACEMENT_MS LOG_KEY_OVERLAP_MS_MAX OVERSEEN_MAX
        REVIEWED_MAX BREAK_GLASS_REVIEW_MS
        EVENT_BYTES_MAX EVENT_KEPT_MS EVENT_ATTEMPTS_MAX EVENT_PAUSE_MS_MAX SUBSCRIPTIONS_MAX
        REASON_BYTES_MAX);
    let (of_agency, in_all) = limits::APPLICATIONS_MAX;
    let mut code: BTreeMap<String, String> = code;
    code.insert(
        "APPLICATIONS_MAX".to_owned(),
        format!("{of_agency}, {in_all}"),
    );
    let mut names: BTreeSet<String> = code.keys().cloned().collect();
    names.insert("SEAL_CONTENT_TYPE".to_owned());
    assert_eq!(constants(""), names, "a limit is missing in this test");
    let document = read("docs/protocol.md");
    let said = table(&document, "## 8.", "| limit | value | of |");
    let said: BTreeMap<_, _> = said
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(said, code);
    let content_type = format!("is `{}`.", limits::SEAL_CONTENT_TYPE);
    assert!(document.contains(&content_type));
}

#[test]
fn the_labels_are_those_of_the_code() {
    let code = values!(label; REQUEST ANSWER DISPUTE TRAILER UPLOAD UPLOAD_TRAILER ACT AUTHORITY POSSESSION SUCCESSION OPERATOR HOLD ERASURE REVIEW EVENT SUBSCRIPTION SUBSCRIPTION_END EVENT_RECEIPT ENCRYPTION_KEY LOG_KEY GENESIS);
    assert_eq!(constants("    "), code.keys().cloned().collect());
    let document = read("docs/protocol.md");
    let said = table(&document, "## 8.", "| label | name in code | signs |");
    let said: BTreeMap<_, _> = said
        .into_iter()
        .map(|row| (row[1].clone(), row[0].clone()))
        .collect();
    assert_eq!(said, code);
}

#[test]
fn the_refusals_are_those_of_the_code_in_their_order() {
    let document = read("docs/protocol.md");
    let header = "| code | gRPC status | HTTP | when | recorded |";
    let said: Vec<(String, String)> = table(&document, "## 5.", header)
        .into_iter()
        .map(|row| (row[0].clone(), row[4].clone()))
        .collect();
    let recorded = |code: &Code| if code.is_recorded() { "yes" } else { "no" };
    let code: Vec<(String, String)> = Code::ALL
        .iter()
        .map(|code| (code.name().to_owned(), recorded(code).to_owned()))
        .collect();
    assert_eq!(said, code);
}

fn standing() -> Clause {
    Clause::Standing(AgencyId::parse("A/A/A").unwrap())
}

/// A new clause does not compile here until it stands in the table above.
#[expect(dead_code, reason = "for the compiler")]
fn every_clause_is_listed(clause: &Clause) {
    match clause {
        Clause::Agreement | Clause::Acceptance | Clause::Revocation | Clause::Parties => (),
        Clause::Validity | Clause::Supersession | Clause::Delegation(_) => (),
        Clause::Service | Clause::Operation | Clause::Purpose | Clause::Field(_) => (),
        Clause::Standing(_) | Clause::Quota | Clause::Encryption | Clause::Upload => (),
        Clause::Actor | Clause::CaseReference | Clause::Reviewer | Clause::ReviewOverdue => (),
    }
}

#[test]
fn policy_names_and_roles_are_those_of_the_code() {
    let document = read("docs/protocol.md");
    let said = table(
        &document,
        "### Operators",
        "| policy name | what needs two seals |",
    );
    let said: Vec<String> = said.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(said, TwoOperators::NAMES);
    let schema = messages(&read("proto/mohawel/registry/v1/acts.proto"));
    let mut deeds: Vec<&str> = schema["OperatorAct"][3..]
        .iter()
        .map(|row| &row[1][..])
        .chain(["invitation"])
        .collect();
    deeds.sort_unstable();
    assert_eq!(deeds, TwoOperators::NAMES, "what can be done can need two");
    for row in table(
        &document,
        "### Operators",
        "| policy name | what needs two seals |",
    ) {
        let nothing = TwoOperators::default().covers(&row[0]);
        assert_eq!(nothing, row[1].contains("named or not"), "{}", row[0]);
        let other = TwoOperators(vec![Part::parse("agency_quota").unwrap()]).covers(&row[0]);
        let always = row[0] == "agency_quota" || row[1].contains("named");
        assert_eq!(other, always, "{}", row[0]);
    }

    let said = table(&document, "### Operators", "| role | seals | may |");
    let said: Vec<(String, bool)> = said
        .into_iter()
        .map(|row| (row[0].clone(), row[1] == "yes"))
        .collect();
    let code = PersonRole::ALL.map(|role| (role.name().to_owned(), role.seals()));
    assert_eq!(said, code);
}

/// The steps and statuses of the schemas stand in the rule of the field that has them.
#[test]
fn the_steps_of_an_agreement_are_those_of_the_schema() {
    let document = read("docs/protocol.md");
    let schema = read("proto/mohawel/registry/v1/acts.proto");
    let steps: Vec<String> = schema
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("AGREEMENT_STEP_")?
                .strip_suffix(';')
        })
        .filter(|line| !line.starts_with("UNSPECIFIED"))
        .map(|line| {
            let (name, number) = line.split_once(" = ").unwrap();
            format!("{number} {}", name.to_lowercase().replace('_', " "))
        })
        .collect();
    let rows = table(
        &document,
        "Message `AgreementAct`",
        "| # | name | type | rule |",
    );
    assert_eq!(rows[1][3], steps.join(", "));
}

#[test]
fn outcomes_clauses_and_kinds_are_those_of_the_code() {
    let document = read("docs/protocol.md");
    let first = |rows: Vec<Vec<String>>| -> Vec<String> {
        rows.into_iter().map(|mut row| row.swap_remove(0)).collect()
    };
    let outcomes = table(&document, "## 3.", "| outcome | when |");
    assert_eq!(first(outcomes), Outcome::ALL.map(Outcome::name));

    let rows = table(&document, "### Who may", "| no, because | code | clause |");
    let said: Vec<(String, String)> = rows
        .into_iter()
        .map(|row| (row[1].clone(), row[2].clone()))
        .collect();
    let code = [
        (Code::AgencySuspended, standing()),
        (Code::NoAgreement, Clause::Agreement),
        (Code::NoAgreement, Clause::Parties),
        (Code::NoAgreement, Clause::Acceptance),
        (Code::AgreementRevoked, Clause::Revocation),
        (Code::AgreementExpired, Clause::Validity),
        (Code::AgreementExpired, Clause::Supersession),
        (Code::DelegationBroken, Clause::Delegation(1)),
        (Code::DelegationBroken, Clause::Delegation(0)),
        (Code::OperationNotGranted, Clause::Service),
        (Code::OperationNotGranted, Clause::Operation),
        (Code::PurposeNotGranted, Clause::Purpose),
        (Code::FieldNotGranted, Clause::Field("NAME".to_owned())),
        (Code::EncryptionRequired, Clause::Encryption),
        (Code::PurposeNotGranted, Clause::Actor),
        (Code::PurposeNotGranted, Clause::CaseReference),
        (Code::PurposeNotGranted, Clause::Reviewer),
        (Code::AgencySuspended, standing()),
        (Code::PurposeNotGranted, Clause::ReviewOverdue),
        (Code::QuotaExceeded, Clause::Quota),
    ];
    let code = code.map(|(code, clause)| {
        let clause = clause.to_string().replace("A/A/A", "AGENCY");
        (code.name().to_owned(), clause.replace(" 1", " N"))
    });
    assert_eq!(said, code);

    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let kinds = Kind::ALL.map(|kind| {
        let number = (kind as u8).to_string();
        vec![number, kind.name().to_owned(), yes(kind.is_registry())]
    });
    let mut said = table(&document, "## 6.", "| kind | name | registry | records |");
    said.iter_mut().for_each(|row| row.truncate(3));
    assert_eq!(said, kinds);
    let registry = kinds.iter().filter(|kind| kind[2] == "yes");
    let registry: Vec<_> = registry.map(|kind| kind[..2].to_vec()).collect();
    let header = "| kind | entry | header | sealed under, by |";
    let mut said = table(&document, "## 4.", header);
    said.iter_mut().for_each(|row| row.truncate(2));
    assert_eq!(said, registry);
}

/// Messages of a schema: name → rows of number, name, type.
fn messages(schema: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let (mut found, mut name) = (BTreeMap::new(), String::new());
    for line in schema.lines() {
        if let Some(rest) = line.strip_prefix("message ") {
            name = rest.split_whitespace().next().unwrap().to_owned();
            found.insert(name.clone(), Vec::new());
        } else if line.starts_with('}') {
            name.clear();
        } else if let Some((field, number)) = line.trim().trim_end_matches(';').split_once(" = ")
            && !name.is_empty()
            && !line.trim().starts_with("//")
        {
            let (kind, field) = field.rsplit_once(' ').unwrap();
            let row = [number, field, kind].map(str::to_owned).to_vec();
            found.get_mut(&name).unwrap().push(row);
        }
    }
    found
}

#[test]
fn every_signed_or_recorded_message_is_listed_field_by_field() {
    let document = read("docs/protocol.md");
    let mut schema = messages(&read("proto/mohawel/exchange/v1/envelope.proto"));
    schema.extend(messages(&read("proto/mohawel/registry/v1/acts.proto")));
    schema.extend(messages(&read("proto/mohawel/audit/v1/oversight.proto")));
    let log = messages(&read("proto/mohawel/audit/v1/log.proto"));
    let kept = ["Facts", "Receipt", "IssuedCertificate", "RecordedEntry"];
    schema.extend(
        log.into_iter()
            .filter(|(name, _)| kept.iter().any(|end| name.ends_with(end))),
    );
    let listed = document
        .lines()
        .filter_map(|line| line.strip_prefix("Message `")?.split_once('`'))
        .map(|(name, _)| name.to_owned());
    let listed: BTreeSet<String> = listed.collect();
    assert_eq!(listed, schema.keys().cloned().collect());
    for (name, fields) in schema {
        let start = format!("Message `{name}`");
        let mut said = table(&document, &start, "| # | name | type | rule |");
        said.iter_mut().for_each(|row| row.truncate(3));
        assert_eq!(said, fields, "{name}");
    }
}

#[test]
fn every_method_is_listed() {
    let document = read("docs/protocol.md");
    let mut code = BTreeMap::new();
    for (package, files) in [
        ("mohawel.exchange.v1", "exchange/v1/exchange"),
        ("mohawel.events.v1", "events/v1/events"),
        ("mohawel.registry.v1", "registry/v1/registry"),
        ("mohawel.audit.v1", "audit/v1/log"),
    ] {
        let schema = read(&format!("proto/mohawel/{files}.proto"));
        let mut service = String::new();
        for line in schema.lines() {
            if let Some(rest) = line.strip_prefix("service ") {
                service = format!("{package}.{}", rest.trim_end_matches(" {"));
            } else if let Some(rest) = line.trim().strip_prefix("rpc ") {
                let method = format!("`{}`", rest.split('(').next().unwrap());
                code.entry(service.clone())
                    .and_modify(|methods: &mut String| methods.push_str(&format!(", {method}")))
                    .or_insert(method);
            }
        }
    }
    let said = table(&document, "## 7.", "| service | methods | for |");
    let said: BTreeMap<String, String> = said
        .into_iter()
        .map(|row| (row[0].clone(), format!("`{}`", row[1])))
        .collect();
    assert_eq!(said, code);
}

#[test]
fn every_hex_block_is_the_golden_value() {
    let document = read("docs/protocol.md");
    let mut shown = BTreeSet::new();
    for block in document.split("```hex\n").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        let (title, lines) = block.split_once('\n').unwrap();
        let (file, name) = title.trim_start_matches("# ").split_once(' ').unwrap();
        let said: String = lines
            .lines()
            .flat_map(|line| line.split('#').next().unwrap().chars())
            .filter(|c| !c.is_whitespace())
            .collect();
        assert_eq!(Some(&said), book::read(file).get(name), "{title}");
        shown.insert(format!("{file} {name}"));
    }
    for needed in ["request", "answer", "propose", "accept"] {
        for part in ["header", "cose"] {
            let name = format!("v1.json {needed}.{part}");
            assert!(shown.contains(&name), "no worked example of {name}");
        }
    }
    for needed in ["v1.json request.sig_structure", "v1.json answer.entry"] {
        assert!(shown.contains(needed), "no worked example of {needed}");
    }
    for needed in ["proof", "checkpoint", "receipt"] {
        let name = format!("receipts.json answer.{needed}");
        assert!(shown.contains(&name), "no worked example of {name}");
    }
}
