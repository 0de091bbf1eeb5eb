//! Verifies a bundle: does everything again from its files.
//!
//! Takes the files, and keys and policies from elsewhere. Gives one verdict for each thing that a bundle can show.
//! Never believes the page, the manifest or any file that can be made from another: those are made again and compared.

use std::collections::BTreeSet;

use bytes::Bytes;
use proto::Digest;
use proto::act::ConsumerScope;
use proto::id::AgencyId;

use super::contents::{Contents, MADE_BY, Manifest};
use super::judge::{About, Judged, judge};
use super::told::Told;
use super::{Bundle, name};
use crate::checkpoint::{self, LogKey};
use crate::tree::{Edge, TreeHead, verify_inclusion};

mod outside;
mod read;
mod words;

/// What comes from outside the bundle.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The log's key; without it the one inside is used, and the verdict says so.
    pub key: Option<LogKey>,
    /// The witness policy; without it the one inside.
    pub policy: Option<Bytes>,
    /// Certificates of time-stamp authorities, PEM; without them those inside.
    pub time_roots: Option<Bytes>,
}

/// How a verdict came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Holds,
    /// It holds by something that lies in the bundle itself: compare that with one from elsewhere.
    Inside,
    /// There is nothing of the kind in the bundle.
    Absent,
    /// It does not hold.
    Fails,
}

