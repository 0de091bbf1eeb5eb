//! Submissions, left and collected by commands: whoever is killed on the way there, at the provider or on the way back, each is
//! answered once, and what is collected is that answer.

use adapters::consumer::Kept;

use super::*;

const TABLE: &str = r#"
    [service."persons.v1"]
    kind = "csv"
    file = "people.csv"
    [service."persons.v1".operation.read]
    key = ["nid"]
    fields = ["name"]
"#;
const QUESTION: &str = r#"{"operation":"read","parameters":{"nid":"1"}}"#;

impl House {
    async fn desked() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("people.csv");
        std::fs::write(&path, "nid,name\n1,Mona\n").unwrap();
        let stock = TABLE.replace("people.csv", path.to_str().unwrap());
        let house = Self::serving(&stock, &[]).await;
        std::fs::rename(path, house.at("people.csv")).unwrap();
        std::fs::write(house.at("providers.toml"), TABLE).unwrap();
        house
    }

    fn leave(&self) -> Command {
        let mut arguments = vec!["submission", "send", PERSONS, "read", "--fields", "name"];
        arguments.extend(["--purpose", "social-benefit", "--within", "1h"]);
        arguments.extend(["--actor", "clerk", "--data", QUESTION]);
        self.consumer(&arguments)
    }

    fn unread(&self) -> Vec<ExchangeId> {
        Kept::all(&self.moss.home_dir())
    }

    /// Leaves one, whole.
    async fn left(&self) -> ExchangeId {
        let (code, told, errors) = run(self.leave()).await;
        assert_eq!(code, 0, "{told} {errors}");
        ExchangeId::parse(told["exchange_id"].as_str().unwrap()).unwrap()
    }

    fn collect(&self, id: ExchangeId, wait: &str) -> Command {
        self.consumer(&["submission", "collect", &id.to_string(), "--wait", wait])
    }

    /// Sends again what this home keeps without knowing whether it was recorded, and collects everything; gives whose answer
    /// came. Each is the one answer.
    async fn settled(&self) -> Vec<ExchangeId> {
        let mut came = Vec::new();
        for id in self.unread() {
            let (code, told, errors) =
                run(self.consumer(&["submission", "again", &id.to_string()])).await;
            assert_eq!(code, 0, "{told} {errors}");
            let (code, told, errors) = run(self.collect(id, "15s")).await;
            assert_eq!(code, 0, "{told} {errors}");
            assert_eq!(told["payload"]["rows"][0]["name"], "Mona", "{told}");
            came.push(id);
        }
        assert_eq!(self.unread(), []);
        came
    }
}

