//! A running switch is made what a directory says, by one operator, by two, and again from its own export.

use std::fs;
use std::path::{Path, PathBuf};

use audit::clock::Clock;
use proto::act::PersonRole;
use proto::id::{AgencyId, Part};
use proto::key::Signer as _;
use proto::registry::Registry;

use super::world::{OUTPUT, World};
use crate::args::{Acting, ApplyPlan, Approvals, Export, Role};
use crate::commands::agreement::terms::Terms;
use crate::commands::declare::difference::{Way, What, now};
use crate::commands::declare::{self, read};
use crate::commands::operate::{approvals, roles};
use crate::commands::operator::Operator;
use crate::commands::{act, agreement};
use crate::failure::{Exit, Failure};
use crate::output::Output;

const PURPOSES: &str = r#"
[[purposes]]
code = "health"
name_ar = "علاج على نفقة الدولة"
name_en = "Treatment at the state's expense"
legal_basis_ar = "قانون التأمين الصحي"
legal_basis_en = "Health insurance law"
"#;

const MOSS: &str = r#"
agency = "EG/GOV/MOSS"
name_ar = "التضامن الاجتماعي"
name_en = "Social Solidarity"
suspended = true
reason = "not ready"
daily_quota = 5000

[[systems]]
name = "takaful"
adapters = ["a1"]

[[services]]
system = "takaful"
name = "payments.v1"
operations = ["last"]
"#;

fn quota(registry: &Registry) -> u64 {
    let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
    registry.agency(&moss).unwrap().daily_quota
}

