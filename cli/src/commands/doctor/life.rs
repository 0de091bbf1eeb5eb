//! What is left of a certificate's life, against one clock.

use certs::Validity;
use time::{Duration, OffsetDateTime};

use super::check::Check;
use super::row::{Both, Row};

/// How a certificate is kept alive, and from when on that must have failed.
#[derive(Clone, Copy, Debug)]
pub enum Renewal {
    /// By itself when a third of its life is left.
    ByThird,
    /// With so much left.
    Before(Duration),
}

impl Renewal {
    /// With less than this left, renewing did not happen in time.
    fn overdue(self, life: Duration) -> Duration {
        match self {
            Self::ByThird => life / 4,
            Self::Before(left) => left,
        }
    }
}

/// Judges `lives`, each with its name, at `now`: the one with the least left decides.
pub fn judge(
    check: Check,
    lives: &[(&str, Validity)],
    renewal: Renewal,
    now: OffsetDateTime,
    remedy: [&str; 2],
) -> Row {
    let found = lives.iter().map(|(name, life)| {
        let (left, left_ar) = span(life.not_after - now);
        let end = life.not_after.date();
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name} ")
        };
        [
            format!("{name}until {end} ({left})"),
            format!("{name}حتى {end} ({left_ar})"),
        ]
    });
    let found = joined(found);
    let least = lives
        .iter()
        .map(|(_, life)| *life)
        .min_by_key(|life| life.not_after);
    let Some(life) = least else {
        return check.failed(found, remedy);
    };
    let left = life.not_after - now;
    if left <= Duration::ZERO {
        check.failed(found, remedy)
    } else if left < renewal.overdue(life.not_after - life.not_before) {
        check.warning(found, remedy)
    } else {
        check.ok(found)
    }
}

/// A span as people say it, in both languages.
fn span(left: Duration) -> (String, String) {
    let (days, hours, seconds) = (left.whole_days(), left.whole_hours(), left.whole_seconds());
    match seconds {
        i64::MIN..=0 => ("ended".to_owned(), "انتهت".to_owned()),
        1..7_200 => (
            format!("{seconds} s left"),
            format!("الثواني الباقية: {seconds}"),
        ),
        7_200..172_800 => (
            format!("{hours} hours left"),
            format!("الساعات الباقية: {hours}"),
        ),
        _ => (
            format!("{days} days left"),
            format!("الأيام الباقية: {days}"),
        ),
    }
}

fn joined(parts: impl Iterator<Item = Both>) -> Both {
    let mut all = Both::default();
    for part in parts {
        for ((all, part), between) in all.iter_mut().zip(part).zip(["; ", "؛ "]) {
            if !all.is_empty() {
                all.push_str(between);
            }
            all.push_str(&part);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::row::Standing;
    use super::*;

    #[test]
    fn a_life_is_good_then_overdue_then_ended() {
        let start = OffsetDateTime::from_unix_timestamp(1_795_348_800).unwrap();
        let life = |days| Validity {
            not_before: start,
            not_after: start + Duration::days(days),
        };
        let standing = |renewal, lives: &[(&str, Validity)], day: i64| {
            judge(
                Check::Certificate,
                lives,
                renewal,
                start + Duration::days(day),
                ["a", "b"],
            )
            .standing
        };
        let week = [("", life(8))];
        for (day, expected) in [
            (0, Standing::Ok),
            (6, Standing::Ok),
            (7, Standing::Warning),
            (8, Standing::Failed),
            (900, Standing::Failed),
        ] {
            assert_eq!(standing(Renewal::ByThird, &week, day), expected, "{day}");
        }
        // The one that ends first decides.
        let two = [("root", life(7_300)), ("brokers", life(100))];
        let before = Renewal::Before(Duration::days(30));
        assert_eq!(standing(before, &two, 70), Standing::Ok);
        assert_eq!(standing(before, &two, 71), Standing::Warning);
        assert_eq!(standing(before, &two, 100), Standing::Failed);
        assert_eq!(standing(before, &[], 0), Standing::Failed);
    }
}
