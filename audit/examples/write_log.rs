//! Writes a log for outside judges: `write_log DIR SIZE...` makes a new log in DIR and lets it grow to each SIZE.
//!
//! At each size it publishes and keeps, in `DIR/judged/`, the checkpoint as `SIZE.checkpoint`, with the cosignatures of two
//! witnesses (`DIR/witnesses.vkeys`) as `SIZE-cosigned.checkpoint`, and the proofs of the first, a middle and the last entry
//! as `SIZE-INDEX.tlog-proof`. Judges: `tests/judges/tlog_*.sh`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use audit::cosignature::{WitnessKey, cosign};
use audit::log::{Config, Log};
use audit::note::SignedNote;
use audit::receipt::tlog_proof::TlogProof;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use proto::act::{Genesis, Operator};
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::id::Part;
use proto::key::{PublicKey, SignError, Signer};
use proto::limits::label;
use proto::seal::Seal;

type Failure = Box<dyn Error + Send + Sync>;

const ORIGIN: &str = "judges.example/log";
/// Two witnesses: their names and the seeds of their keys.
const WITNESSES: [(&str, u8); 2] = [
    ("witness.example/first", 0x03),
    ("witness.example/second", 0x04),
];
/// When they cosign, Unix seconds.
const COSIGNED_AT_S: u64 = 1_790_000_000;
/// Appends under way at once; they share syncs.
const TASKS: u64 = 64;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, sizes @ ..] = arguments.as_slice() else {
        return Err("usage: write_log DIR SIZE...".into());
    };
    let sizes = sizes
        .iter()
        .map(|size| size.parse())
        .collect::<Result<Vec<u64>, _>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(write(Path::new(dir), &sizes))
}

async fn write(dir: &Path, sizes: &[u64]) -> Result<(), Failure> {
    let signer = Arc::new(SeedKey::new(0x01)?);
    let log = Log::create(Config::new(dir, ORIGIN), genesis(&signer)?, signer).await?;
    let judged = dir.join("judged");
    std::fs::create_dir(&judged)?;
    let mut vkeys = String::new();
    for (name, seed) in WITNESSES {
        let key = WitnessKey::new(name, SeedKey::new(seed)?.key())?;
        vkeys.push_str(&format!("{}\n", key.to_vkey()));
    }
    std::fs::write(dir.join("witnesses.vkeys"), vkeys)?;
    for size in sizes {
        grow(&log, *size).await?;
        let published = log.publish_now().await?;
        if published.checkpoint.size != *size {
            return Err(format!("{size} entries wanted, {:?}", published.checkpoint).into());
        }
        std::fs::write(judged.join(format!("{size}.checkpoint")), &published.note)?;
        let cosigned = judged.join(format!("{size}-cosigned.checkpoint"));
        std::fs::write(cosigned, cosigned_by_all(&published.note)?)?;
        for index in [0, size / 2, size - 1] {
            let receipt = log.receipt(index).await?.ok_or("no such entry")?;
            let proof = TlogProof {
                extra: None,
                index,
                proof: receipt.proof,
                checkpoint: receipt.checkpoint,
            };
            let file = judged.join(format!("{size}-{index}.tlog-proof"));
            std::fs::write(file, proof.to_text())?;
        }
    }
    log.close().await?;
    Ok(())
}

fn cosigned_by_all(checkpoint: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut note = SignedNote::parse(checkpoint)?;
    for (name, seed) in WITNESSES {
        let line = cosign(note.text(), name, &SeedKey::new(seed)?, COSIGNED_AT_S)?;
        note.add(line)?;
    }
    Ok(note.to_bytes())
}

/// Appends until the log has `size` entries.
async fn grow(log: &Log, size: u64) -> Result<(), Failure> {
    let missing = size
        .checked_sub(log.head().size())
        .ok_or("sizes must ascend")?;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let log = log.clone();
            let share = missing / TASKS + u64::from(task < missing % TASKS);
            tokio::spawn(async move {
                for count in 0..share {
                    log.append(refusal(task, count), None).await?;
                }
                Ok::<(), Failure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Entries of different lengths.
fn refusal(task: u64, count: u64) -> Draft {
    let facts = ExchangeFacts {
        peer_sha256: Digest::of(&task.to_be_bytes()).0.to_vec().into(),
        code: "malformed".to_owned(),
        clause: "x".repeat((count % 97) as usize),
        refused_sha256: Digest::of(&count.to_be_bytes()).0.to_vec().into(),
        ..ExchangeFacts::default()
    };
    Draft {
        kind: Kind::Refusal,
        facts: facts::encode(&facts),
        header: Bytes::new(),
        seal: None,
    }
}

fn genesis(signer: &SeedKey) -> Result<Draft, Failure> {
    let header = Genesis {
        origin: ORIGIN.to_owned(),
        log_key: signer.key().clone(),
        instance: Part::parse("EG")?,
        trust_domain: "judges.example".to_owned(),
        authority_root: Digest::of(b"no authority"),
        operators: vec![Operator {
            name: Part::parse("first")?,
            key: SeedKey::new(0x02)?.key().clone(),
        }],
        created_at_ms: 1,
        purposes: Vec::new(),
    }
    .encode();
    let seal = Seal::one(label::GENESIS, ORIGIN, &header, signer)?;
    Ok(Draft {
        kind: Kind::Genesis,
        facts: Bytes::new(),
        header,
        seal: Some(seal),
    })
}

/// An Ed25519 key whose seed is one byte, 32 times: a log for judges keeps no secret.
#[derive(Debug)]
struct SeedKey {
    pair: Ed25519KeyPair,
    key: PublicKey,
}

impl SeedKey {
    fn new(seed: u8) -> Result<Self, Failure> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32])?;
        let raw: [u8; 32] = pair.public_key().as_ref().try_into()?;
        let key = PublicKey::from_ed25519(&raw)?;
        Ok(Self { pair, key })
    }
}

impl Signer for SeedKey {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}