#[track_caller]
fn exit(result: Result<(), Failure>) -> Exit {
    result.unwrap_err().exit
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_applies_once_and_again_does_nothing_until_others_acted() {
    let world = World::new(false).await;
    let wanted = world.path("wanted");
    world.write("purposes.toml", PURPOSES);
    world.write("agencies/moss.toml", MOSS);
    assert_eq!(exit(world.plan(&wanted).await), Exit::Found);

    refuses_to_guess(&world, &wanted).await;
    let size = world.registry().await.size();
    world.apply(&wanted).await.unwrap();
    let registry = world.registry().await;
    assert_eq!(registry.size(), size + 2);
    let purpose = registry.purpose(&Part::parse("health").unwrap()).unwrap();
    assert!(purpose.purpose.name_en.starts_with("Treatment"));
    // Standard purposes that the file does not mention are still in use.
    assert!(registry.purposes().all(|record| !record.purpose.ended));

    // Quota and suspension wait for the agency, and the agency for its own administrators.
    let ways = world.ways().await;
    assert!(
        matches!(&ways[..], [
            (What::Agency, _, Way::Request { command, .. }),
            (What::Suspension, _, Way::Later(_)),
            (What::Quota, _, Way::Later(_)),
            (What::Service, _, Way::Request { .. }),
        ] if command.contains("--system takaful --adapter a1")),
        "{ways:?}"
    );
    world.apply(&wanted).await.unwrap();
    assert_eq!(world.registry().await.size(), size + 2);

    world.enrol().await;
    world.apply(&wanted).await.unwrap();
    let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
    let registry = world.registry().await;
    let agency = registry.agency(&moss).unwrap();
    assert_eq!(agency.daily_quota, 5000);
    assert_eq!(agency.suspended.as_ref().unwrap().1, "not ready");
    let ways = world.ways().await;
    assert!(
        matches!(&ways[..], [(What::Service, which, Way::Request { .. })] if which == "EG/GOV/MOSS/takaful/payments.v1"),
        "{ways:?}"
    );

    half_way(&world, &wanted).await;
    let size = world.registry().await.size();

    // What is no longer mentioned stays: neither the suspension nor the agency is touched.
    world.write("agencies/moss.toml", "agency = 'EG/GOV/MOSS'");
    world.apply(&wanted).await.unwrap();
    fs::remove_file(wanted.join("agencies/moss.toml")).unwrap();
    world.apply(&wanted).await.unwrap();
    assert!(world.ways().await.is_empty());
    assert_eq!(world.registry().await.size(), size);
    world.running.shutdown().await.unwrap();
}

/// Nobody to ask, no folder for the secret: nothing is done.
async fn refuses_to_guess(world: &World, wanted: &Path) {
    let size = world.registry().await.size();
    let wish = |yes, invitations: Option<PathBuf>| ApplyPlan {
        dir: wanted.to_owned(),
        acting: world.acting(),
        yes,
        invitations,
        hours: 72,
    };
    let json = Output {
        json: true,
        ..OUTPUT
    };
    let folder = Some(world.path("invitations"));
    for (wish, output) in [(wish(false, folder), json), (wish(true, None), OUTPUT)] {
        assert_eq!(exit(declare::apply(wish, output).await), Exit::Usage);
    }
    assert_eq!(world.registry().await.size(), size);
}

/// The purpose is done, the role has a key that is somebody's already; without it the next run goes on.
async fn half_way(world: &World, wanted: &Path) {
    let size = world.registry().await.size();
    let operator = Operator::open(&world.switch, &Clock::System).unwrap();
    let key = hex::encode(operator.signer.key().spki());
    let copy = format!("[[people]]\nrole = 'approver'\nname = 'copy'\nkey = '{key}'\n");
    world.write("roles.toml", &copy);
    world.write(
        "purposes.toml",
        &PURPOSES.replace("Health insurance law", "Law 2 of 2018"),
    );
    world.write("agencies/moss.toml", &MOSS.replace("5000", "6000"));
    assert_eq!(exit(world.apply(wanted).await), Exit::Refused);
    let registry = world.registry().await;
    assert_eq!((registry.size(), quota(&registry)), (size + 1, 5000));
    fs::remove_file(wanted.join("roles.toml")).unwrap();
    world.apply(wanted).await.unwrap();
    let registry = world.registry().await;
    assert_eq!((registry.size(), quota(&registry)), (size + 2, 6000));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_two_is_made_once_and_counts_after_the_second_seal() {
    let world = World::new(false).await;
    let wanted = world.path("wanted");
    let (mona, key) = world.request("mona").await;
    let person = |name: &str, more: &str| {
        format!("[[people]]\nrole = 'operator'\nname = '{name}'\n{more}\n")
    };
    // The last operator is never ended, even where the file says so.
    world.write("roles.toml", &person("operator", "ended = true"));
    assert!(matches!(
        &world.ways().await[..],
        [(What::Role, _, Way::Stuck(_))]
    ));
    world.write("roles.toml", &person("mona", &format!("key = '{key}'")));
    world.write(
        "policy.toml",
        "two_operators = ['purpose', 'role', 'invitation']",
    );
    world.apply(&wanted).await.unwrap();
    assert!(world.ways().await.is_empty());

    // The role stands; what is missing is only the certificate.
    let size = world.registry().await.size();
    let grant = Role::Grant {
        request: mona.join("role.request"),
        output: world.path("mona.answer"),
        acting: world.acting(),
    };
    roles::run(grant, OUTPUT).await.unwrap();
    let take = Role::Take {
        dir: mona.clone(),
        answer: world.path("mona.answer"),
    };
    roles::run(take, OUTPUT).await.unwrap();
    assert_eq!(world.registry().await.size(), size);

    world.write("purposes.toml", PURPOSES);
    world.write("agencies/moss.toml", "agency = 'EG/GOV/MOSS'");
    world.apply(&wanted).await.unwrap();
    world.apply(&wanted).await.unwrap();
    let registry = world.registry().await;
    assert_eq!(registry.size(), size + 2);
    let ways = world.ways().await;
    assert!(
        ways.len() == 2
            && ways.iter().all(
                |(_, _, way)| matches!(way, Way::Waits { by, .. } if by.as_str() == "operator")
            ),
        "{ways:?}"
    );
    for (id, _) in registry.waiting() {
        let approve = Approvals::Approve {
            id: id.to_string(),
            acting: Acting {
                operator: Some(mona.clone()),
                ..world.acting()
            },
        };
        approvals::run(approve, OUTPUT).await.unwrap();
    }
    world
        .until(|registry| registry.waiting().next().is_none())
        .await;
    let size = world.registry().await.size();
    world.apply(&wanted).await.unwrap();
    assert_eq!(world.registry().await.size(), size);
    assert!(matches!(
        &world.ways().await[..],
        [(What::Agency, _, Way::Request { .. })]
    ));
    world.running.shutdown().await.unwrap();
}

const TERMS: &str = r#"
consumer = "EG/GOV/MOSS"
provider = "EG/GOV/SWITCH"
days = 30
[[grants]]
system = "echo"
service = "echo.v1"
operations = ["echo"]
purposes = ["test"]
fields = []
legal_basis = "none"
daily_quota = 0
retention_days = 1
"#;

/// An agreement is proposed by one and accepted by the other; the plan names whose turn it is.
async fn agree(world: &World, home: &Path) {
    let turn = |ways: Vec<(What, String, Way)>| {
        let mut ways = ways.into_iter();
        ways.find(|(what, ..)| *what == What::Agreement)
            .map(|(_, _, way)| format!("{way:?}"))
    };
    assert!(
        turn(world.ways().await)
            .unwrap()
            .contains("agreement propose")
    );
    let adapter = act::connect(home).await.unwrap();
    let authority = act::plain_authority(&adapter).unwrap();
    let terms = Terms::parse(TERMS).unwrap();
    let proposed = Box::pin(agreement::propose(&adapter, &authority, &terms)).await;
    let id = proposed.unwrap().id;
    world
        .until(|registry| registry.agreement(&id).is_some())
        .await;
    let waits = turn(world.ways().await).unwrap();
    assert!(
        waits.contains("agreement accept") && waits.contains("EG/GOV/SWITCH"),
        "{waits}"
    );
    let echo = act::connect(&world.switch.echo()).await.unwrap();
    let authority = act::plain_authority(&echo).unwrap();
    Box::pin(agreement::accept(&echo, &authority, &id))
        .await
        .unwrap();
    drop((adapter, echo));
    world
        .until(|registry| {
            registry
                .agreement(&id)
                .is_some_and(|one| one.acts.len() == 2)
        })
        .await;
    assert_eq!(turn(world.ways().await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_plans_to_nothing_and_makes_another_switch_the_same() {
    let world = World::new(true).await;
    let wanted = world.path("wanted");
    let (_, key) = world.request("mona").await;
    let ended = PURPOSES.replace("health", "old") + "ended = true\n";
    world.write("purposes.toml", &(PURPOSES.to_owned() + &ended));
    world.write(
        "roles.toml",
        &format!("[[people]]\nrole = 'operator'\nname = 'mona'\nkey = '{key}'\n[[people]]\nrole = 'auditor'\nname = 'omar'\n"),
    );
    world.write("policy.toml", "two_operators = ['system_end']");
    world.write(
        "agencies/moss.toml",
        &MOSS.replace("suspended = true", "suspended = false"),
    );
    world.write(
        "agreements.toml",
        "[[agreements]]\nconsumer = 'EG/GOV/MOSS'\nprovider = 'EG/GOV/SWITCH'\n",
    );
    world.apply(&wanted).await.unwrap();
    let home = world.enrol().await;
    world.apply(&wanted).await.unwrap();

    agree(&world, &home).await;

    let exported = world.path("exported");
    let export = |dir: &Path| Export {
        dir: dir.to_owned(),
        source: world.source(),
    };
    declare::export(export(&exported), OUTPUT).await.unwrap();
    world.plan(&exported).await.unwrap();
    let again = declare::export(export(&exported), OUTPUT).await;
    assert_eq!(exit(again), Exit::Usage);
    let described = read::directory(&exported).unwrap();
    assert_eq!(now(&described, &world.registry().await).not_described, []);

    // On another switch its first operator has another key, and agencies have to come themselves.
    let fresh = World::new(true).await;
    fresh.apply(&exported).await.unwrap();
    let (old, new) = (world.registry().await, fresh.registry().await);
    let purposes = |registry: &Registry| {
        let all = registry.purposes().map(|record| record.purpose.clone());
        all.collect::<Vec<_>>()
    };
    assert_eq!(purposes(&old), purposes(&new));
    assert_eq!(old.policy(), new.policy());
    for (role, name) in [
        (PersonRole::Operator, "mona"),
        (PersonRole::Auditor, "omar"),
    ] {
        assert!(new.has_role(role, &Part::parse(name).unwrap()));
    }
    let left = now(&described, &new);
    assert!(left.sealed().next().is_none(), "{left:?}");
    assert!(fresh.path("invitations/EG~GOV~MOSS.invitation").exists());
    fresh.running.shutdown().await.unwrap();
    world.running.shutdown().await.unwrap();
}