impl State {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Inside => "inside",
            Self::Absent => "absent",
            Self::Fails => "fails",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// A stable word.
    pub check: &'static str,
    /// What was looked at, English and Arabic.
    pub title: [&'static str; 2],
    /// How it came out.
    pub state: State,
    /// With what, or why not: English and Arabic.
    pub detail: [String; 2],
}

/// What verifying a bundle gives.
#[derive(Debug)]
pub struct Report {
    /// In the order in which a reader asks.
    pub verdicts: Vec<Verdict>,
    /// The log's name, by the key that was used.
    pub origin: String,
    /// Entries under the checkpoint.
    pub size: u64,
    /// Entries in the bundle.
    pub entries: usize,
    /// The page as this program makes it of the evidence; `None` where the evidence cannot be read.
    pub page: Option<Bytes>,
}

impl Report {
    /// Whether nothing fails.
    pub fn holds(&self) -> bool {
        self.verdicts
            .iter()
            .all(|verdict| verdict.state != State::Fails)
    }
}

/// Verifies `bundle`.
pub fn verify(bundle: &Bundle, trust: &Trust) -> Report {
    let contents = match read::contents(bundle) {
        Ok(contents) => contents,
        Err(what) => {
            let verdict = words::verdict("form", State::Fails, [what.clone(), what]);
            return Report {
                verdicts: vec![verdict],
                origin: String::new(),
                size: 0,
                entries: 0,
                page: None,
            };
        }
    };
    let judged = judge(&contents.items);
    let acts = contents
        .items
        .iter()
        .filter(|item| item.entry.kind.is_registry());
    let mut verdicts = vec![
        log_key(&contents, trust),
        signed(&contents, trust),
        outside::witnesses(&contents, trust),
        included(&contents),
        registry(&contents, &judged, acts.count()),
        complete(&contents),
        about("seals", About::Seal, &judged, judged.seals),
        about("answers", About::Answer, &judged, judged.endings),
        about("decisions", About::Decision, &judged, judged.decisions),
        agreements(&contents),
        about("switch_part", About::Switch, &judged, contents.items.len()),
        disclosed(&contents),
        outside::time(&contents, trust),
    ];
    verdicts.extend(derived(bundle, &contents));
    Report {
        origin: contents.key.origin().to_owned(),
        size: contents.checkpoint.says.size,
        entries: contents.items.len(),
        page: contents.to_bundle().file(name::PAGE).cloned(),
        verdicts,
    }
}

/// Whose log it is.
fn log_key(contents: &Contents, trust: &Trust) -> Verdict {
    let inside = contents.key.to_vkey();
    match &trust.key {
        Some(key) if contents.key.has(key) => {
            words::verdict("key", State::Holds, words::key_given(&inside))
        }
        Some(key) => words::verdict(
            "key",
            State::Fails,
            words::other_key(&inside, &key.to_vkey()),
        ),
        None => words::verdict("key", State::Inside, words::key_inside(&inside)),
    }
}

/// The checkpoints, under the key from elsewhere where there is one.
fn signed(contents: &Contents, trust: &Trust) -> Verdict {
    // Another key of this log leads to the one inside by the entries, which both sealed.
    let given = trust.key.as_ref();
    let key = given
        .filter(|key| !contents.key.has(key))
        .unwrap_or(&contents.key);
    let notes = [
        Some(&contents.checkpoint),
        contents.stamped.as_ref().map(|stamped| &stamped.checkpoint),
    ];
    for note in notes.into_iter().flatten() {
        if let Err(error) = checkpoint::open(&note.note, key) {
            return words::verdict("checkpoint", State::Fails, words::plain(error));
        }
    }
    let says = &contents.checkpoint.says;
    words::verdict(
        "checkpoint",
        State::Holds,
        words::entries_and_root(says.size, &says.root),
    )
}

/// Every entry under the checkpoint, and exchange entries under the time-stamped one.
fn included(contents: &Contents) -> Verdict {
    let under = |head: TreeHead, index, leaf: &Digest, proof: &[Digest]| {
        verify_inclusion(leaf, index, head.size, proof, &head.root).is_ok()
    };
    for item in &contents.items {
        let mut holds = under(
            contents.checkpoint.says.head(),
            item.index,
            &item.leaf,
            &item.proof,
        );
        if let Some(stamped) = &contents.stamped {
            let proof = item.stamped_proof.as_deref();
            let head = stamped.checkpoint.says.head();
            holds &= match proof {
                Some(proof) => under(head, item.index, &item.leaf, proof),
                None => item.entry.kind.is_registry(),
            };
        }
        if !holds {
            return words::verdict(
                "inclusion",
                State::Fails,
                words::entry_not_included(item.index),
            );
        }
    }
    words::verdict(
        "inclusion",
        State::Holds,
        words::entries(contents.items.len()),
    )
}

/// The registry entries fold, and begin with the genesis of the log's key.
fn registry(contents: &Contents, judged: &Judged, acts: usize) -> Verdict {
    let genesis = contents.items.first().filter(|item| item.index == 0);
    let own = genesis
        .and_then(|item| proto::act::Genesis::open(&item.entry.header).ok())
        .is_some_and(|genesis| {
            genesis.log_key == *contents.key.first().public()
                && genesis.origin == contents.key.origin()
        });
    if !own {
        return words::verdict("registry", State::Fails, words::other_genesis());
    }
    about("registry", About::Registry, judged, acts)
}

/// Whether the registry entries in the bundle are all that there were at each exchange.
fn complete(contents: &Contents) -> Verdict {
    let mut tree = Edge::new();
    for item in &contents.items {
        if item.entry.kind.is_registry() {
            tree.push(item.leaf);
            continue;
        }
        let stamp = &item.entry.stamp;
        let here = TreeHead {
            size: tree.size(),
            root: tree.root(),
        };
        if (stamp.registry_size, stamp.registry_root) != (here.size, here.root) {
            return words::verdict("registry_complete", State::Absent, words::not_whole());
        }
    }
    words::verdict("registry_complete", State::Holds, words::whole(tree.size()))
}

/// A verdict on what the judge found of one kind.
fn about(check: &'static str, about: About, judged: &Judged, count: usize) -> Verdict {
    match judged.first(about) {
        Some(fault) => words::verdict(check, State::Fails, words::at(fault.index, &fault.what)),
        None if count == 0 => words::verdict(check, State::Absent, words::nothing()),
        None => words::verdict(check, State::Holds, words::looked_at(count)),
    }
}

/// The agreements that decided: sealed by the authorities of both, or public and sealed by the provider.
fn agreements(contents: &Contents) -> Verdict {
    let told = Told::of(contents);
    let mut said = Vec::new();
    for exchange in &told.exchanges {
        // A refusal can be for want of one.
        if !exchange.item.entry.kind.asks() {
            continue;
        }
        let Some(id) = Digest::from_slice(&exchange.facts.agreement) else {
            continue;
        };
        let index = exchange.item.index;
        let Some(content) = told.agreements.get(&id) else {
            return words::verdict("agreement", State::Fails, words::no_agreement(index));
        };
        let acts = told.acts.get(&id).map(Vec::as_slice).unwrap_or_default();
        let sealed_by = |agency: &AgencyId| {
            acts.iter()
                .any(|on| on.index < index && on.act.agency == *agency)
        };
        let both = sealed_by(&content.provider)
            && match &content.consumer {
                ConsumerScope::Agency(consumer) => sealed_by(consumer),
                ConsumerScope::Class(..)
                | ConsumerScope::Everyone(_)
                | ConsumerScope::Group { .. } => true,
            };
        if !both {
            return words::verdict("agreement", State::Fails, words::not_sealed(index));
        }
        said.push((id, content));
    }
    said.sort_by_key(|(id, _)| *id);
    said.dedup_by_key(|(id, _)| *id);
    match said.as_slice() {
        [] => words::verdict("agreement", State::Absent, words::nothing()),
        [(_, one), rest @ ..] => {
            words::verdict("agreement", State::Holds, words::sealed_by(one, rest.len()))
        }
    }
}

/// Disclosed payloads against the sealed commitments.
fn disclosed(contents: &Contents) -> Verdict {
    for (index, opening) in &contents.disclosed {
        let item = contents.items.iter().find(|item| item.index == *index);
        if !item.is_some_and(|item| opening.opens(&item.entry)) {
            return words::verdict("disclosed", State::Fails, words::other_payload(*index));
        }
    }
    match contents.disclosed.len() {
        0 => words::verdict("disclosed", State::Absent, words::not_disclosed()),
        count => words::verdict("disclosed", State::Holds, words::looked_at(count)),
    }
}

/// Files that are made from others, the manifest, and the page.
fn derived(bundle: &Bundle, contents: &Contents) -> Vec<Verdict> {
    let again = contents.to_bundle();
    let edition = [name::PAGE, name::CHECK, name::MANIFEST];
    let differs = |name: &str| bundle.file(name) != again.file(name);
    let names: BTreeSet<&String> = bundle.files().keys().chain(again.files().keys()).collect();
    let wrong = names
        .into_iter()
        .find(|name| !edition.contains(&name.as_str()) && differs(name));
    let files = match wrong {
        Some(name) => words::verdict("files", State::Fails, words::other_file(name)),
        None => words::verdict(
            "files",
            State::Holds,
            words::looked_at(bundle.files().len()),
        ),
    };
    let manifest = Manifest::read(bundle).filter(|manifest| manifest.lists(bundle));
    let own = manifest
        .as_ref()
        .map(|manifest| manifest.made_by == MADE_BY);
    let page = match (own, edition.iter().find(|name| differs(name))) {
        (None, _) => words::verdict("page", State::Fails, words::other_file(name::MANIFEST)),
        (Some(_), None) => words::verdict("page", State::Holds, words::same_page()),
        (Some(true), Some(name)) => words::verdict("page", State::Fails, words::other_file(name)),
        (Some(false), Some(_)) => words::verdict("page", State::Absent, words::other_edition()),
    };
    vec![files, page]
}
