//! Bits that flip on the disk, anywhere in a small log with all that lies beside it: tail, store, tiles, entry bundles,
//! checkpoint, what was shown to witnesses, key file, time-stamp tokens, a witness's memory, an evidence bundle.
//!
//! Each flip must be noticed by whoever reads that file, or change nothing of what it is told. Told something else than
//! the truth without being told that something is wrong: that is what must never happen.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::disk::plan::scatter;
use crate::evidence::{self, Bundle, Trust, Wanted};
use crate::journal::StoreFound;
use crate::policy::Policy;
use crate::replay::Filter;
use crate::replay::tests::forger::Forger;
use crate::timestamp::openssl::World;
use crate::timestamp::{Request, Roots, kept};
use crate::verify::{Finding, TimeOptions, rule};
use crate::witness::{self, Remembered, Witness, request::AddCheckpoint};

const WITNESS: &str = "witness.example/w9";
/// Where each kind of file starts; the first that fits counts.
const CLASSES: &[&str] = &[
    "log/tail/",
    "log/store/",
    "log/tile/entries/",
    "log/tile/",
    "log/checkpoint",
    "log/submitted",
    "log/log.vkey",
    "log/log.keys",
    "log/time/",
    "witness/",
    "evidence.zip",
];

/// What whoever looks is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// The truth, and nothing of a damage.
    Truth,
    /// That something is wrong, or that it was mended.
    Noticed,
    /// Something else.
    Wrong(String),
}

/// A directory in which every kind of file stands, and the truth about it.
struct Kept {
    image: Image,
    entries: Vec<Bytes>,
    head: TreeHead,
    policy: String,
    roots: Vec<u8>,
    remembered: Remembered,
    bundle: Bundle,
    trust: Trust,
    /// By class: its files, and how many bytes of each are written, and there.
    files: Vec<Vec<(PathBuf, usize, usize)>>,
}

fn quiet(dir: &Path) -> Config {
    Config {
        cosign_wait: Duration::ZERO,
        ..small(&dir.join("log"))
    }
}

fn log_key() -> LogKey {
    LogKey::new(ORIGIN, signer(1).key()).unwrap()
}

/// The evidence of one exchange, from a log of its own, and what it is held against.
async fn evidence_bundle() -> (Bundle, Trust) {
    let mut forger = Forger::new().await;
    let (_, header, _) = forger.exchange().await;
    forger.log.close().await.unwrap();
    let wanted = Wanted {
        filter: Filter {
            exchange: Some(header.exchange_id),
            ..Filter::default()
        },
        ..Wanted::default()
    };
    let bundle = evidence::collect(forger.dir.path(), wanted, &mut |_, _| {})
        .unwrap()
        .bundle;
    let trust = Trust {
        key: Some(forger.log.key().clone()),
        ..Trust::default()
    };
    (bundle, trust)
}

impl Kept {
    /// Founds a log with a witness, stamps it, and ends it so that tail and store both hold something.
    async fn new() -> Self {
        let place = somewhere();
        let dir = place.path();
        let told = Mutex::new(Told::default());
        let life = Life {
            dir: &dir.join("log"),
            told: &told,
        };
        life.live().await.unwrap();
        let log = Log::open_with(quiet(dir), vec![signer(1), signer(2)])
            .await
            .unwrap();
        let published = log.published().borrow().clone();
        let body = AddCheckpoint {
            old: 0,
            proof: Vec::new(),
            note: published.note.clone(),
        }
        .to_bytes();
        let home = dir.join("witness");
        witness::adopt(&home, ORIGIN).unwrap();
        let witness = Witness::open(&home, WITNESS, signer(9), &[log_key()]).unwrap();
        let _ = witness.add_checkpoint(&body, 1_795_363_078);
        let witness_key = witness.key().clone();
        drop(witness);
        let (remembered, _) = witness::look(&home, ORIGIN, &witness_key).unwrap();
        let remembered = remembered.expect("it cosigned");
        let size = published.checkpoint.size;
        log.cosign(size, vec![remembered.line.clone()], true);
        let mut notes = log.published();
        let cosigned = notes
            .wait_for(|note| note.note != published.note)
            .await
            .unwrap()
            .clone();
        let entries = all_entries(&log).await.unwrap();
        log.close().await.unwrap();
        drop(log);
        let world = World::new();
        world.issue("tsa", "ec:P-256", "root", "stamps");
        let token = world.reply(&Request::new(&cosigned.note).unwrap(), "tsa", "");
        kept::keep(&dir.join("log"), size, &cosigned.note, &token).unwrap();
        let (bundle, trust) = evidence_bundle().await;
        std::fs::write(dir.join("evidence.zip"), bundle.to_zip().unwrap()).unwrap();
        let image = Image::of(dir);
        let mut files = vec![Vec::new(); CLASSES.len()];
        for (path, bytes, len) in image.files() {
            let name = path.to_string_lossy();
            let class = CLASSES.iter().position(|class| name.starts_with(class));
            if let Some(class) = class.filter(|_| len > 0) {
                files[class].push((path.to_owned(), bytes.len().max(1), len));
            }
        }
        assert!(files.iter().all(|files| !files.is_empty()), "{files:?}");
        Self {
            image,
            entries,
            head: cosigned.checkpoint.head(),
            policy: format!(
                "log {}\nwitness w9 {}\nquorum w9\n",
                log_key().to_vkey(),
                witness_key.to_vkey()
            ),
            roots: world.read("root.pem"),
            remembered,
            bundle,
            trust,
            files,
        }
    }

