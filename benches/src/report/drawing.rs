//! The report as one SVG page: throughput by nginx's, latency by percentile, and the ratios with their goals.

use cli::bench::load::latency::QUANTILES;
use cli::bench::round::Load;
use cli::bench::spread::Spread;

use super::{Compared, Report, goals};
use audit::svg::{Bar, Page, Series};

/// The page.
pub(crate) fn drawing(report: &Report) -> String {
    let mut page = Page::default();
    page.title(&report.machine);
    for compared in &report.profiles {
        page.title(&format!(
            "{}: throughput ÷ nginx, {} in flight",
            compared.profile, compared.in_flight
        ));
        page.bars(&throughput(compared));
        for load in compared.loads() {
            page.title(&format!(
                "{}: latency by percentile, {}",
                compared.profile,
                named(load)
            ));
            page.lines(&places(), "ms", &latency(compared, load));
        }
    }
    page.title("ratios; the red mark is the goal");
    let ratios: Vec<Bar> = goals::of(report)
        .into_iter()
        .map(|one| {
            bar(
                format!("{}: {}", short(one.ratio), one.side),
                one.value,
                one.goal,
            )
        })
        .collect();
    page.bars(&ratios);
    page.finish()
}

fn named(load: Load) -> &'static str {
    match load {
        Load::Full => "loaded",
        Load::Half => "half of its peak",
        Load::One => "1 in flight",
    }
}

/// A ratio's first words.
fn short(ratio: &str) -> &str {
    ratio.split(" ÷").next().unwrap_or(ratio)
}

fn bar(name: String, value: Spread, goal: Option<f64>) -> Bar {
    Bar {
        name,
        value: value.median,
        lowest: value.lowest,
        highest: value.highest,
        goal,
    }
}

fn throughput(compared: &Compared) -> Vec<Bar> {
    let sides = compared.sides();
    let bars = sides.into_iter().filter_map(|side| {
        let ratio = compared.to_nginx(side, Load::Full, |one| one.exchanges_per_s)?;
        Some(bar(side.to_string(), ratio, None))
    });
    bars.collect()
}

fn places() -> Vec<String> {
    let named = |quantile: f64| {
        if quantile >= 1.0 {
            "longest".to_owned()
        } else {
            // Rounded: 0.999 × 100 is not 99.9.
            format!("p{}", (quantile * 1e4).round() / 1e2)
        }
    };
    QUANTILES.map(named).to_vec()
}

fn latency(compared: &Compared, load: Load) -> Vec<Series> {
    let series = compared.sides().into_iter().map(|side| {
        let values = (0..QUANTILES.len()).map(|at| {
            let ms = compared.over(side, load, |one| one.outcome.latency.us[at] as f64 / 1e3);
            ms.map(|spread| spread.median)
        });
        Series {
            name: side.to_string(),
            values: values.collect(),
        }
    });
    series.collect()
}
