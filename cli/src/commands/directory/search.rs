//! Searching the directory: words against names, identifiers and fields, each as [`proto::text::search_key`] has it.
//!
//! All words must be found. A whole word goes before the beginning of one, that before the inside of one; among
//! equals a thing's own name goes before its operations, those before its fields, those before its agency's names.

use proto::id::Part;
use proto::registry::Registry;
use proto::text::search_key;

use crate::failure::{Exit, Failure};

/// Bytes of a query: more is a mistake, such as a file pasted into it.
const QUERY_BYTES_MAX: usize = 512;
/// Words of a query.
const WORDS_MAX: usize = 16;
/// Letters that must remain of an Arabic word without its article, so that الف does not become a single letter.
const BARE_LETTERS_MIN: usize = 3;

/// Words to look for; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(Vec<String>);

impl Query {
    /// Reads what was typed.
    ///
    /// # Errors
    /// A usage failure when there is no word in it, or too much.
    pub fn parse(typed: &[String]) -> Result<Self, Failure> {
        let bytes: usize = typed.iter().map(|text| text.len() + 1).sum();
        if bytes > QUERY_BYTES_MAX + 1 {
            return Err(too_much());
        }
        let key = search_key(&typed.join(" "));
        let mut words: Vec<String> = key.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        match words.len() {
            0 => Err(Failure::new(
                Exit::Usage,
                ["There is no word to look for.", "لا توجد كلمة للبحث عنها."],
                [
                    "Give at least one word with a letter or a digit.",
                    "اكتب كلمة واحدة على الأقل فيها حرف أو رقم.",
                ],
            )),
            1..=WORDS_MAX => Ok(Self(words)),
            _ => Err(too_much()),
        }
    }
}

fn too_much() -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("A query has at most {WORDS_MAX} words and {QUERY_BYTES_MAX} bytes."),
            format!("لا يزيد البحث على {WORDS_MAX} كلمة و{QUERY_BYTES_MAX} بايت."),
        ],
        [
            "Use a few words that tell it apart.",
            "استخدم كلمات قليلة مميزة.",
        ],
    )
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A registered public body.
    Agency,
    /// What one of its systems offers.
    Service,
    /// One thing that a service can be asked.
    Operation,
}

/// Where a word was found, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The name or identifier of the agency or service.
    Name,
    /// The name or identifier of an operation.
    Operation,
    /// The name of a field.
    Field,
    /// A name of the agency that offers the service.
    Agency,
}

/// How a word was found, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// A word is the same; the Arabic article makes no difference.
    Whole,
    /// A word begins with it.
    Prefix,
    /// A word holds it.
    Inside,
}

/// One text of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Whose text it is.
    pub place: Place,
    /// As written.
    pub shown: String,
    key: String,
}

/// One thing of the directory.
#[derive(Clone, Debug)]
pub struct Thing<'a> {
    /// What it is.
    pub kind: Kind,
    /// The identifier of the agency or the service.
    pub id: String,
    /// The operation's name, for an operation.
    pub operation: Option<&'a Part>,
    /// Shown to people.
    pub name_en: &'a str,
    /// Shown to people.
    pub name_ar: &'a str,
    texts: Vec<Text>,
}

/// One word as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The word of the query.
    pub word: String,
    /// How it was found.
    pub how: How,
    /// Where.
    pub text: Text,
}

/// A thing that has all words.
#[derive(Clone, Debug)]
pub struct Hit<'a> {
    /// The thing.
    pub thing: Thing<'a>,
    /// Each word where it was found best.
    pub matches: Vec<Matched>,
}

impl Hit<'_> {
    /// What results are ordered by.
    fn rank(&self) -> (usize, usize, Kind) {
        let how = self.matches.iter().map(|matched| matched.how as usize);
        let place = self
            .matches
            .iter()
            .map(|matched| matched.text.place as usize);
        (how.sum(), place.sum(), self.thing.kind)
    }
}