    /// Which bit of which file the flip `number` turns: its class, path, place and mask. Mostly what was written.
    fn flip(&self, number: u64) -> (usize, &Path, usize, u8) {
        let chance = |what: u64| scatter(number << 8 | what);
        let class = (number % CLASSES.len() as u64) as usize;
        let files = &self.files[class];
        let (path, written, len) = &files[(chance(1) % files.len() as u64) as usize];
        let within = if chance(2).is_multiple_of(8) {
            *len
        } else {
            *written
        };
        (
            class,
            path,
            (chance(3) % within as u64) as usize,
            1 << (chance(4) % 8),
        )
    }

    /// Puts everything into `dir` with the bit turned, and lets everybody look who reads that file.
    async fn seen(&self, number: u64) -> (usize, Seen, String) {
        let (class, path, at, mask) = self.flip(number);
        let what = format!("flip {number}: {} byte {at} ^ {mask:#04x}", path.display());
        let place = somewhere();
        let dir = place.path();
        self.image.restore(dir);
        let file = File::options()
            .read(true)
            .write(true)
            .open(dir.join(path))
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at as u64).unwrap();
        file.write_all_at(&[byte[0] ^ mask], at as u64).unwrap();
        drop(file);
        let mut seen = Vec::new();
        match CLASSES[class] {
            "witness/" => seen.push(self.witness(dir)),
            "evidence.zip" => seen.push(self.court(dir)),
            "log/time/" => seen.push(self.auditor(dir)),
            _ => {
                seen.push(self.auditor(dir));
                seen.push(self.broker(dir).await);
            }
        }
        let wrong = seen
            .iter()
            .find(|seen| matches!(seen, Seen::Wrong(_)))
            .cloned();
        let noticed = seen.contains(&Seen::Noticed);
        let sum = wrong.unwrap_or(if noticed { Seen::Noticed } else { Seen::Truth });
        (class, sum, what)
    }

    /// With the key, the witnesses and the time-stamp authority from elsewhere.
    fn auditor(&self, dir: &Path) -> Seen {
        let mut leaves = Vec::new();
        let mut on_entry = |_: u64, entry: &Entry| {
            leaves.push(entry.encode().map(|bytes| leaf_hash(&bytes)));
        };
        let report = verify_directory(
            &dir.join("log"),
            Options {
                policy: Some(Policy::parse(self.policy.as_bytes()).unwrap()),
                time: Some(TimeOptions::new(Roots::from_pem(&self.roots).unwrap())),
                threads: 1,
                on_entry: Some(&mut on_entry),
                ..Options::default()
            },
        );
        let followed = |finding: &Finding| finding.rule == rule::KEY_FOLLOWED;
        if !report.is_proven() || !report.findings.kept().iter().all(followed) {
            return Seen::Noticed;
        }
        let told = self.entries.iter().map(|entry| Ok(leaf_hash(entry)));
        let same = report.root == Some(self.head.root)
            && report.checkpoint.map(|checkpoint| checkpoint.head()) == Some(self.head)
            && (report.time.tokens, report.time.verified) == (1, 1)
            && leaves.into_iter().eq(told);
        if same {
            Seen::Truth
        } else {
            Seen::Wrong("the auditor is told something else".into())
        }
    }

    /// Starts, reads everything, proves it, ends.
    async fn broker(&self, dir: &Path) -> Seen {
        let Ok(log) = Log::open_with(quiet(dir), vec![signer(1), signer(2)]).await else {
            return Seen::Noticed;
        };
        let Ok(entries) = all_entries(&log).await else {
            return Seen::Noticed;
        };
        if entries != self.entries || log.head().edge.head() != self.head {
            return Seen::Wrong(format!("the log has {} entries, not these", entries.len()));
        }
        let index = scatter(self.head.size) % self.head.size;
        match log.receipt(index).await {
            Ok(Some(receipt)) => {
                let entry = Entry::decode(&entries[index as usize]).unwrap();
                let proven = receipt.verify(&entry.header, entry.seal.as_ref(), &log_key());
                if proven.is_ok_and(|proven| proven.leaf != leaf_hash(&entries[index as usize])) {
                    return Seen::Wrong(format!("the receipt of {index} proves something else"));
                }
                let report = log.recovered().unwrap();
                let mended = report.store != StoreFound::Whole
                    || !report.mended.is_empty()
                    || report.torn_bytes > 0;
                if log.close().await.is_err() || mended {
                    Seen::Noticed
                } else {
                    Seen::Truth
                }
            }
            Ok(None) => Seen::Wrong(format!("entry {index} is not there")),
            Err(_) => Seen::Noticed,
        }
    }

    /// A witness that starts again. What it gives out, others verify under the log's key.
    fn witness(&self, dir: &Path) -> Seen {
        let home = dir.join("witness");
        let Ok(witness) = Witness::open(&home, WITNESS, signer(9), &[log_key()]) else {
            return Seen::Noticed;
        };
        let Ok((Some(found), _)) = witness::look(&home, ORIGIN, witness.key()) else {
            return Seen::Wrong("the witness believes that it never signed".into());
        };
        let (is, was) = (&found, &self.remembered);
        if (&is.checkpoint, &is.line, is.time_s) != (&was.checkpoint, &was.line, was.time_s) {
            return Seen::Wrong("the witness remembers something else".into());
        }
        match checkpoint::open(&found.note.to_bytes(), &log_key()) {
            Ok(_) => Seen::Truth,
            Err(_) => Seen::Noticed,
        }
    }

    /// Whoever is handed the evidence.
    fn court(&self, dir: &Path) -> Seen {
        let Ok(bundle) = Bundle::open(&dir.join("evidence.zip")) else {
            return Seen::Noticed;
        };
        if !evidence::verify(&bundle, &self.trust).holds() {
            return Seen::Noticed;
        }
        if bundle == self.bundle {
            Seen::Truth
        } else {
            Seen::Wrong("other evidence holds".into())
        }
    }
}

