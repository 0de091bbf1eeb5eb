//! Medians, spreads, ratios and goals from measurements whose outcome is known.

use clap::Parser as _;
use cli::bench::load::{Latency, Outcome};
use cli::bench::window::Part;

use super::*;

#[derive(Debug, clap::Parser)]
struct OnlyPlan {
    #[command(flatten)]
    plan: Plan,
}

fn measured(side: Side, load: Load, round: u32, exchanges_per_s: f64) -> Measurement {
    let name = if side.mode().is_some() {
        "switch"
    } else {
        "nginx"
    };
    let parts = [name, "client"].map(|name| Part {
        name,
        cpu_us: 1,
        cpu_us_per_exchange: 60_000.0 / exchanges_per_s,
        put_off_us_per_exchange: 0.5,
        rss_mib: 12.0,
    });
    // p50 and p99 of so many milliseconds.
    let latency_us = (1e6 / exchanges_per_s) as u32;
    Measurement {
        side,
        load,
        round,
        measured: Measured {
            outcome: Outcome {
                latency: Latency::of([latency_us]).unwrap(),
                ..Outcome::default()
            },
            exchanges_per_s,
            parts: parts.to_vec(),
            others_cpu_percent: 1.0,
            stolen_percent: 0.0,
            load_average: 0.5,
        },
    }
}

fn report(measurements: Vec<Measurement>) -> Report {
    let evidence = Evidence {
        entries: 10,
        requests: 4,
        closings: 4,
    };
    Report {
        machine: "a machine".to_owned(),
        programs: vec!["nginx/1".to_owned()],
        optimised: true,
        disk_is_memory: false,
        load_average_before: 0.25,
        plan: OnlyPlan::parse_from(["benches"]).plan,
        synced_append: vec![
            SyncedAppend {
                p50_us: 100,
                p99_us: 500,
            };
            3
        ],
        profiles: vec![Compared {
            profile: Profile::Small,
            in_flight: 128,
            measurements,
            logs: vec![(Side::Batches, evidence)],
        }],
    }
}

#[test]
fn a_ratio_is_taken_within_its_round() {
    let report = report(vec![
        measured(Side::Nginx, Load::Full, 1, 100.0),
        measured(Side::Batches, Load::Full, 1, 50.0),
        measured(Side::Nginx, Load::Full, 2, 400.0),
        measured(Side::Batches, Load::Full, 2, 100.0),
        // A round that one side did not finish gives no ratio.
        measured(Side::Batches, Load::Full, 3, 900.0),
    ]);
    let compared = &report.profiles[0];
    let rate = |one: &Measured| one.exchanges_per_s;
    let ratio = compared.to_nginx(Side::Batches, Load::Full, rate).unwrap();
    assert_eq!((ratio.lowest, ratio.highest), (0.25, 0.5));
    assert_eq!(compared.to_nginx(Side::Batches, Load::One, rate), None);
}

#[test]
fn goals_are_met_or_not_by_the_median_and_in_their_own_direction() {
    let report = report(vec![
        measured(Side::Nginx, Load::Full, 1, 1_000.0),
        measured(Side::Single, Load::Full, 1, 500.0),
        measured(Side::Batches, Load::Full, 1, 500.0),
        measured(Side::Hub, Load::One, 1, 1_250.0),
        measured(Side::Batches, Load::One, 1, 400.0),
        measured(Side::Nginx, Load::Half, 1, 500.0),
        measured(Side::Batches, Load::Half, 1, 200.0),
    ]);
    let goals = goals::of(&report);
    let of = |ratio: &str, side: Side| {
        let found = goals
            .iter()
            .find(|one| one.ratio.starts_with(ratio) && one.side == side);
        let found = found.unwrap();
        (found.value.median, found.met)
    };
    assert_eq!(of("throughput", Side::Single), (0.5, Some(true)));
    assert_eq!(of("throughput", Side::Batches), (0.5, Some(false)));
    // The same CPU a second, half of the exchanges.
    assert_eq!(of("switch CPU", Side::Batches), (2.0, None));
    // 2.5 ms ÷ (0.8 + 2 × 0.1), three digits each.
    let (one, met) = of("p50 of one", Side::Batches);
    assert!((one - 2.5).abs() < 0.01 && met == Some(false), "{one}");
    // 5 ms ÷ (2 + 2 × 0.5).
    let (half, met) = of("p99 at half", Side::Batches);
    assert!((half - 1.67).abs() < 0.01 && met == Some(true), "{half}");
}

#[test]
fn nobody_looks_good_beside_a_side_that_did_not_keep_its_rate() {
    let report = report(vec![
        measured(Side::Nginx, Load::Full, 1, 1_000.0),
        measured(Side::Batches, Load::Full, 1, 400.0),
        measured(Side::Nginx, Load::Half, 1, 50.0),
        measured(Side::Batches, Load::Half, 1, 200.0),
    ]);
    let goals = goals::of(&report);
    assert!(goals.iter().all(|one| !one.ratio.starts_with("p99")));
    let text = report.to_string();
    assert!(text.contains("nginx did not keep half"), "{text}");
}

#[test]
fn table_json_and_drawing_say_the_same() {
    let report = report(vec![
        measured(Side::Nginx, Load::Full, 1, 200.0),
        measured(Side::Batches, Load::Full, 1, 100.0),
    ]);
    let text = report.to_string();
    assert!(text.contains("0.50 (0.50..0.50)"), "{text}");
    assert!(text.contains("goal ≥ 0.75: NOT MET"), "{text}");
    assert!(text.contains("p50 0.10 (0.10..0.10) ms"), "{text}");
    assert!(!text.contains("WARNING"), "{text}");
    let json = report.json();
    let summary = &json["profiles"][0]["summaries"][1];
    assert_eq!(summary["to_nginx"]["exchanges_per_s"]["median"], 0.5);
    assert_eq!(summary["parts"][0]["name"], "switch");
    assert_eq!(json["profiles"][0]["logs"][0]["log"]["requests"], 4);
    assert_eq!(json["goals"][0]["met"], false);
    let drawn = drawing(&report);
    assert!(drawn.contains("mohawel, batches") && drawn.contains("0.50"));
}

#[test]
fn what_makes_figures_worthless_is_said() {
    let bad = Report {
        optimised: false,
        disk_is_memory: true,
        ..report(Vec::new())
    };
    assert_eq!(bad.to_string().matches("WARNING").count(), 2);
}

#[test]
fn without_nginx_there_is_no_ratio() {
    let report = report(vec![measured(Side::Batches, Load::Full, 1, 100.0)]);
    assert!(goals::of(&report).is_empty());
    assert!(!report.to_string().contains("NOT MET"));
}
