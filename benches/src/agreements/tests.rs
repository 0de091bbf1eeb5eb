//! The report, from windows whose outcome is known.

use clap::Parser as _;
use cli::bench::load::{Latency, Outcome};
use cli::bench::window::Part;

use super::*;

#[derive(Debug, clap::Parser)]
struct OnlyPlan {
    #[command(flatten)]
    plan: Plan,
}

fn window(agreements: u32, asked: Asked, round: u32, exchanges_per_s: f64) -> Window {
    let part = Part {
        name: "switch",
        cpu_us: 1,
        cpu_us_per_exchange: 1e6 / exchanges_per_s,
        put_off_us_per_exchange: 0.0,
        rss_mib: 12.0,
    };
    Window {
        agreements,
        asked,
        round,
        measured: Measured {
            outcome: Outcome {
                latency: Latency::of([20_000]).unwrap(),
                ..Outcome::default()
            },
            exchanges_per_s,
            parts: vec![part],
            others_cpu_percent: 1.0,
            stolen_percent: 0.0,
            load_average: 0.5,
        },
    }
}

fn report(windows: Vec<Window>) -> Report {
    let start = |agreements| Start {
        agreements,
        agencies: 4,
        asked: 3,
        founding_s: 0.5,
        switch_s: 0.25,
        switch_cpu_s: 0.125,
        switch_rss_mib: 60.0,
        adapter_s: 0.5,
        adapter_cpu_s: 0.25,
        adapter_rss_mib: 30.0,
    };
    let line = ["benches", "--agreements", "10,1000", "--rounds", "2"];
    Report {
        machine: "a machine".to_owned(),
        optimised: true,
        disk_is_memory: false,
        load_average_before: 0.25,
        plan: OnlyPlan::parse_from(line).plan,
        starts: vec![start(10), start(1_000)],
        windows,
        logs: Vec::new(),
    }
}

#[test]
fn a_ratio_is_taken_within_its_round_and_held_against_the_goal() {
    let report = report(vec![
        window(10, Asked::One, 1, 6_000.0),
        window(1_000, Asked::One, 1, 4_000.0),
        window(10, Asked::Many, 1, 3_000.0),
        window(1_000, Asked::Many, 1, 3_000.0),
        // A slower machine in the second round changes no ratio.
        window(10, Asked::One, 2, 3_000.0),
        window(1_000, Asked::One, 2, 2_000.0),
        window(10, Asked::Many, 2, 1_500.0),
        window(1_000, Asked::Many, 2, 1_500.0),
    ]);
    let text = report.to_string();
    assert!(text.contains("1.500 (1.500..1.500)"), "{text}");
    assert!(text.contains("1.000 (1.000..1.000)"), "{text}");
    assert_eq!(text.matches("goal ≤ 1.2: NOT MET").count(), 1, "{text}");
    assert_eq!(text.matches("goal ≤ 1.2: met").count(), 1, "{text}");
    let drawing = table::drawing(&report);
    assert!(drawing.contains("1000, under one"), "{drawing}");
    assert!(drawing.contains("1000, under many"), "{drawing}");
}

#[test]
fn numbers_of_agreements_that_no_world_can_hold_are_refused() {
    for wrong in ["9", "400001", "", "ten"] {
        let line = ["benches", "--agreements", wrong];
        assert!(OnlyPlan::try_parse_from(line).is_err(), "{wrong}");
    }
    let plan = OnlyPlan::parse_from(["benches"]).plan;
    assert_eq!(plan.agreements, [10, 1_000, 100_000]);
}
