//! What a stolen key or an intruder exposed, and the 72 hours.

use proto::digest::Digest;
use serde_json::{Value, json};
use tests::provider::{Backend, Does};

use super::{NID, OTHER, People, ask, time_in};

/// `audit breach` over an hour before and after now.
async fn breach(people: &People, suspect: [&str; 2], more: &[&str]) -> (i32, Value) {
    let log = people.world.switch.ground().log_dir().display().to_string();
    let (from, to) = (time_in(-3_600), time_in(3_600));
    let mut all = vec![
        "audit", "breach", "--log", &log, "--from", &from, "--to", &to,
    ];
    all.extend(suspect.into_iter().chain(more.iter().copied()));
    let said = people.run(&all).await;
    (said.code, said.value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_is_told_with_persons_parties_and_the_clock() {
    let people = People::new().await;
    let world = &people.world;
    people.hand_out(&people.derive().await);
    let backend = Backend::new(Does::Answers);
    let handle = world.civil.serve(world.switch.ground(), backend).await;
    let consumer = world.consumer().await.consumer();
    for nid in [NID, NID, OTHER] {
        ask(&consumer, nid).await.unwrap();
    }
    people.published().await;
    let kid = world.moss.seal_signer().key().kid().to_string();
    let hour_ago = time_in(-3_600);
    for (suspect, exposure, tell) in [
        (["--kid", kid.as_str()], "asked", "EG/GOV/CIVIL"),
        (["--agency", "EG/GOV/MOSS"], "saw_answer", "EG/GOV/CIVIL"),
        (
            ["--system", "EG/GOV/CIVIL/registry"],
            "saw_question",
            "EG/GOV/MOSS",
        ),
    ] {
        let (code, found) = breach(&people, suspect, &["--learned-at", &hour_ago]).await;
        assert_eq!(code, 0, "{found:#}");
        let counts = (&found["exchanges"], &found["pseudonyms"]);
        assert_eq!(counts, (&json!(3), &json!(2)), "{found:#}");
        let exposures = json!([{ "exposure": exposure, "exchanges": 3 }]);
        assert_eq!(found["exposures"], exposures);
        assert_eq!(found["tell"], json!([{ "agency": tell, "exchanges": 3 }]));
        assert_eq!(found["services"][0]["fields"], json!(["name"]));
        let minutes = found["minutes"].as_i64().unwrap();
        assert!((70 * 60..=71 * 60).contains(&minutes), "{minutes}");
        assert_eq!(found["overdue"], false);
    }
    let letter = people.text("letter.txt");
    breach(&people, ["--agency", "EG/GOV/MOSS"], &["--letter", &letter]).await;
    let draft = std::fs::read_to_string(&letter).unwrap();
    assert!(draft.contains("EG/GOV/CIVIL: 3") && draft.contains("مسودة إخطار"));
    drop(handle);
    people.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_of_nothing_and_of_nobody_is_told_apart() {
    let people = People::new().await;
    people.published().await;
    let kid = people.world.moss.seal_signer().key().kid().to_string();
    let (code, found) = breach(&people, ["--kid", &kid], &[]).await;
    assert_eq!((code, &found["exchanges"]), (0, &json!(0)));
    let nobody = Digest::of(b"nobody").to_string();
    for suspect in [["--kid", nobody.as_str()], ["--agency", "EG/GOV/NONE"]] {
        assert_eq!(breach(&people, suspect, &[]).await.0, 2);
    }
    let tomorrow = time_in(86_400);
    let (code, _) = breach(&people, ["--kid", &kid], &["--learned-at", &tomorrow]).await;
    assert_eq!(code, 2, "nobody learned of it yet");
    people.world.finish().await;
}