/// Turns `flips` bits, one after the other, each in a fresh copy.
async fn flipped(flips: u64) {
    let kept = Arc::new(Kept::new().await);
    assert_eq!(kept.auditor_of_the_whole(), Seen::Truth);
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut counts = vec![[0u64; 2]; CLASSES.len()];
                for number in (worker..flips).step_by(2) {
                    match kept.seen(number).await {
                        (class, Seen::Truth, _) => counts[class][0] += 1,
                        (class, Seen::Noticed, _) => counts[class][1] += 1,
                        (_, Seen::Wrong(why), what) => panic!("{what}: {why}"),
                    }
                }
                counts
            })
        })
        .collect();
    let mut sums = vec![[0; 2]; CLASSES.len()];
    for worker in workers {
        for (sum, count) in sums.iter_mut().zip(worker.await.unwrap()) {
            sum[0] += count[0];
            sum[1] += count[1];
        }
    }
    for (class, [harmless, noticed]) in CLASSES.iter().zip(&sums) {
        println!("{class}: {noticed} noticed, {harmless} harmless");
        assert!(*noticed > 0, "no flip in {class} was noticed");
    }
    let noticed: u64 = sums.iter().map(|sum| sum[1]).sum();
    println!(
        "{flips} flips: {noticed} noticed, {} harmless, 0 wrong answers",
        flips - noticed
    );
}

impl Kept {
    /// Nothing turned: whoever looks must see the truth, or no flip would say anything.
    fn auditor_of_the_whole(&self) -> Seen {
        let place = somewhere();
        self.image.restore(place.path());
        match (
            self.auditor(place.path()),
            self.witness(place.path()),
            self.court(place.path()),
        ) {
            (Seen::Truth, Seen::Truth, Seen::Truth) => Seen::Truth,
            other => Seen::Wrong(format!("{other:?}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_flips_is_noticed_or_harmless() {
    flipped(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten thousand flips take two minutes: make faults"]
async fn ten_thousand_bits_that_flip_are_noticed_or_harmless() {
    flipped(10_000).await;
}