/// Everything in `registry` that has all words of `query`, the best first.
pub fn search<'a>(registry: &'a Registry, query: &Query) -> Vec<Hit<'a>> {
    let mut hits = agencies(registry, query);
    hits.extend(services(registry, query));
    hits.sort_by(|one, other| {
        let name = |hit: &Hit<'a>| (hit.thing.id.clone(), hit.thing.operation);
        one.rank()
            .cmp(&other.rank())
            .then_with(|| name(one).cmp(&name(other)))
    });
    hits
}

fn agencies<'a>(registry: &'a Registry, query: &Query) -> Vec<Hit<'a>> {
    let things = registry.agencies().map(|agency| Thing {
        kind: Kind::Agency,
        id: agency.id.to_string(),
        operation: None,
        name_en: &agency.name_en,
        name_ar: &agency.name_ar,
        texts: texts(
            Place::Name,
            [agency.id.as_str(), &agency.name_en, &agency.name_ar],
        ),
    });
    things.filter_map(|thing| hit(thing, query)).collect()
}

fn services<'a>(registry: &'a Registry, query: &Query) -> Vec<Hit<'a>> {
    let mut hits = Vec::new();
    for record in registry.services() {
        let definition = &record.definition;
        let id = definition.id();
        let mut own = texts(
            Place::Name,
            [id.as_str(), &definition.name_en, &definition.name_ar],
        );
        if let Some(agency) = registry.agency(&id.system().agency()) {
            own.extend(texts(
                Place::Agency,
                [agency.name_en.as_str(), &agency.name_ar],
            ));
        }
        let service = Thing {
            kind: Kind::Service,
            id: id.to_string(),
            operation: None,
            name_en: &definition.name_en,
            name_ar: &definition.name_ar,
            texts: own.clone(),
        };
        hits.extend(hit(service, query));
        for operation in &definition.operations {
            let mut all = own.clone();
            all.extend(texts(
                Place::Operation,
                [
                    operation.name.as_str(),
                    &operation.name_en,
                    &operation.name_ar,
                ],
            ));
            all.extend(texts(
                Place::Field,
                operation.fields.iter().map(Part::as_str),
            ));
            let found = hit(
                Thing {
                    kind: Kind::Operation,
                    id: id.to_string(),
                    operation: Some(&operation.name),
                    name_en: &operation.name_en,
                    name_ar: &operation.name_ar,
                    texts: all,
                },
                query,
            );
            // What only the service's or the agency's names say, the service's own line says already.
            hits.extend(found.filter(|hit| {
                let own = |matched: &Matched| {
                    matches!(matched.text.place, Place::Operation | Place::Field)
                };
                hit.matches.iter().any(own)
            }));
        }
    }
    hits
}

fn texts<'a>(place: Place, shown: impl IntoIterator<Item = &'a str>) -> Vec<Text> {
    shown
        .into_iter()
        .map(|shown| Text {
            place,
            shown: shown.to_owned(),
            key: search_key(shown),
        })
        .collect()
}

/// The thing with each word where it is found best; `None` when one is nowhere.
fn hit<'a>(thing: Thing<'a>, query: &Query) -> Option<Hit<'a>> {
    let matches: Option<Vec<_>> = query
        .0
        .iter()
        .map(|word| {
            let found = thing
                .texts
                .iter()
                .filter_map(|text| how(word, &text.key).map(|how| (how, text)));
            let (how, text) = found.min_by_key(|(how, text)| (*how, text.place))?;
            Some(Matched {
                word: word.clone(),
                how,
                text: text.clone(),
            })
        })
        .collect();
    let matches = matches?;
    Some(Hit { thing, matches })
}

fn how(word: &str, key: &str) -> Option<How> {
    let word = bare(word);
    key.split(' ')
        .filter_map(|other| {
            let stem = bare(other);
            if stem == word {
                Some(How::Whole)
            } else if stem.starts_with(word) || other.starts_with(word) {
                Some(How::Prefix)
            } else if other.contains(word) {
                Some(How::Inside)
            } else {
                None
            }
        })
        .min()
}

/// A word without the Arabic article.
fn bare(word: &str) -> &str {
    word.strip_prefix("ال")
        .filter(|rest| rest.chars().count() >= BARE_LETTERS_MIN)
        .unwrap_or(word)
}
