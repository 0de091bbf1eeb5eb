//! A batch, asked by a command for a table: whoever is killed in the middle of a segment, it goes on where it was, and every
//! result stands once in its place.

use super::*;

const ITEMS: u64 = 240;
const NAME: &str = "2026-11";
const TABLE: &str = r#"
    [service."persons.v1"]
    kind = "csv"
    file = "people.csv"
    [service."persons.v1".operation.read]
    key = ["nid"]
    fields = ["name"]
"#;

/// What is under way when somebody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A segment's question, to the switch.
    Asked,
    /// The same, to the provider.
    Delivered,
    /// Its answer, to the switch.
    Answered,
    /// The same, to the consumer.
    Replied,
}

const STEPS: [Step; 4] = [Step::Asked, Step::Delivered, Step::Answered, Step::Replied];

impl House {
    async fn tabled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lines = |name: &dyn Fn(u64) -> String| (0..ITEMS).map(name).collect::<String>();
        let people = lines(&|n| format!("{n},person {n}\n"));
        let path = dir.path().join("people.csv");
        std::fs::write(&path, format!("nid,name\n{people}")).unwrap();
        let stock = TABLE.replace("people.csv", path.to_str().unwrap());
        let house = Self::serving(&stock, &[]).await;
        std::fs::rename(path, house.at("people.csv")).unwrap();
        std::fs::write(house.at("providers.toml"), TABLE).unwrap();
        let items = lines(&|n| format!("{n}\n"));
        std::fs::write(house.at("items.csv"), format!("nid\n{items}")).unwrap();
        house
    }

    /// Segments of two, one after the other.
    fn batch(&self, name: &str) -> Command {
        let mut arguments = vec!["batch", "run", "items.csv", "--batch", name];
        arguments.extend(["--service", PERSONS, "--operation", "read"]);
        arguments.extend(["--purpose", "social-benefit", "--fields", "name"]);
        arguments.extend(["--out", "out.csv", "--segment", "2", "--window", "1"]);
        arguments.extend(["--retries", "0", "--actor", "clerk"]);
        self.consumer(&arguments)
    }

    fn flow(&self, step: Step) -> &Flow {
        match step {
            Step::Asked => &self.asks.out,
            Step::Delivered => &self.serves.back,
            Step::Answered => &self.serves.out,
            Step::Replied => &self.asks.back,
        }
    }

    async fn done(&self) -> u64 {
        let (code, told, errors) = run(self.consumer(&["batch", "show", NAME])).await;
        assert_eq!(code, 0, "{errors}");
        told["done"].as_u64().unwrap()
    }

    /// Every result once, in its place, and nothing else beside it.
    fn holds_each_once(&self) {
        let line = |n| format!("{},{n},answered,person {n}\n", n + 1);
        let lines: String = (0..ITEMS).map(line).collect();
        let found = std::fs::read_to_string(self.at("out.csv")).unwrap();
        assert_eq!(found, format!("item,nid,status,name\n{lines}"));
        assert!(!self.at("out.csv.partial").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_in_whichever_segment_the_batch_goes_on_with_every_result_once() {
    let mut house = House::tabled().await;
    let mut before = 0;
    for step in STEPS {
        for party in PARTIES {
            println!("{step:?}: {party:?} is killed");
            let mut consumer = house.batch(NAME).spawn().unwrap();
            let begin = house.serves.out.passed();
            // A few segments; each answer has a header and a seal.
            let some = || house.serves.out.passed() > begin + 4_000;
            assert!(waits(&mut consumer, some).await, "it ended too early");
            let flow = house.flow(step);
            flow.hold_after(0);
            assert!(waits(&mut consumer, || flow.waiting() > 300).await);
            house.kill(party, &mut consumer).await;
            let (code, told, errors) = ended(consumer).await;
            // The segment failed, or the next one found nobody.
            let right = match party {
                Party::Consumer => code == -1,
                Party::Broker | Party::Provider => matches!(code, 3 | 5),
            };
            assert!(right, "{step:?} {party:?}: {code} {told} {errors}");
            assert!(!house.at("out.csv").exists());
            house.mend().await;
            let done = house.done().await;
            assert!(done > before, "{step:?} {party:?}: {done} of {before}");
            before = done;
        }
    }
    let (code, told, errors) = run(house.batch(NAME)).await;
    assert_eq!(code, 0, "{told} {errors}");
    assert_eq!(told["counts"]["answered"], ITEMS);
    assert_eq!(told["this_run"]["items"], ITEMS - before);
    house.holds_each_once();
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    // No segment was asked again but the one that was under way.
    let asked = stories(&told).len() as u64;
    let kills = (STEPS.len() * PARTIES.len()) as u64;
    assert!(
        (ITEMS / 2..=ITEMS / 2 + 2 * kills).contains(&asked),
        "{asked}"
    );
}

/// The moment is chance, and so is who is killed; many batches, each to its end.
async fn killed_by_chance(rounds: u32) {
    let mut house = House::tabled().await;
    let mut random = Chance::new();
    let (mut kills, mut batches) = (0, 0);
    while kills < rounds {
        let mut consumer = house.batch(&batches.to_string()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(1_500))).await;
        let party = PARTIES[random.below(3) as usize];
        house.kill(party, &mut consumer).await;
        kills += 1;
        let (code, ..) = ended(consumer).await;
        house.mend().await;
        if code == 0 || house.at("out.csv").exists() {
            let (code, told, errors) = run(house.batch(&batches.to_string())).await;
            assert_eq!(code, 0, "{told} {errors}");
            house.holds_each_once();
            std::fs::remove_file(house.at("out.csv")).unwrap();
            batches += 1;
        }
    }
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    println!("{kills} kills of {batches} batches, every result once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred rounds take minutes: make faults"]
async fn killed_at_any_moment_a_batch_has_every_result_once() {
    killed_by_chance(rounds(100)).await;
}
