//! `mohawel doctor`, the real binary, with each hop broken on purpose: that very check fails, with a remedy in both
//! languages, and what comes before it passes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use audit::checkpoint::Checkpoint;
use audit::clock::Clock;
use certs::authority::LEAF_LIFE;
use certs::{TlsKey, request};
use proto::Digest;
use serde_json::Value;
use tests::ground::{Ground, ORIGIN, TRUST_DOMAIN, loopback, now};
use tests::process::mohawel;
use tests::switch::TestSwitch;
use tests::world::{CIVIL, MOSS, PERSONS, World};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

/// A switch on the system's clock, which is the binary's too.
async fn world() -> World {
    let ground = Ground::found_at(Clock::System).await;
    World::populate(TestSwitch::on(ground, "").await.unwrap()).await
}

/// What the doctor said.
struct Said {
    code: i32,
    rows: Vec<Value>,
}

async fn doctor(arguments: &[&str]) -> Said {
    let output = Command::new(mohawel())
        .args(["--json", "doctor"])
        .args(arguments)
        .env_clear()
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let value: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let rows = value["checks"].as_array().unwrap().clone();
    Said {
        code: output.status.code().unwrap(),
        rows,
    }
}

impl Said {
    fn row(&self, check: &str) -> &Value {
        let row = self.rows.iter().find(|row| row["check"] == check);
        row.unwrap_or_else(|| panic!("no {check}: {:#?}", self.rows))
    }

    /// `check` is the first that fails, it says `found`, and everything before it was tried and passed.
    fn fails_first(&self, check: &str, found: &str) {
        assert_eq!(self.code, 1, "{check}: {:#?}", self.rows);
        for row in &self.rows {
            if row["check"] == check {
                break;
            }
            assert!(passed(row), "{check} was to fail first: {row:#?}");
        }
        let row = self.row(check);
        assert_eq!(row["standing"], "failed", "{row:#?}");
        let said = row["found"].as_str().unwrap();
        assert!(said.contains(found), "{said}: no {found}");
        assert!(!row["remedy"].as_str().unwrap().is_empty());
        assert!(!row["remedy_ar"].as_str().unwrap().is_empty());
    }

    fn passes(&self) {
        assert_eq!(self.code, 0, "{:#?}", self.rows);
        assert!(self.rows.iter().all(passed), "{:#?}", self.rows);
    }
}

fn passed(row: &Value) -> bool {
    row["standing"] == "ok" || row["standing"] == "warning"
}

/// One file, changed, and put back as it was.
struct Changed {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
}

impl Changed {
    fn new(path: PathBuf) -> Self {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        let bytes = std::fs::read(&path).unwrap();
        Self { path, bytes, mode }
    }

