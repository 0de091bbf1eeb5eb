//! What an index saves: the same questions to a log of half a million entries, read whole and looked up.
//!
//! `cargo run --locked --release -p audit --example find [-- ENTRIES [DIR]]`. A log of exchanges (request and ending, every
//! one with a person and a clerk) is made, indexed as `audit index` does it, and asked; each answer is proved under the
//! checkpoint. Needs about 2 KiB of disk an entry while it runs, removed at the end.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::find::{Check, Options, scan};
use audit::index::Index;
use audit::log::{Config, Log};
use audit::replay::Filter;
use bytes::Bytes;
use proto::Digest;
use proto::commitment::{Commitment, Salt};
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::{RequestHeader, Subject};
use proto::id::{ExchangeId, Part, SystemId};
use proto::key::Signer;

use key::Key;

#[path = "shared/key.rs"]
mod key;

type Failure = Box<dyn Error + Send + Sync>;

const ORIGIN: &str = "find.example/log";
const TASKS: u64 = 256;
/// How often each question is asked; the middle one counts.
const TIMES: usize = 3;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let entries: u64 = arguments.next().map_or(Ok(500_000), |text| text.parse())?;
    let dir = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let place = tempfile::tempdir_in(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(write(place.path(), entries / 2))?;
    drop(runtime);
    ask(place.path(), entries / 2)
}

