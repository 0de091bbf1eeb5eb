//! A request in chunks, sent by a command into a provider's folder: whoever is killed, a file stands there whole or not at all,
//! and what a killed provider left is gone once it runs again.

use super::*;

/// No more than the first credit lets through, so that nothing waits for more of it.
const LENGTH: u64 = 8 * CHUNK;
const FOLDER: &str = "taken";
const PLACE: (&str, u64) = (FOLDER, LENGTH);
const TAKER: &str = r#"
    [service."persons.v1"]
    kind = "files"
    folder = "taken"
    [service."persons.v1".operation.read]
    accept = true
    suffix = ".bin"
    fields = { name = "id" }
"#;

/// Where it stands when somebody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The provider has begun a file; its credit is under way.
    BeforeCredit,
    /// Half of it is written.
    MidStream,
    /// All of the last chunk but its end is at the switch, and no trailer.
    BeforeTrailer,
    /// The trailer is recorded and the file is kept; the provider's answer is under way.
    BeforeAnswer,
    /// The answer is on its way to the consumer.
    BeforeReply,
}

const STEPS: [Step; 5] = [
    Step::BeforeCredit,
    Step::MidStream,
    Step::BeforeTrailer,
    Step::BeforeAnswer,
    Step::BeforeReply,
];

/// Every upload that was begun: where somebody was killed, and who.
type Cases = Vec<(Step, Option<Party>)>;

impl House {
    async fn taking() -> Self {
        let house = Self::serving(TAKER, &[FOLDER]).await;
        let file: Vec<u8> = (0..LENGTH).map(|n| (n % 251) as u8).collect();
        std::fs::write(house.at("file"), file).unwrap();
        house
    }

    fn upload(&self, more: &[&str]) -> Command {
        let mut arguments = vec!["--upload", "file"];
        arguments.extend(more);
        self.call(&arguments)
    }

    fn kept(&self) -> Vec<String> {
        let names = names(&self.at(FOLDER)).into_iter();
        names.filter(|name| !name.ends_with(".part")).collect()
    }

    fn halves(&self) -> usize {
        names(&self.at(FOLDER)).len() - self.kept().len()
    }

    /// Takes away every file that was kept; gives their exchanges. Each is whole.
    fn cleared(&self) -> Vec<String> {
        let file = std::fs::read(self.at("file")).unwrap();
        let clear = |name: String| {
            let path = self.at(FOLDER).join(&name);
            assert!(std::fs::read(&path).unwrap() == file, "{name}");
            std::fs::remove_file(path).unwrap();
            name.strip_suffix(".bin").unwrap().to_owned()
        };
        self.kept().into_iter().map(clear).collect()
    }

    /// Starts to send, and stands still at `step`. What runs past it, on a machine that looks too late, is noted among the
    /// cases and begun again.
    async fn sends_to(&self, step: Step, cases: &mut Cases) -> Child {
        for _ in 0..10 {
            match self.sends_once_to(step).await {
                (consumer, true) => return consumer,
                (consumer, false) => {
                    self.asks.release();
                    self.serves.release();
                    let (code, told, errors) = ended(consumer).await;
                    assert_eq!(code, 0, "{step:?}: {told} {errors}");
                    self.cleared();
                    cases.push((step, None));
                }
            }
        }
        panic!("{step:?} is not to be found");
    }

    async fn sends_once_to(&self, step: Step) -> (Child, bool) {
        match step {
            Step::BeforeCredit => self.serves.out.hold_after(0),
            _ => self.asks.out.hold_after(LENGTH / 2),
        }
        let mut consumer = self.upload(&["--actor", "clerk"]).spawn().unwrap();
        let sending = &mut consumer;
        let begun = match step {
            Step::BeforeCredit => {
                waits(sending, || {
                    self.halves() == 1 && self.serves.out.waiting() > 0
                })
                .await
            }
            _ => waits(sending, || self.half(FOLDER) > 0).await,
        };
        let came = match step {
            Step::BeforeCredit | Step::MidStream => true,
            Step::BeforeTrailer => {
                let flow = &self.asks.out;
                let past = self
                    .creeps_past_the_last_but_one(flow, PLACE, sending)
                    .await;
                // A machine that looks late has let through more of it before.
                let more = past && flow.lets_through(CHUNK / 4).await;
                more && self.kept().is_empty()
                    && waits(sending, || self.half(FOLDER) == LENGTH - 2 * CHUNK).await
            }
            Step::BeforeAnswer => {
                self.serves.out.hold_after(0);
                self.asks.out.release();
                // A header and its seal; credit is less.
                let waiting = || self.kept().len() == 1 && self.serves.out.waiting() > 500;
                waits(sending, waiting).await
            }
            Step::BeforeReply => {
                self.asks.back.hold_after(0);
                self.asks.out.release();
                // The receipt of the trailer, and the answer with its own.
                let waiting = || self.kept().len() == 1 && self.asks.back.waiting() > 1_500;
                waits(sending, waiting).await
            }
        };
        (consumer, begun && came)
    }
}

