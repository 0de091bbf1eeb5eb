//! Consumers that write down what was acknowledged: one file each, synced before the next request is sent.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use audit::tree::Edge;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::id::ExchangeId;

use crate::raw::{Answered, RawConsumer};

/// One acknowledged exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Its id.
    pub id: ExchangeId,
    /// Index and leaf of its request entry.
    pub request: (u64, Digest),
    /// Index and leaf of its closing entry.
    pub closing: (u64, Digest),
    /// Size and root of the checkpoint that was given for it.
    pub head: (u64, Digest),
}

/// A consumer's own file.
#[derive(Debug)]
pub struct Notebook {
    file: File,
}

impl Notebook {
    /// Goes on with the file at `path`.
    pub fn open(path: &Path) -> Self {
        Self {
            file: OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap(),
        }
    }

    /// Writes one line and syncs it.
    pub fn note(&mut self, answered: &Answered) {
        let Answered {
            id,
            request,
            closing,
            head,
            ..
        } = answered;
        let line = format!(
            "{id} {} {} {} {} {} {}\n",
            request.0, request.1, closing.0, closing.1, head.0, head.1
        );
        self.file.write_all(line.as_bytes()).unwrap();
        self.file.sync_data().unwrap();
    }

    /// Everything written at `path`.
    pub fn read(path: &Path) -> Vec<Ack> {
        std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(parse)
            .collect()
    }
}

fn parse(line: &str) -> Ack {
    let words: Vec<_> = line.split(' ').collect();
    let numbered = |at: usize| {
        (
            words[at].parse().unwrap(),
            Digest::from_hex(words[at + 1]).unwrap(),
        )
    };
    Ack {
        id: ExchangeId::parse(words[0]).unwrap(),
        request: numbered(1),
        closing: numbered(3),
        head: numbered(5),
    }
}

/// Asks one thing after the other and notes what is answered, until something is not. Gives the number of answers.
pub async fn ask_until_it_breaks(consumer: RawConsumer, mut notebook: Notebook) -> u64 {
    let mut answers = 0;
    while let Ok(answered) = consumer.ask_well().await {
        notebook = tokio::task::spawn_blocking(move || {
            notebook.note(&answered);
            notebook
        })
        .await
        .unwrap();
        answers += 1;
    }
    answers
}

/// What is wrong between acknowledgements and the log: every line is an exchange that was acknowledged and is not
/// there as it was acknowledged, or a root that the log never had.
pub fn differences(acks: &[Ack], entries: &[Entry]) -> Vec<String> {
    let mut edge = Edge::new();
    let mut leaves = Vec::with_capacity(entries.len());
    let mut roots = HashMap::new();
    for entry in entries {
        let leaf = entry.leaf().unwrap();
        edge.push(leaf);
        leaves.push(leaf);
        roots.insert(edge.size(), edge.root());
    }
    let mut wrong = Vec::new();
    for ack in acks {
        for (what, (index, leaf)) in [("request", ack.request), ("closing", ack.closing)] {
            let found = usize::try_from(index)
                .ok()
                .and_then(|index| leaves.get(index));
            if found != Some(&leaf) {
                wrong.push(format!(
                    "lost: {what} of {} at {index}, there stands {found:?}",
                    ack.id
                ));
            }
        }
        if roots.get(&ack.head.0) != Some(&ack.head.1) {
            wrong.push(format!(
                "root mismatch: {} was given another root at {}",
                ack.id, ack.head.0
            ));
        }
    }
    wrong
}
