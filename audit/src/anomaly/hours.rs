//! When agencies ask: outside the working hours, or in hours of the day in which they rarely do.

use std::collections::HashMap;

use proto::id::AgencyId;

use super::zone::Local;
use super::{Asked, Odd, Oddity, Rules, Traces, Who};

/// Agencies watched.
const AGENCIES_MAX: usize = 4_096;

/// Watches every agency's day.
#[derive(Debug, Default)]
pub(super) struct Hours {
    agencies: HashMap<AgencyId, Agency>,
    unwatched: u64,
}

#[derive(Debug, Default)]
struct Agency {
    total: u64,
    days: u64,
    last_day: Option<i64>,
    hours: [HourOfDay; 24],
    outside: (u64, Traces),
}

#[derive(Debug, Default)]
struct HourOfDay {
    count: u64,
    days: u64,
    last_day: Option<i64>,
    traces: Traces,
}

impl Hours {
    pub(super) fn take(&mut self, rules: &Rules, asked: &Asked<'_>) {
        let (Some(agency), Some(local)) = (asked.agency(), rules.zone.local(asked.at_ms)) else {
            return;
        };
        if !self.agencies.contains_key(&agency) && self.agencies.len() >= AGENCIES_MAX {
            self.unwatched += 1;
            return;
        }
        let agency = self.agencies.entry(agency).or_default();
        let count = asked.count();
        agency.total = agency.total.saturating_add(count);
        if agency.last_day != Some(local.day) {
            agency.last_day = Some(local.day);
            agency.days += 1;
        }
        if let Some(hour) = agency.hours.get_mut(usize::from(local.hour)) {
            hour.count = hour.count.saturating_add(count);
            if hour.last_day != Some(local.day) {
                hour.last_day = Some(local.day);
                hour.days += 1;
            }
            hour.traces.add(asked.row);
        }
        if rules
            .working
            .is_some_and(|working| is_outside(rules, working, local))
        {
            agency.outside.0 = agency.outside.0.saturating_add(count);
            agency.outside.1.add(asked.row);
        }
    }

    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Those outside the working hours, and those in unusual ones.
    pub(super) fn finish(self, rules: &Rules) -> (Vec<Oddity>, Vec<Oddity>) {
        let (mut outside, mut unusual) = (Vec::new(), Vec::new());
        for (name, agency) in self.agencies {
            let who = || Who::Agency(name.clone());
            let (count, traces) = agency.outside;
            if count >= rules.hours_min && count as f64 >= rules.outside_share * agency.total as f64
            {
                outside.push(Oddity {
                    who: who(),
                    odd: Odd::OutsideHours {
                        total: agency.total,
                    },
                    count,
                    traces,
                });
            }
            if agency.days < rules.days_min {
                continue;
            }
            for (hour, found) in (0..).zip(agency.hours) {
                let rare = (found.days as f64) < rules.usual_share * agency.days as f64;
                if rare && found.count >= rules.hours_min {
                    unusual.push(Oddity {
                        who: who(),
                        odd: Odd::UnusualHour {
                            hour,
                            days: found.days,
                            days_in_all: agency.days,
                        },
                        count: found.count,
                        traces: found.traces,
                    });
                }
            }
        }
        (outside, unusual)
    }
}

fn is_outside(rules: &Rules, (from, to): (u8, u8), local: Local) -> bool {
    rules.weekend.contains(&local.weekday) || !(from..to).contains(&local.hour)
}
