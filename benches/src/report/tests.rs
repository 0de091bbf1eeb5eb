//! Medians, spreads and ratios from measurements whose outcome is known.

use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct OnlyPlan {
    #[command(flatten)]
    plan: Plan,
}

fn measured(side: Side, round: u32, exchanges_per_s: f64) -> Measurement {
    let name = if side == Side::Nginx {
        "nginx"
    } else {
        "switch"
    };
    Measurement {
        side,
        in_flight: 128,
        round,
        exchanges_per_s,
        p50_ms: 2.0,
        p99_ms: 4.0,
        max_ms: 8.0,
        parts: vec![Part {
            name,
            cpu_us_per_exchange: 30.0,
            put_off_us_per_exchange: 0.5,
            rss_mib: 12.0,
        }],
        others_cpu_percent: 1.0,
        stolen_percent: 0.0,
        load_average: 0.5,
    }
}

fn report(measurements: Vec<Measurement>) -> Report {
    Report {
        machine: "a machine".to_owned(),
        nginx: "nginx/1".to_owned(),
        optimised: true,
        disk_is_memory: false,
        load_average_before: 0.25,
        plan: OnlyPlan::parse_from(["benches"]).plan,
        synced_append_us: vec![300, 100, 200],
        measurements,
        log: Some(Evidence {
            entries: 10,
            requests: 4,
            closings: 4,
        }),
    }
}

#[test]
fn medians_stand_in_the_middle() {
    let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
    assert_eq!((odd.median, odd.lowest, odd.highest), (2.0, 1.0, 3.0));
    assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
    assert_eq!(Spread::of([]), None);
}

#[test]
fn a_ratio_is_taken_within_its_round() {
    let report = report(vec![
        measured(Side::Nginx, 1, 100.0),
        measured(Side::Mohawel, 1, 50.0),
        measured(Side::Nginx, 2, 400.0),
        measured(Side::Mohawel, 2, 100.0),
        // A round that one side did not finish gives no ratio.
        measured(Side::Mohawel, 3, 900.0),
    ]);
    let ratio = report.ratio(128, |one| one.exchanges_per_s).unwrap();
    assert_eq!((ratio.lowest, ratio.highest), (0.25, 0.5));
    assert_eq!(report.ratio(1, |one| one.exchanges_per_s), None);
}

#[test]
fn the_table_and_the_json_say_the_same() {
    let report = report(vec![
        measured(Side::Nginx, 1, 200.0),
        measured(Side::Mohawel, 1, 100.0),
    ]);
    let text = report.to_string();
    assert!(text.contains("0.50 (0.50..0.50)"), "{text}");
    assert!(
        text.contains("mohawel switch") && text.contains("0.20 (0.10..0.30) ms"),
        "{text}"
    );
    assert!(!text.contains("WARNING"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["mohawel_to_nginx"][0]["exchanges_per_s"]["median"],
        0.5
    );
    assert_eq!(json["summaries"][1]["parts"][0]["name"], "switch");
    assert_eq!(json["log"]["requests"], 4);
    assert_eq!(json["plan"]["connections"], 4);
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
fn one_side_alone_has_no_ratio() {
    let report = report(vec![measured(Side::Mohawel, 1, 100.0)]);
    assert!(!report.to_string().contains('÷'));
}