/// What the log says of an upload that ended at this step when this one was killed, in any of these ways.
fn expected(step: Step, party: Option<Party>) -> Vec<Vec<(Kind, String)>> {
    let killed = match party {
        Some(Party::Consumer) => "cancelled",
        Some(Party::Broker) => "abandoned",
        Some(Party::Provider) => "provider_failed",
        None => "answered",
    };
    let codes = match (step, party) {
        (Step::BeforeReply, _) => vec!["answered"],
        // The answer and the hang-up come at once.
        (Step::BeforeAnswer, Some(Party::Consumer)) => vec![killed, "answered"],
        _ => vec![killed],
    };
    let trailers = match step {
        // It may be on record by the time one of these is killed, while the provider has nothing of it.
        Step::BeforeTrailer if matches!(party, Some(Party::Broker | Party::Provider)) => {
            vec![false, true]
        }
        Step::BeforeAnswer | Step::BeforeReply => vec![true],
        _ => vec![party.is_none()],
    };
    let story = |(code, trailer): (&str, bool)| {
        let trailer = trailer.then_some((Kind::UploadTrailer, ""));
        let all = [(Kind::Upload, "")].into_iter().chain(trailer);
        all.chain([(Kind::Closing, code)])
            .map(|(kind, code)| (kind, code.to_owned()))
            .collect()
    };
    let ways = |trailer| codes.iter().map(move |code| (*code, trailer));
    trailers.into_iter().flat_map(ways).map(story).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_at_whichever_step_a_file_is_kept_whole_or_not_at_all() {
    let mut house = House::taking().await;
    let mut cases = Vec::new();
    for step in STEPS {
        for party in PARTIES {
            println!("{step:?}: {party:?} is killed");
            let mut consumer = house.sends_to(step, &mut cases).await;
            house.kill(party, &mut consumer).await;
            let (code, told, errors) = ended(consumer).await;
            let answered = step == Step::BeforeReply && party == Party::Provider;
            let right = match party {
                Party::Consumer => code == -1,
                _ if answered => code == 0,
                _ => matches!(code, 3 | 5),
            };
            assert!(right, "{step:?} {party:?}: {code} {told} {errors}");
            house.mend().await;
            // Who lives takes its half away; who was killed does when it is back.
            until("no half is left", || house.halves() == 0).await;
            let kept = house.cleared().len();
            let is_whole = matches!(step, Step::BeforeAnswer | Step::BeforeReply);
            assert_eq!(kept, usize::from(is_whole), "{step:?} {party:?}");
            let (code, told, errors) = run(house.upload(&[])).await;
            assert_eq!(code, 0, "{told} {errors}");
            assert_eq!(house.cleared(), [told["exchange_id"].as_str().unwrap()]);
            cases.push((step, Some(party)));
        }
    }
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    let stories = stories(&told);
    assert_eq!(stories.len(), cases.len());
    for ((step, party), story) in cases.into_iter().zip(stories) {
        let story = but_late(&story);
        let may_be = expected(step, party);
        assert!(may_be.contains(&story), "{step:?} {party:?}: {story:?}");
    }
}

/// The moment is chance, and so is who is killed.
async fn killed_by_chance(rounds: u32) {
    let mut house = House::taking().await;
    let mut random = Chance::new();
    let mut whole = 0;
    for round in 0..rounds {
        let mut consumer = house.upload(&["--actor", "clerk"]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(220))).await;
        let party = PARTIES[random.below(3) as usize];
        house.kill(party, &mut consumer).await;
        let (code, told, errors) = ended(consumer).await;
        house.mend().await;
        until("no half is left", || house.halves() == 0).await;
        let kept = house.cleared();
        assert!(
            code != 0 || kept.len() == 1,
            "{round} {party:?}: {told} {errors}"
        );
        whole += kept.len();
    }
    let told = house.finish().await;
    assert_eq!(told.report.open, 0);
    // A file without a recorded end is never kept.
    let ends = stories(&told);
    let has_trailer =
        |story: &&Vec<(Kind, String)>| story.iter().any(|(kind, _)| *kind == Kind::UploadTrailer);
    assert!(whole <= ends.iter().filter(has_trailer).count());
    println!("{rounds} kills of uploads, {whole} whole all the same, 0 halves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred rounds take minutes: make faults"]
async fn killed_at_any_moment_a_file_is_kept_whole_or_not_at_all() {
    killed_by_chance(rounds(100)).await;
}
