//! Counting as the rules count: requests a day for quotas, and the sequence numbers of adapter runs.
//!
//! Takes requests in the order of the log. Keeps two days of counters, and the [`RUNS_MAX`] runs that were last heard of;
//! what ended before is settled: told once and forgotten. So memory does not grow with the log.

use std::collections::HashMap;

use proto::Digest;
use proto::id::AgencyId;

const DAY_MS: u64 = 86_400_000;
/// Adapter runs whose sequence numbers are followed. A run is some 100 bytes.
const RUNS_MAX: usize = 65_536;

/// Requests counted by day (UTC).
#[derive(Debug, Default)]
pub(super) struct Days {
    /// The last day on which anything was recorded.
    day: u64,
    grants: HashMap<(Digest, u32, u64), u64>,
    agencies: HashMap<(AgencyId, u64), u64>,
}

impl Days {
    /// Forgets the days that are over: a decision is recorded a minute later at most, so the day before still counts.
    pub(super) fn turn(&mut self, recorded_at_ms: u64) {
        let day = recorded_at_ms / DAY_MS;
        if day > self.day {
            self.day = day;
            self.grants.retain(|(.., counted), _| counted + 1 >= day);
            self.agencies.retain(|(_, counted), _| counted + 1 >= day);
        }
    }

    /// Counts a request decided at `decided_at_ms` under a grant; gives its number on that day.
    pub(super) fn count_grant(&mut self, agreement: Digest, grant: u32, decided_at_ms: u64) -> u64 {
        let key = (agreement, grant, decided_at_ms / DAY_MS);
        let used = self.grants.entry(key).or_insert(0);
        *used += 1;
        *used
    }

    /// Counts a request of an agency; gives its number on that day.
    pub(super) fn count_agency(&mut self, agency: AgencyId, decided_at_ms: u64) -> u64 {
        let key = (agency, decided_at_ms / DAY_MS);
        let used = self.agencies.entry(key).or_insert(0);
        *used += 1;
        *used
    }
}

/// A run of an adapter: which key, and which start of the process.
pub(super) type RunKey = (Digest, [u8; 16]);

#[derive(Clone, Copy, Debug)]
struct Run {
    /// Sequence number from which on it was followed.
    from: u64,
    largest: u64,
    count: u64,
    /// Log index of its last header.
    last: u64,
}

/// A run of which sequence numbers are not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) run: [u8; 16],
    pub(super) largest: u64,
    pub(super) missing: u64,
}

/// The runs that were last heard of.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: HashMap<RunKey, Run>,
    /// Whether a run was ever settled: one that begins in the middle may be one of those.
    settled: bool,
}

impl Runs {
    /// None yet. Whether the log begins in the middle, because older entries were pruned: then so may runs.
    pub(super) fn from_the_middle(settled: bool) -> Self {
        Self {
            settled,
            ..Self::default()
        }
    }

    /// Notes a header of a run; gives the gaps of runs that are settled to make room.
    pub(super) fn follow(&mut self, key: RunKey, sequence: u64, index: u64) -> Vec<Gap> {
        let from = if self.settled { sequence } else { 1 };
        let run = self.runs.entry(key).or_insert(Run {
            from,
            largest: 0,
            count: 0,
            last: index,
        });
        run.from = run.from.min(sequence);
        run.count += 1;
        run.largest = run.largest.max(sequence);
        run.last = index;
        if self.runs.len() <= RUNS_MAX {
            return Vec::new();
        }
        let mut lasts: Vec<u64> = self.runs.values().map(|run| run.last).collect();
        let (_, middle, _) = lasts.select_nth_unstable(RUNS_MAX / 2);
        let middle = *middle;
        self.settle(|run| run.last < middle)
    }

    /// The gaps of all runs that are left.
    pub(super) fn finish(mut self) -> Vec<Gap> {
        self.settle(|_| true)
    }

    fn settle(&mut self, over: impl Fn(&Run) -> bool) -> Vec<Gap> {
        self.settled = true;
        let mut gaps = Vec::new();
        self.runs.retain(|(_, key), run| {
            if !over(run) {
                return true;
            }
            let sealed = run.largest - run.from + 1;
            if run.count < sealed {
                let missing = sealed - run.count;
                gaps.push((
                    run.last,
                    Gap {
                        run: *key,
                        largest: run.largest,
                        missing,
                    },
                ));
            }
            false
        });
        // In the order of the log, whatever the order of the map.
        gaps.sort_unstable_by_key(|(last, _)| *last);
        gaps.into_iter().map(|(_, gap)| gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u64) -> RunKey {
        let mut run = [0; 16];
        run[..8].copy_from_slice(&number.to_be_bytes());
        (Digest::default(), run)
    }

    #[test]
    fn days_that_are_over_are_forgotten_and_the_one_before_is_not() {
        let mut days = Days::default();
        let agency = AgencyId::parse("EG/GOV/MOSS").unwrap();
        for day in 1..1_000 {
            let now_ms = day * DAY_MS;
            days.turn(now_ms);
            assert_eq!(days.count_grant(Digest::default(), 1, now_ms), 1);
            assert_eq!(days.count_agency(agency.clone(), now_ms), 1);
            // Decided before midnight, recorded after it.
            assert_eq!(
                days.count_agency(agency.clone(), now_ms - 1),
                if day == 1 { 1 } else { 2 }
            );
            assert!(days.grants.len() <= 2 && days.agencies.len() <= 2);
        }
    }

    #[test]
    fn gaps_are_told_in_order_and_runs_without_any_are_not() {
        let mut runs = Runs::default();
        for sequence in [2, 1, 3] {
            assert!(runs.follow(run(1), sequence, sequence).is_empty());
        }
        runs.follow(run(2), 7, 9);
        runs.follow(run(3), 2, 4);
        let gap = |number, largest, missing| Gap {
            run: run(number).1,
            largest,
            missing,
        };
        assert_eq!(runs.finish(), [gap(3, 2, 1), gap(2, 7, 6)]);
    }

    #[test]
    fn runs_are_bounded_and_what_is_settled_is_told_once() {
        let mut runs = Runs::default();
        let mut gaps = Vec::new();
        let count = 3 * RUNS_MAX as u64;
        for number in 0..count {
            // Every tenth misses its first header.
            let sequence = if number % 10 == 0 { 2 } else { 1 };
            gaps.extend(runs.follow(run(number), sequence, number));
            assert!(runs.runs.len() <= RUNS_MAX);
        }
        let settled = gaps.len();
        assert!(settled > RUNS_MAX / 10);
        // Begun before there was need to settle anything; later ones are followed from where they are met.
        let early = gaps.iter().all(|gap| gap.missing == 1);
        assert!(early && settled <= (RUNS_MAX + 1) / 10 + 1, "{settled}");
        // One that was settled and goes on is followed from there.
        runs.follow(run(1), 5, count);
        runs.follow(run(1), 7, count + 1);
        let last = runs.finish();
        assert_eq!(
            last.last(),
            Some(&Gap {
                run: run(1).1,
                largest: 7,
                missing: 1
            })
        );
    }
}