    fn text(path: PathBuf, from: &str, to: &str) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        Self::bytes(path, text.replace(from, to).as_bytes())
    }

    fn bytes(path: PathBuf, bytes: &[u8]) -> Self {
        let changed = Self::new(path);
        std::fs::write(&changed.path, bytes).unwrap();
        changed
    }

    fn mode(path: PathBuf, mode: u32) -> Self {
        let changed = Self::new(path);
        chmod(&changed.path, mode);
        changed
    }

    fn back(self) {
        std::fs::write(&self.path, &self.bytes).unwrap();
        chmod(&self.path, self.mode);
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The intended call that the world's agreement permits.
const CALL: [&str; 8] = [
    "--service",
    PERSONS,
    "--operation",
    "read",
    "--purpose",
    "social-benefit",
    "--fields",
    "name,alive",
];

/// A certificate of this switch's authority for the home's own key, in the name of `system`, from `days` ago on.
fn certificate(ground: &Ground, home: &Path, system: &str, days: i64) -> String {
    let key = TlsKey::load(&home.join("tls.key")).unwrap();
    let request = request::make(&key).unwrap();
    let uri = format!("spiffe://{TRUST_DOMAIN}/{system}");
    let then = now(&Clock::System) - time::Duration::days(days);
    let issued = ground
        .authority()
        .issue_agency(&request, &uri, LEAF_LIFE, then);
    issued.unwrap().chain_pem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_hop_of_an_agency_is_named_and_those_before_it_pass() {
    let world = world().await;
    let home = world.moss.home_dir();
    let shown = home.display().to_string();
    let examine = async || doctor(&[&["--home", &shown][..], &CALL].concat()).await;
    examine().await.passes();

    // Its own files.
    let settings = home.join("adapter.toml");
    let changed = Changed::text(settings.clone(), "system = ", "sistem = ");
    examine().await.fails_first("settings", "sistem");
    changed.back();
    let changed = Changed::mode(home.join("seal.key"), 0o640);
    examine().await.fails_first("permissions", "chmod 600");
    changed.back();
    let other = std::fs::read(world.civil.home_dir().join("tls.key")).unwrap();
    let changed = Changed::bytes(home.join("tls.key"), &other);
    examine().await.fails_first("home", "private key");
    changed.back();
    let ended = certificate(world.switch.ground(), &home, MOSS, 30);
    let changed = Changed::bytes(home.join("tls.pem"), ended.as_bytes());
    examine().await.fails_first("certificate", "ended");
    changed.back();

    // The way to the switch.
    let exchange = world.switch.exchange().to_string();
    let changed = Changed::text(settings.clone(), &exchange, "switch.invalid:7443");
    examine().await.fails_first("dns", "switch.invalid");
    changed.back();
    let nobody = {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let changed = Changed::text(settings.clone(), &exchange, &nobody);
    examine().await.fails_first("tcp", &nobody);
    changed.back();
    let (plain, plain_task) = plain_listener().await;
    let changed = Changed::text(settings.clone(), &exchange, &plain);
    examine().await.fails_first("tls", "");
    changed.back();
    plain_task.abort();
    let changed = Changed::text(settings.clone(), "/broker/b1", "/broker/b2");
    examine().await.fails_first("pin", "/broker/b1");
    changed.back();
    let stranger = Ground::found_at(Clock::System).await;
    let root = stranger.authority().root_pem();
    let changed = Changed::bytes(home.join("root.pem"), root.as_bytes());
    examine()
        .await
        .fails_first("pin", "invalid peer certificate");
    changed.back();
    let unknown = certificate(world.switch.ground(), &home, "EG/GOV/NOBODY/x", 0);
    let changed = Changed::bytes(home.join("tls.pem"), unknown.as_bytes());
    examine().await.fails_first("switch", "unknown_peer");
    changed.back();

    examine().await.passes();
    world.finish().await;
}

/// Takes connections and speaks no TLS.
async fn plain_listener() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        }
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_permits_a_call_is_named_and_so_is_what_does_not() {
    let world = world().await;
    let home = world.moss.home_dir().display().to_string();
    let examine = async |from: &str, to: &str| {
        let call = CALL.map(|word| if word == from { to } else { word });
        doctor(&[&["--home", &home][..], &call].concat()).await
    };
    let good = examine("", "").await;
    good.passes();
    let found = good.row("agreement")["found"].as_str().unwrap().to_owned();
    assert!(found.contains(&world.agreement.short()), "{found}");

    let said = examine("read", "write").await;
    said.fails_first("service", "erase, read");
    let said = examine("name,alive", "name,iban").await;
    said.fails_first("service", "iban");
    let nowhere = "EG/GOV/CIVIL/registry/persons.v9";
    examine(PERSONS, nowhere)
        .await
        .fails_first("service", "unknown_service");
    let said = examine("social-benefit", "marketing").await;
    said.fails_first("agreement", "purpose_not_granted");
    let said = examine("read", "erase").await;
    said.fails_first("agreement", "operation_not_granted");
    let said = examine("name,alive", "name,income").await;
    said.fails_first("agreement", "clause: field income");

    // The provider itself has no agreement with itself.
    let civil = world.civil.home_dir().display().to_string();
    let said = doctor(&[&["--home", &civil][..], &CALL].concat()).await;
    said.fails_first("agreement", "no_agreement");

    world.moss.revoke(&world.switch, world.agreement).await;
    let said = examine("", "").await;
    said.fails_first("agreement", "agreement_revoked");

    // Without a key nobody asks anything, whatever is agreed.
    world.moss.end_key(&world.switch).await;
    let said = examine("", "").await;
    said.fails_first("key", "key_ended");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_forgot_is_convicted_and_one_that_stopped_is_not_reached() {
    let world = world().await;
    let (moss, civil) = (world.moss.home_dir(), world.civil.home_dir());
    let shown = [&moss, &civil].map(|home| home.display().to_string());
    // A checkpoint that this switch signed, over more entries than it publishes now.
    let more = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 1_000_000,
        root: Digest::of(b"another history"),
    };
    let signed = more.sign(&*world.switch.ground().log_signer()).unwrap();
    std::fs::write(moss.join("checkpoint.txt"), &signed.note).unwrap();
    let said = doctor(&["--home", &shown[0]]).await;
    let row = said.row("checkpoint");
    assert_eq!(
        (said.code, &row["standing"]),
        (1, &Value::from("failed")),
        "{row:#?}"
    );
    assert!(
        row["found"].as_str().unwrap().contains("shrank"),
        "{row:#?}"
    );
    // The evidence lies in the home, and nothing goes on before a person took it away.
    let said = doctor(&["--home", &shown[0]]).await;
    said.fails_first("home", "fork-evidence-");

    doctor(&["--home", &shown[1]]).await.passes();
    world.switch.finish().await;
    let said = doctor(&["--home", &shown[1]]).await;
    said.fails_first("tcp", "");
    assert_eq!(said.row("registry")["standing"], "not_tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_part_of_a_switch_is_named_and_those_before_it_pass() {
    let world = world().await;
    let dir = world.switch.ground().dir().to_owned();
    let shown = dir.display().to_string();
    let examine = async || doctor(&["--switch", &shown]).await;
    examine().await.passes();
    doctor(&["--switch", &shown, "--deep"]).await.passes();

    let config = dir.join("switch.toml");
    let changed = Changed::text(config.clone(), "[limits]", "colour = 1\n[limits]");
    examine().await.fails_first("configuration", "colour");
    changed.back();
    for key in ["tls/broker.key", "keys/log.key", "authority/agencies.key"] {
        let changed = Changed::mode(dir.join(key), 0o604);
        examine().await.fails_first("permissions", key);
        changed.back();
    }
    let changed = Changed::text(config.clone(), "name = \"b1\"", "name = \"b2\"");
    examine().await.fails_first("parts", "b2");
    changed.back();
    let ended = {
        let authority = world.switch.ground().authority();
        let key = TlsKey::load(&dir.join("tls/broker.key")).unwrap();
        let request = request::make(&key).unwrap();
        let then = now(&Clock::System) - time::Duration::days(30);
        let hosts = ["127.0.0.1".into()];
        let issued = authority.issue_broker(&request, "b1", &hosts, LEAF_LIFE, then);
        issued.unwrap().chain_pem
    };
    let changed = Changed::bytes(dir.join("tls/broker.pem"), ended.as_bytes());
    examine().await.fails_first("broker_certificate", "ended");
    changed.back();
    let checkpoint = Changed::bytes(dir.join("log/checkpoint"), b"switch.test/log\n9\n");
    let said = examine().await;
    assert_eq!(said.row("log")["standing"], "failed");
    assert_eq!(said.row("pins")["standing"], "not_tried");
    checkpoint.back();

    let ground = world.switch.stop().await;
    let said = examine().await;
    said.fails_first("exchange_door", "");
    assert_eq!(said.row("enrolment_door")["standing"], "failed");
    tests::check::check_log(&ground.log_dir(), &ground.log_key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_read_the_failing_hop_and_its_remedy_in_their_language() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(mohawel())
        .args(["--lang", "ar", "adapter", "check", "--home"])
        .arg(dir.path())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("متعطل") && table.contains("لم يُفحص"),
        "{table}"
    );
    let failure = String::from_utf8(output.stderr).unwrap();
    let remedy = "استعد الملف من نسخة الجهة الاحتياطية";
    assert!(
        failure.contains("«الإعدادات»") && failure.contains(remedy),
        "{failure}"
    );
    // A side must be named; half a call is none.
    for arguments in [
        &["doctor"][..],
        &["doctor", "--home", "a", "--switch", "b"],
        &["doctor", "--home", "a", "--service", PERSONS],
        &["doctor", "--home", "a", "--operation", "read"],
        &["doctor", "--home", "a", "--deep"],
        &[
            "doctor",
            "--home",
            "a",
            "--service",
            CIVIL,
            "--operation",
            "x",
            "--purpose",
            "y",
        ],
    ] {
        let mut command = Command::new(mohawel());
        command.args(arguments).env_clear();
        let ended = command.output().await.unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}
