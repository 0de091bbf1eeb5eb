//! How exchanges ended, counted since the start: for whoever watches the switch. The log has them one by one.

use std::sync::atomic::{AtomicU64, Ordering};

use proto::Code;

/// One counter for each end.
#[derive(Debug)]
pub(super) struct Ended {
    answered: AtomicU64,
    /// In the order of [`Code::ALL`].
    codes: Vec<AtomicU64>,
}

impl Default for Ended {
    fn default() -> Self {
        Self {
            answered: AtomicU64::new(0),
            codes: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Ended {
    /// One more that ended with `code`; `None`: with an answer.
    pub(super) fn note(&self, code: Option<Code>) {
        let counter = match code {
            None => Some(&self.answered),
            Some(code) => Code::ALL
                .iter()
                .position(|known| *known == code)
                .and_then(|place| self.codes.get(place)),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each end that there was, by its stable word, and how often.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let answered = ("answered", self.answered.load(Ordering::Relaxed));
        let codes = Code::ALL.iter().zip(&self.codes);
        let codes = codes.map(|(code, count)| (code.name(), count.load(Ordering::Relaxed)));
        std::iter::once(answered)
            .chain(codes.filter(|(_, count)| *count > 0))
            .collect()
    }
}

impl super::Exchange {
    /// How exchanges ended since the start: each outcome or refusal code that there was, and how often.
    pub fn ended(&self) -> Vec<(&'static str, u64)> {
        self.ended.counts()
    }
}
