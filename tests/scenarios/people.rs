//! The persons that exchanges are about, over a real switch and with the real binary: pseudonyms made, judged, looked
//! up, held back, and gone for good with their epoch.

use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::subjects::KeyFile;
use audit::clock::Clock;
use proto::Code;
use proto::act::{Operation, ServiceDefinition, SubjectField};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::header::{AnswerStatus, RequestHeader, Subject};
use proto::id::ExchangeId;
use proto::limits::label;
use serde_json::{Value, json};
use tests::agency::TestAgency;
use tests::agreements::{part, parts};
use tests::check::entries;
use tests::ground::Ground;
use tests::process::mohawel;
use tests::provider::{Backend, Does};
use tests::raw::{PAYLOAD, SALT};
use tests::switch::TestSwitch;
use tests::until;
use tests::world::{PERSONS, World};
use tokio::process::Command;

const NID: &str = "29001018800017";
/// Whom [`PAYLOAD`] names.
const OTHER: &str = "29001019900011";

/// A world on the system's clock, which is the binary's too, whose contract marks persons; and the authority's folder.
struct People {
    world: World,
    folder: tempfile::TempDir,
}

/// What the binary said.
#[derive(Debug)]
struct Said {
    code: i32,
    value: Value,
    errors: String,
}

impl People {
    async fn new() -> Self {
        let ground = Ground::found_at(Clock::System).await;
        let switch = TestSwitch::on(ground, "").await.unwrap();
        let mut world = World::populate(switch).await;
        let definition = ServiceDefinition {
            system: world.civil.system.clone(),
            service: part("persons.v1"),
            name_ar: "الأشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![Operation {
                name: part("read"),
                name_ar: "قراءة".to_owned(),
                name_en: "Read".to_owned(),
                fields: parts(&["alive", "income", "name"]),
                method: String::new(),
                path: String::new(),
                request_schema: bytes::Bytes::new(),
                answer_schema: bytes::Bytes::new(),
                subjects: vec![SubjectField {
                    pointer: "/nid".to_owned(),
                    scheme: part("nid"),
                }],
            }],
            issued_at_ms: world.switch.now_ms() + 1,
            owner_contact: String::new(),
            sensitivity: None,
        };
        let (civil, switch) = (&world.civil, &world.switch);
        civil
            .submit(switch, Kind::Service, label::AUTHORITY, definition.encode())
            .await
            .unwrap();
        world.contract = definition.contract();
        let folder = tempfile::tempdir().unwrap();
        let people = Self { world, folder };
        let passphrase = people.path("passphrase");
        certs::key_files::write_private(&passphrase, b"seven words that nobody would guess\n")
            .unwrap();
        people.keys(&["new"]).await;
        people
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        let output = Command::new(mohawel())
            .arg("--json")
            .args(arguments)
            .env_clear()
            .current_dir(self.folder.path())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            value: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    async fn well(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.value
    }

    /// `audit subject-key` with the folder and its passphrase.
    async fn keys(&self, arguments: &[&str]) -> Value {
        let (dir, passphrase) = (self.text("masters"), self.text("passphrase"));
        let mut all = vec!["audit", "subject-key"];
        all.extend(arguments);
        all.extend(["--dir", &dir, "--passphrase-file", &passphrase]);
        self.well(&all).await
    }

    /// Gives both parties the key file at `path`.
    fn hand_out(&self, path: &Path) {
        let file = KeyFile::load(path).unwrap();
        for agency in [&self.world.moss, &self.world.civil] {
            let place = agency.home_dir().join("subjects").join(file.file_name());
            file.save(&place).unwrap();
        }
    }

    async fn derive(&self) -> PathBuf {
        let (agreement, path) = (
            self.world.agreement.to_string(),
            self.path("first.subject-key"),
        );
        let to = path.display().to_string();
        self.keys(&["derive", "--agreement", &agreement, "-o", &to])
            .await;
        path
    }

    async fn published(&self) {
        let log = self.world.switch.switch().log();
        let size = self.world.switch.size();
        until("what was recorded is published", || {
            log.published().borrow().checkpoint.size >= size
        })
        .await;
    }

    /// `audit about` the person, once everything is published.
    async fn about(&self, id: &str, more: &[&str]) -> Value {
        self.published().await;
        let log = self.world.switch.ground().log_dir().display().to_string();
        let (dir, passphrase) = (self.text("masters"), self.text("passphrase"));
        let key = self.world.switch.ground().log_key().to_vkey();
        let mut all = vec![
            "audit", "about", "--log", &log, "--key", &key, "--dir", &dir,
        ];
        all.extend([
            "--passphrase-file",
            &passphrase,
            "--scheme",
            "nid",
            "--id",
            id,
        ]);
        all.extend(more);
        self.well(&all).await
    }

    /// The exchanges that are told about the person.
    async fn told(&self, id: &str) -> Vec<String> {
        let value = self.about(id, &[]).await;
        assert_eq!(value["log"]["proven"], true);
        assert!(value.get("held").is_none(), "nothing of holds");
        let found = value["consultations"].as_array().unwrap();
        found
            .iter()
            .map(|one| one["exchange_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A home's own commands, with its authority key beside it.
    async fn hold(&self, exchange: &str, more: &[&str]) -> Value {
        let home = self.world.moss.home_dir().display().to_string();
        let mut all = vec!["agency", "hold", "--home", &home, "--exchange", exchange];
        all.extend(["--ground", "criminal-procedure"]);
        all.extend(more);
        self.well(&all).await
    }
}

async fn ask(
    consumer: &adapters::Consumer,
    nid: &str,
) -> Result<ExchangeId, adapters::ExchangeError> {
    let answer = consumer
        .ask(PERSONS)
        .operation("read")
        .purpose("social-benefit")
        .fields(["name"])
        .actor(Digest::of(b"the clerk"))
        .payload_json(&json!({ "nid": nid }))
        .send()
        .await?;
    Ok(answer.exchange_id)
}

fn requests(dir: &Path) -> Vec<RequestHeader> {
    let requests = entries(dir);
    let requests = requests.iter().filter(|entry| entry.kind == Kind::Request);
    requests
        .map(|entry| RequestHeader::open(&entry.header).unwrap())
        .collect()
}

fn subject(key: &KeyFile, id: &str) -> Subject {
    Subject {
        scheme: part("nid"),
        pseudonym: key.key.pseudonym(&part("nid"), id).unwrap(),
    }
}

fn time_in(seconds: i64) -> String {
    let time = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    time.format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_names_the_persons_of_its_payload_or_the_backend_sees_nothing() {
    let people = People::new().await;
    let world = &people.world;
    let key = people.derive().await;
    people.hand_out(&key);
    let key = KeyFile::load(&key).unwrap();
    let backend = Backend::new(Does::Answers);
    let handle = world
        .civil
        .serve(world.switch.ground(), backend.clone())
        .await;

    let consumer = world.consumer().await.consumer();
    ask(&consumer, NID).await.unwrap();
    let unsent = ask(&consumer, "123").await.unwrap_err().to_string();
    assert!(
        unsent.contains("/nid") && !unsent.contains("123"),
        "{unsent}"
    );
    people.published().await;
    let headers = requests(&world.switch.ground().log_dir());
    assert_eq!(headers.len(), 1, "what has no form is not sent");
    assert_eq!(headers[0].subjects, [subject(&key, NID)]);

    // By hand: nobody, somebody else, one too many, and at last whom the payload names.
    let raw = world.raw_consumer().await;
    let lies = [
        vec![],
        vec![subject(&key, NID)],
        vec![subject(&key, OTHER), subject(&key, NID)],
    ];
    let seen = backend.seen();
    for subjects in lies {
        let envelope = raw.envelope(|header| header.subjects = subjects);
        let answered = raw.ask(&envelope).await.unwrap();
        assert_eq!(
            answered.header.status,
            AnswerStatus::Refused(Code::SubjectMismatch)
        );
    }
    assert_eq!(backend.seen(), seen, "before the backend saw anything");
    let right = raw.envelope(|header| header.subjects = vec![subject(&key, OTHER)]);
    let answered = raw.ask(&right).await.unwrap();
    assert_eq!(
        (answered.header.status, backend.seen()),
        (AnswerStatus::Answered, seen + 1)
    );

    // What both parties disclose, and the auditor compares.
    let first = disclosures(&people, &raw, &key).await;
    assert_eq!(first, ["named", "payload_mismatch", "not_in_the_log"]);
    drop(handle);
    people.world.finish().await;
}

/// What `audit subjects` says of an honest file, one with another payload, and one of an exchange that never was.
async fn disclosures(people: &People, raw: &tests::raw::RawConsumer, key: &KeyFile) -> Vec<String> {
    let honest = raw.envelope(|header| header.subjects = vec![subject(key, OTHER)]);
    let asked = raw.ask(&honest).await.unwrap().id;
    people.published().await;
    let file = |name: &str, id: ExchangeId, payload: &[u8]| {
        let side = json!({ "salt": base64(&SALT.0), "payload": base64(payload) });
        let text = json!({ "exchange_id": id.to_string(), "request": side, "answer": null });
        std::fs::write(people.path(name), text.to_string()).unwrap();
        people.text(name)
    };
    let never = tests::raw::new_id(&Clock::System);
    let files = [
        file("consumer.json", asked, PAYLOAD),
        file("provider.json", asked, b"{\"nid\":\"29001018800017\"}"),
        file("never.json", never, PAYLOAD),
    ];
    let log = people.world.switch.ground().log_dir().display().to_string();
    let subject_key = people.text("first.subject-key");
    let mut all = vec![
        "audit",
        "subjects",
        "--log",
        &log,
        "--subject-key",
        &subject_key,
        "--disclosed",
    ];
    all.extend(files.iter().map(String::as_str));
    let said = people.run(&all).await;
    assert_eq!(said.code, 1, "{said:?}");
    let rows = said.value["disclosed"].as_array().unwrap();
    rows.iter()
        .map(|row| row["verdict"].as_str().unwrap().to_owned())
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0u32, |all, byte| all << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_found_held_back_and_gone_with_the_epoch() {
    let people = People::new().await;
    let world = &people.world;
    people.hand_out(&people.derive().await);
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = world.consumer().await.consumer();
    let first = ask(&consumer, NID).await.unwrap().to_string();
    ask(&consumer, OTHER).await.unwrap();

    // Found, however the number is written; nobody else's exchange; never the clerk.
    assert_eq!(people.told("٢٩٠٠١٠١٨٨٠٠٠١٧").await, [first.clone()]);
    assert!(people.told("26001018800017").await.is_empty());
    let page = people.text("record.html");
    let value = people.about(NID, &["--html", &page]).await;
    let one = &value["consultations"][0];
    assert_eq!(one["consumer"]["id"], "EG/GOV/MOSS");
    assert_eq!(one["provider"]["name_ar"], "جهة من جهات التجربة");
    assert_eq!(
        (&one["outcome"], &one["fields_given"]),
        (&json!("answered"), &json!(["name"]))
    );
    assert_eq!(one["agreed_basis"], "Law 1 of 2026");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("Law 1 of 2026")
            && html.contains("EG/GOV/MOSS")
            && html.contains("الجهة السائلة")
    );
    let clerk = Digest::of(b"the clerk").to_string();
    assert!(!html.contains(&clerk) && !value.to_string().contains(&clerk));
    let past = people
        .about(NID, &["--until", "2020-01-01T00:00:00Z"])
        .await;
    assert_eq!(past["consultations"], json!([]));

    held(&people, &first).await;
    gone(&people, &consumer, &first).await;
    drop(handle);
    let told = people.world.finish().await;
    assert_eq!((told.count(Kind::Hold), told.count(Kind::Erasure)), (3, 1));
}

/// A hold hides the exchange until it is ended, or until its time has come.
async fn held(people: &People, exchange: &str) {
    let later = time_in(3_600);
    people.hold(exchange, &["--until", &later]).await;
    assert!(people.told(NID).await.is_empty());
    let all = people.about(NID, &["--held"]).await;
    assert_eq!(all["held"], 1);
    assert_eq!(
        all["consultations"][0]["held"]["ground"],
        "criminal-procedure"
    );
    people.hold(exchange, &["--end"]).await;
    assert_eq!(people.told(NID).await, [exchange]);
    let soon = time_in(4);
    people.hold(exchange, &["--until", &soon]).await;
    assert!(people.told(NID).await.is_empty());
    // Nobody ends this one.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(people.told(NID).await, [exchange]);
}

/// The next epoch is used and found beside the first; with the first destroyed only the next is found.
async fn gone(people: &People, consumer: &adapters::Consumer, first: &str) {
    let world = &people.world;
    let out = people.text("out");
    let rotated = people.keys(&["rotate", "--out", &out]).await;
    let file = rotated["key_files"][0].as_str().unwrap();
    people.hand_out(Path::new(file));
    // Adapters look at their folders about once a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let second = ask(consumer, NID).await.unwrap().to_string();
    assert_eq!(people.told(NID).await, [first.to_owned(), second.clone()]);
    let headers = requests(&world.switch.ground().log_dir());
    let named = |header: &RequestHeader| header.subjects[0].pseudonym;
    assert_ne!(named(&headers[0]), named(headers.last().unwrap()));

    // The authority is an agency like others.
    let authority = TestAgency::enrol(&world.switch, "EG/GOV/PDPC/desk").await;
    let (dir, home) = (
        people.text("masters"),
        authority.home_dir().display().to_string(),
    );
    let destroy = [
        "audit",
        "subject-key",
        "destroy",
        "--dir",
        &dir,
        "--epoch",
        "1",
        "--home",
        &home,
    ];
    let unconfirmed = people.run(&destroy).await;
    assert_eq!(unconfirmed.code, 2);
    assert_eq!(people.told(NID).await.len(), 2, "{}", unconfirmed.errors);
    let newest = people
        .run(&[
            "audit",
            "subject-key",
            "destroy",
            "--dir",
            &dir,
            "--epoch",
            "2",
            "--yes",
        ])
        .await;
    assert_eq!(newest.code, 2, "the newest epoch is in use");
    let destroyed = people.well(&[&destroy[..], &["--yes"]].concat()).await;
    assert!(destroyed["index"].is_u64());
    assert_eq!(people.told(NID).await, [second]);
    let listed = people
        .well(&["audit", "subject-key", "list", "--dir", &dir])
        .await;
    assert!(listed[0]["destroyed_at"].is_string() && listed[1]["destroyed_at"].is_null());
    // Every proof stands as before.
    let log = world.switch.ground().log_dir().display().to_string();
    people.well(&["audit", "replay", "--log", &log]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_is_told_with_persons_parties_and_the_clock() {
    let people = People::new().await;
    let world = &people.world;
    people.hand_out(&people.derive().await);
    let handle = world
        .civil
        .serve(world.switch.ground(), Backend::new(Does::Answers))
        .await;
    let consumer = world.consumer().await.consumer();
    for nid in [NID, NID, OTHER] {
        ask(&consumer, nid).await.unwrap();
    }
    people.published().await;
    let log = world.switch.ground().log_dir().display().to_string();
    let kid = world.moss.seal_signer().key().kid().to_string();
    let (hour_ago, ahead, letter) = (time_in(-3_600), time_in(3_600), people.text("letter.txt"));
    let times = ["--from", &hour_ago, "--to", &ahead];
    let breach = |suspect: [&str; 2], more: &[&str]| {
        let mut all: Vec<String> =
            vec!["audit".into(), "breach".into(), "--log".into(), log.clone()];
        all.extend(
            suspect
                .into_iter()
                .chain(times)
                .chain(more.iter().copied())
                .map(str::to_owned),
        );
        all
    };
    for (suspect, exposure, tell) in [
        (["--kid", kid.as_str()], "asked", "EG/GOV/CIVIL"),
        (["--agency", "EG/GOV/MOSS"], "saw_answer", "EG/GOV/CIVIL"),
        (
            ["--system", "EG/GOV/CIVIL/registry"],
            "saw_question",
            "EG/GOV/MOSS",
        ),
    ] {
        let all = breach(suspect, &["--learned-at", &hour_ago]);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let found = people.well(&all).await;
        assert_eq!(
            (&found["exchanges"], &found["pseudonyms"]),
            (&json!(3), &json!(2)),
            "{found:#}"
        );
        assert_eq!(
            found["exposures"],
            json!([{ "exposure": exposure, "exchanges": 3 }])
        );
        assert_eq!(found["tell"], json!([{ "agency": tell, "exchanges": 3 }]));
        assert_eq!(found["services"][0]["fields"], json!(["name"]));
        let minutes = found["minutes"].as_i64().unwrap();
        assert!(
            (70 * 60..=71 * 60).contains(&minutes) && found["overdue"] == false,
            "{minutes}"
        );
    }
    let all = breach(["--agency", "EG/GOV/MOSS"], &["--letter", &letter]);
    people
        .well(&all.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    let draft = std::fs::read_to_string(&letter).unwrap();
    assert!(draft.contains("EG/GOV/CIVIL: 3") && draft.contains("مسودة إخطار"));
    // Outside the time, and a key that nobody has.
    let never = [
        "audit",
        "breach",
        "--log",
        &log,
        "--kid",
        &kid,
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2020-01-02T00:00:00Z",
    ];
    assert_eq!(people.well(&never).await["exchanges"], 0);
    let stranger = breach(["--kid", &Digest::of(b"nobody").to_string()], &[]);
    let said = people
        .run(&stranger.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    assert_eq!(said.code, 2, "{said:?}");
    drop(handle);
    people.world.finish().await;
}