/// What of a command's own bytes had gone one way when somebody is killed.
const PARTS: [f64; 3] = [0.5, 0.85, 0.97];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_the_way_there_a_submission_is_recorded_once_or_not_at_all() {
    let mut house = House::desked().await;
    let before = (house.asks.out.passed(), house.asks.back.passed());
    house.left().await;
    let usual = (
        house.asks.out.passed() - before.0,
        house.asks.back.passed() - before.1,
    );
    let mut came = house.settled().await;
    for there in [true, false] {
        for part in PARTS {
            for party in [Party::Consumer, Party::Broker] {
                println!(
                    "{part} of {}: {party:?} is killed",
                    if there { "out" } else { "back" }
                );
                let (flow, usual) = match there {
                    true => (&house.asks.out, usual.0),
                    false => (&house.asks.back, usual.1),
                };
                flow.hold_after((usual as f64 * part) as u64);
                let mut consumer = house.leave().spawn().unwrap();
                // Where it went with fewer bytes this time, it is killed behind its end.
                waits(&mut consumer, || flow.waiting() > 0).await;
                house.kill(party, &mut consumer).await;
                // One that lives tries on, and may get through by itself.
                house.mend().await;
                let (code, told, errors) = ended(consumer).await;
                assert!(matches!(code, -1 | 0 | 3 | 5), "{code} {told} {errors}");
                came.extend(house.settled().await);
            }
        }
    }
    answered_once(house, &came).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_the_provider_a_submission_is_answered_once() {
    let mut house = House::desked().await;
    let mut came = Vec::new();
    for party in [Party::Broker, Party::Provider] {
        for step in ["asked", "answered"] {
            println!("{step}: {party:?} is killed");
            let flow = match step {
                "asked" => &house.serves.back,
                _ => &house.serves.out,
            };
            flow.hold_after(0);
            let id = house.left().await;
            flow.held(500).await;
            // Somebody waits for it, and is told that it is not there.
            let mut waiting = house.collect(id, "20s").spawn().unwrap();
            house.kill(party, &mut waiting).await;
            house.mend().await;
            let (code, told, errors) = ended(waiting).await;
            match code {
                0 => came.push(id),
                _ => assert!(matches!(code, 1 | 3 | 5), "{code} {told} {errors}"),
            }
            came.extend(house.settled().await);
        }
    }
    assert_eq!(came.len(), 4);
    answered_once(house, &came).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_the_way_back_an_answer_is_collected_as_it_was_given() {
    let mut house = House::desked().await;
    let id = house.left().await;
    let before = house.asks.back.passed();
    assert_eq!(run(house.collect(id, "15s")).await.0, 0);
    let usual = house.asks.back.passed() - before;
    let mut came = vec![id];
    for part in PARTS {
        for party in [Party::Consumer, Party::Broker] {
            println!("{part} of back: {party:?} is killed");
            let id = house.left().await;
            house.asks.back.hold_after((usual as f64 * part) as u64);
            let mut consumer = house.collect(id, "15s").spawn().unwrap();
            waits(&mut consumer, || house.asks.back.waiting() > 0).await;
            house.kill(party, &mut consumer).await;
            house.mend().await;
            let (code, told, errors) = ended(consumer).await;
            assert!(matches!(code, -1 | 0 | 1 | 3 | 5), "{code} {told} {errors}");
            let settled = house.settled().await;
            // What the home let go of was read, proved and noted before.
            assert!(settled == [id] || settled.is_empty());
            came.push(id);
        }
    }
    answered_once(house, &came).await;
}

/// Each has one end in the log, which is its answer; what came is there, and nothing that was recorded was lost.
async fn answered_once(house: House, came: &[ExchangeId]) {
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    for id in came {
        let story: Vec<_> = told.story(*id);
        let ends = story.iter().filter(|(kind, _)| *kind == Kind::Closing);
        assert_eq!(ends.collect::<Vec<_>>(), [&(Kind::Closing, "answered")]);
        let asked = story.iter().filter(|(kind, _)| *kind == Kind::Request);
        assert_eq!(asked.count(), 1, "{story:?}");
    }
    let all = stories(&told);
    assert_eq!(all.len(), came.len(), "{all:?}");
}

/// The moment is chance, and so is who is killed.
async fn killed_by_chance(rounds: u32) {
    let mut house = House::desked().await;
    let mut random = Chance::new();
    let mut came = Vec::new();
    for _ in 0..rounds {
        let mut consumer = match random.below(2) {
            0 => house.leave().spawn().unwrap(),
            _ => {
                let id = house.left().await;
                house.collect(id, "15s").spawn().unwrap()
            }
        };
        tokio::time::sleep(Duration::from_millis(random.below(150))).await;
        let party = PARTIES[random.below(3) as usize];
        house.kill(party, &mut consumer).await;
        ended(consumer).await;
        house.mend().await;
        came.extend(house.settled().await);
    }
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    for story in stories(&told) {
        let mut story = but_late(&story);
        // The same bytes once more are told apart, and are none.
        story.retain(|(_, code)| code != "duplicate");
        let ends = [
            (Kind::Request, String::new()),
            (Kind::Closing, "answered".to_owned()),
        ];
        assert_eq!(story, ends);
    }
    println!(
        "{rounds} kills, {} answers collected afterwards, none twice",
        came.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred rounds take minutes: make faults"]
async fn killed_at_any_moment_a_submission_is_answered_once() {
    killed_by_chance(rounds(100)).await;
}