/// A log of so many exchanges.
async fn write(dir: &Path, exchanges: u64) -> Result<(), Failure> {
    let signer = Arc::new(Key::new()?) as Arc<dyn Signer>;
    let genesis = draft(Kind::Genesis, Bytes::new(), Bytes::from_static(b"genesis"));
    let log = Log::create(Config::new(dir, ORIGIN), genesis, signer).await?;
    let running: Vec<_> = (0..TASKS)
        .map(|task| {
            let log = log.clone();
            tokio::spawn(async move {
                for number in (task..exchanges).step_by(TASKS as usize) {
                    let arriving = log.arriving();
                    let header = header(number)?.encode();
                    let facts = facts::encode(&ExchangeFacts::default());
                    let asked = log
                        .append(draft(Kind::Request, facts, header), None)
                        .await?;
                    let facts = facts::encode(&ExchangeFacts {
                        code: "provider_failed".to_owned(),
                        request_index: asked.index,
                        request_leaf: asked.leaf.0.to_vec().into(),
                        exchange_id: exchange_id(number)?.as_bytes().to_vec().into(),
                        ..ExchangeFacts::default()
                    });
                    log.append(draft(Kind::Closing, facts, Bytes::new()), None)
                        .await?;
                    drop(arriving);
                }
                Ok::<(), Failure>(())
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    log.publish_now().await?;
    log.close().await?;
    Ok(())
}

/// Asks everything both ways and prints the times.
fn ask(dir: &Path, exchanges: u64) -> Result<(), Failure> {
    let published = audit::tiles::published::read_published(dir)?.ok_or("nothing is published")?;
    let began = Instant::now();
    let mut index = Index::open(dir, published.checkpoint)?;
    let indexed = index.refresh(false, &mut |_, _| true)?;
    let took = began.elapsed();
    println!(
        "{} entries indexed in {:.1} s, {:.0} a second",
        indexed.entries,
        took.as_secs_f64(),
        indexed.entries as f64 / took.as_secs_f64()
    );
    drop(index);
    println!(
        "| question | found | read, one thread, s | read, all cores, s | looked up, s | entries read |"
    );
    println!("|---|---|---|---|---|---|");
    let middle = exchanges / 2;
    for (question, filter) in questions(middle)? {
        let (found, one, _) = timed(dir, &filter, 1, false)?;
        let (_, all, _) = timed(dir, &filter, 0, false)?;
        let (again, by_index, read) = timed(dir, &filter, 0, true)?;
        if found != again {
            return Err(format!("{question}: {found} read, {again} looked up").into());
        }
        println!(
            "| {question} | {found} | {:.2} | {:.2} | {:.3} | {read} |",
            one.as_secs_f64(),
            all.as_secs_f64(),
            by_index.as_secs_f64()
        );
    }
    Ok(())
}

fn questions(middle: u64) -> Result<[(&'static str, Filter); 5], Failure> {
    let hours = |from: u64, to: u64| (Some(from * 3_600_000), Some(to * 3_600_000));
    let none = Filter::default();
    let subject = Subject {
        scheme: Part::parse("nid")?,
        pseudonym: pseudonym(middle % PEOPLE),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let hour = now.as_secs() / 3_600;
    let (from_ms, to_ms) = hours(hour - 48, hour - 24);
    Ok([
        (
            "one exchange",
            Filter {
                exchange: Some(exchange_id(middle)?),
                ..none.clone()
            },
        ),
        (
            "one person",
            Filter {
                subject: Some(subject),
                ..none.clone()
            },
        ),
        (
            "one clerk",
            Filter {
                actor: Some(pseudonym(middle % CLERKS)),
                ..none.clone()
            },
        ),
        (
            "one agency of fifty",
            Filter {
                party: Some(format!("EG/GOV/C{}", middle % 50)),
                ..none.clone()
            },
        ),
        (
            "a day without entries",
            Filter {
                from_ms,
                to_ms,
                ..none
            },
        ),
    ])
}

/// Entries found, the middle time of [`TIMES`], entries read.
fn timed(
    dir: &Path,
    filter: &Filter,
    threads: usize,
    by_index: bool,
) -> Result<(u64, Duration, u64), Failure> {
    let mut times = Vec::new();
    let (mut found, mut read) = (0, 0);
    for _ in 0..TIMES {
        let options = Options {
            filter: filter.clone(),
            check: Check::Hashes,
            by_index,
            threads,
            ..Options::default()
        };
        let began = Instant::now();
        let scanned = scan(dir, options, &mut |_| ControlFlow::Continue(()))?;
        times.push(began.elapsed());
        if !scanned.standing.is_proved() || (by_index && scanned.index_remark.is_some()) {
            return Err(format!("{:?} {:?}", scanned.standing, scanned.index_remark).into());
        }
        (found, read) = (scanned.matched, scanned.scanned);
    }
    times.sort();
    Ok((found, times[TIMES / 2], read))
}

const PEOPLE: u64 = 20_000;
const CLERKS: u64 = 500;

fn pseudonym(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn exchange_id(number: u64) -> Result<ExchangeId, Failure> {
    let id = ExchangeId::parse(&format!("0190a1b2-c3d4-7e5f-8a6b-{number:012x}"));
    Ok(id.ok_or("no exchange id")?)
}

fn header(number: u64) -> Result<RequestHeader, Failure> {
    Ok(RequestHeader {
        exchange_id: exchange_id(number)?,
        attempt_of: None,
        run_id: [7; 16],
        sequence: number + 1,
        consumer: SystemId::parse(&format!("EG/GOV/C{}/desk", number % 50))?,
        provider: SystemId::parse("EG/GOV/CIVIL/registry")?,
        service: Part::parse("persons.v1")?,
        operation: Part::parse("lookup")?,
        contract: Digest::of(b"contract"),
        purpose: Part::parse("takaful")?,
        agreement: Some(Digest::of(b"agreement")),
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: vec![Subject {
            scheme: Part::parse("nid")?,
            pseudonym: pseudonym(number % PEOPLE),
        }],
        actor: Some(pseudonym(number % CLERKS)),
        fields: vec![Part::parse("name_ar")?],
        issued_at_ms: 1,
        deadline_ms: 1_000,
        payload: Commitment::new("application/json", b"{}", &Salt([1; 32])),
        seen: None,
    })
}

fn draft(kind: Kind, facts: Bytes, header: Bytes) -> Draft {
    Draft {
        kind,
        facts,
        header,
        seal: None,
    }
}
