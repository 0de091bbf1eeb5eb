//! What one decision costs, and how that grows with the number of agreements.
//!
//! Registries of 10, 1,000 and 100,000 agreements are folded from sealed acts, as a switch folds its log. Then
//! the same questions are put to each: of the same ten agreements (does the decision itself grow?), of all of them in
//! random order, one call after the other (what a memory costs that no cache holds, against ten that one does), and
//! of all of them after other work took the caches, as a switch's own work does between two requests (what a request
//! pays). A ratio is taken within a round; its median is over rounds.

pub(crate) mod country;

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use proto::authorise::{Choice, authorise, choose};
use proto::header::RequestHeader;
use proto::registry::Registry;

use country::{Country, NOW_MS};

/// Agreements in each registry; ratios are to the first.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// Agreements that are asked for over and over.
const HOT: usize = 10;
/// Different requests over all agreements.
const SPREAD: usize = 20_000;
const ROUNDS: usize = 9;
/// How long one figure is measured in one round.
const WINDOW: Duration = Duration::from_millis(150);
/// Calls between two looks at the clock.
const STRIDE: usize = 1_000;
/// Other memory that is written before each call that is to find nothing in the caches, bytes.
const OTHER_WORK: usize = 64 << 20;
/// Such calls in one round.
const COLD_CALLS: usize = 61;

/// One registry and what is asked of it.
struct Subject {
    agreements: usize,
    registry: Registry,
    hot: Vec<RequestHeader>,
    spread: Vec<RequestHeader>,
}

/// Figures of one registry, one for each round.
#[derive(Default)]
struct Figures {
    authorise_hot_ns: Vec<f64>,
    authorise_spread_ns: Vec<f64>,
    authorise_cold_ns: Vec<f64>,
    choose_hot_ns: Vec<f64>,
    choose_spread_ns: Vec<f64>,
    clone_ms: Vec<f64>,
}

/// Builds, measures, prints.
///
/// # Errors
/// An act that does not fold, or a request that is not permitted.
pub(crate) fn run() -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        println!("Not optimised: these figures are worthless. Use cargo run --release.");
    }
    let mut subjects = Vec::new();
    for agreements in SIZES {
        let begun = Instant::now();
        let country = Country::build(agreements)?;
        println!(
            "{agreements} agreements between {} agencies, {} acts folded in {:.1} s",
            country.agencies(),
            country.acts(),
            begun.elapsed().as_secs_f64()
        );
        subjects.push(Subject {
            agreements,
            hot: country.requests(HOT.min(agreements)),
            spread: country.requests(SPREAD),
            registry: country.into_registry(),
        });
    }
    for subject in &subjects {
        for request in subject.hot.iter().chain(&subject.spread) {
            ensure!(
                authorise(&subject.registry, request, NOW_MS).is_ok()
                    && matches!(
                        choose(&subject.registry, request, NOW_MS),
                        Choice::Permits { .. }
                    ),
                "a request that is agreed on was refused"
            );
        }
    }
    let mut other = vec![0_u8; OTHER_WORK];
    let mut figures: Vec<Figures> = SIZES.iter().map(|_| Figures::default()).collect();
    for _ in 0..ROUNDS {
        for (subject, figures) in subjects.iter().zip(&mut figures) {
            figures.measure(subject, &mut other);
        }
    }
    for (subject, own) in subjects.iter().zip(&figures) {
        print(subject.agreements, own, &figures[0]);
    }
    Ok(())
}

/// The figures of one registry, beside those of the first.
fn print(agreements: usize, own: &Figures, first: &Figures) {
    println!("\n{} agreements", agreements);
    for (name, own, first) in [
        (
            "authorise, the same ten",
            &own.authorise_hot_ns,
            &first.authorise_hot_ns,
        ),
        (
            "authorise, after other work",
            &own.authorise_cold_ns,
            &first.authorise_cold_ns,
        ),
        (
            "authorise, all in a row",
            &own.authorise_spread_ns,
            &first.authorise_spread_ns,
        ),
        (
            "choose, the same ten",
            &own.choose_hot_ns,
            &first.choose_hot_ns,
        ),
        (
            "choose, all in a row",
            &own.choose_spread_ns,
            &first.choose_spread_ns,
        ),
    ] {
        println!(
            "  {name:<28} {} ns, {} ×",
            Spread::of(own),
            Spread::ratio(own, first)
        );
    }
    println!("  {:<28} {} ms", "one clone", Spread::of(&own.clone_ms));
}

impl Figures {
    fn measure(&mut self, subject: &Subject, other: &mut [u8]) {
        let registry = &subject.registry;
        let decide = |request: &RequestHeader| authorise(registry, request, NOW_MS).is_ok();
        let find = |request: &RequestHeader| {
            matches!(choose(registry, request, NOW_MS), Choice::Permits { .. })
        };
        self.authorise_hot_ns.push(ns_each(&subject.hot, decide));
        self.authorise_spread_ns
            .push(ns_each(&subject.spread, decide));
        self.authorise_cold_ns
            .push(cold_ns(&subject.spread, other, decide));
        self.choose_hot_ns.push(ns_each(&subject.hot, find));
        self.choose_spread_ns.push(ns_each(&subject.spread, find));
        let begun = Instant::now();
        let copy = black_box(registry.clone());
        self.clone_ms.push(begun.elapsed().as_secs_f64() * 1_000.0);
        drop(copy);
    }
}

/// Nanoseconds of one call, over as many as fit into a window.
fn ns_each(requests: &[RequestHeader], call: impl Fn(&RequestHeader) -> bool) -> f64 {
    let mut next = requests.iter().cycle();
    let mut calls = 0_u32;
    let begun = Instant::now();
    while begun.elapsed() < WINDOW {
        for request in next.by_ref().take(STRIDE) {
            black_box(call(black_box(request)));
        }
        calls += STRIDE as u32;
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// Nanoseconds of one call, the median, each after other work took the caches. The request itself is at hand, as it
/// is after it was read.
fn cold_ns(
    requests: &[RequestHeader],
    other: &mut [u8],
    call: impl Fn(&RequestHeader) -> bool,
) -> f64 {
    let mut each: Vec<f64> = requests
        .iter()
        .step_by(requests.len().div_ceil(COLD_CALLS).max(1))
        .map(|request| {
            for byte in other.iter_mut().step_by(64) {
                *byte = byte.wrapping_add(1);
            }
            black_box(&mut *other);
            // Reads every byte of the request.
            black_box(format!("{request:?}"));
            let begun = Instant::now();
            black_box(call(black_box(request)));
            begun.elapsed().as_secs_f64() * 1e9
        })
        .collect();
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median, lowest and highest.
pub(crate) struct Spread(f64, f64, f64);

impl Spread {
    /// Of one figure's rounds.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        Self(
            at(sorted.len() / 2),
            at(0),
            at(sorted.len().saturating_sub(1)),
        )
    }

    /// Of the ratios within each round.
    pub(crate) fn ratio(own: &[f64], first: &[f64]) -> Self {
        let ratios: Vec<f64> = own
            .iter()
            .zip(first)
            .map(|(own, first)| own / first)
            .collect();
        Self::of(&ratios)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(median, lowest, highest) = self;
        let digits = if *median < 10.0 { 2 } else { 0 };
        write!(
            f,
            "{median:.digits$} ({lowest:.digits$}..{highest:.digits$})"
        )
    }
}
