//! The persons that exchanges are about, over a real switch and with the real binary: pseudonyms made, judged, looked
//! up, held back, and gone for good with their epoch.

use std::path::Path;
use std::time::Duration;

use adapters::subjects::KeyFile;
use audit::clock::Clock;
use proto::Code;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::header::{AnswerStatus, RequestHeader, Subject};
use proto::id::ExchangeId;
use serde_json::json;
use tests::agency::TestAgency;
use tests::agreements::part;
use tests::check::entries;
use tests::provider::{Backend, Does};
use tests::raw::{PAYLOAD, SALT};
use tests::world::PERSONS;

mod breach;
mod world;

use world::People;

const NID: &str = "29001018800017";
/// Whom [`PAYLOAD`] names.
const OTHER: &str = "29001019900011";

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
    assert_eq!(people.told("٢٩٠٠١٠١٨٨٠٠٠١٧").await, vec![first.clone()]);
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
