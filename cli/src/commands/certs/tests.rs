//! Which certificates need somebody.

use proto::digest::Digest;
use proto::id::Part;

use super::*;

const DAY: u64 = 86_400;

fn certificate(name: &str, index: u64, not_after: u64) -> Certificate {
    Certificate {
        uri: format!("spiffe://switch.test/EG/GOV/{name}"),
        sha256: Digest::of(&index.to_be_bytes()),
        not_before: 0,
        not_after,
        index,
        outside: false,
        key_sha256: None,
        revoked: None,
    }
}

/// Indexes and standings at day 10.
fn at_day_10(certificates: &[Certificate]) -> Vec<(u64, Standing)> {
    list(certificates.iter(), 10 * DAY * 1_000)
        .iter()
        .map(|listed| (listed.certificate.index, listed.standing))
        .collect()
}

#[test]
fn the_newest_of_a_name_counts_and_the_first_to_end_stands_first() {
    let mut revoked = certificate("MOSS/takaful", 9, 30 * DAY);
    revoked.revoked = Some((10, Part::parse("stolen").unwrap()));
    let mut over = revoked.clone();
    (over.index, over.not_after) = (8, 9 * DAY);
    let certificates = [
        certificate("CIVIL/registry", 1, 8 * DAY),
        certificate("CIVIL/registry", 3, 12 * DAY),
        certificate("CIVIL/registry", 5, 17 * DAY),
        certificate("GIZA/services", 2, 9 * DAY),
        certificate("MOSS/takaful", 7, 15 * DAY),
        revoked,
        over,
    ];
    assert_eq!(
        at_day_10(&certificates),
        [
            (2, Standing::Ended),
            (3, Standing::Renewed),
            (7, Standing::Current),
            (5, Standing::Current),
            (9, Standing::Revoked),
        ]
    );
    assert_eq!(at_day_10(&[]), []);
}

#[test]
fn of_two_with_one_end_the_later_entry_is_the_newer() {
    let certificates = [
        certificate("MOSS/takaful", 4, 12 * DAY),
        certificate("MOSS/takaful", 6, 12 * DAY),
    ];
    assert_eq!(
        at_day_10(&certificates),
        [(6, Standing::Current), (4, Standing::Renewed)]
    );
}

#[test]
fn what_needs_somebody_ends_soon_or_has_ended_and_has_no_successor() {
    let mut revoked = certificate("D/d", 5, 11 * DAY);
    revoked.revoked = Some((6, Part::parse("lost").unwrap()));
    let certificates = [
        certificate("A/a", 1, 11 * DAY),
        certificate("A/a", 2, 40 * DAY),
        certificate("B/b", 3, 17 * DAY),
        certificate("C/c", 4, 9 * DAY),
        revoked,
    ];
    let listed = list(certificates.iter(), 10 * DAY * 1_000);
    let within = |days: u64| {
        let found = listed
            .iter()
            .filter(|listed| listed.ends_within(Duration::from_secs(days * DAY)));
        found
            .map(|listed| listed.certificate.index)
            .collect::<Vec<_>>()
    };
    assert_eq!(within(0), [4]);
    assert_eq!(within(7), [4, 3]);
    assert_eq!(within(30), [4, 3, 2]);
}

#[test]
fn ends_that_no_clock_reaches_are_listed() {
    let certificates = [certificate("A/a", 1, u64::MAX), certificate("B/b", 2, 0)];
    assert_eq!(
        at_day_10(&certificates),
        [(2, Standing::Ended), (1, Standing::Current)]
    );
}

#[test]
fn names_and_spans_are_short() {
    assert_eq!(name_of("spiffe://switch.test/EG/GOV/A/a"), "EG/GOV/A/a");
    assert_eq!(name_of("urn:somebody"), "urn:somebody");
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (61, "1m 1s"),
        (3_700, "1h 1m"),
        (90_000, "1d 1h"),
        (7 * DAY, "7d 0h"),
    ] {
        assert_eq!(left(Duration::from_secs(seconds)), text);
    }
}
