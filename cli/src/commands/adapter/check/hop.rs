//! One hop of the way from an adapter to the log, as it was found.

/// How a hop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    Good,
    /// Works, and somebody should look.
    Look,
    /// Does not work; what follows was not tried.
    Failed,
}

/// One hop as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// English and Arabic name.
    pub name: [&'static str; 2],
    /// How it stands.
    pub standing: Standing,
    /// What was found.
    pub found: String,
    /// What to do, English then Arabic; empty when nothing.
    pub remedy: [&'static str; 2],
}

/// A hop that is good.
pub(super) fn good(name: [&'static str; 2], found: impl Into<String>) -> Hop {
    Hop {
        name,
        standing: Standing::Good,
        found: found.into(),
        remedy: ["", ""],
    }
}

/// A hop that does not work.
pub(super) fn failed(
    name: [&'static str; 2],
    found: impl ToString,
    remedy: [&'static str; 2],
) -> Hop {
    Hop {
        name,
        standing: Standing::Failed,
        found: found.to_string(),
        remedy,
    }
}

impl Standing {
    /// The word for people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Look => "look",
            Self::Failed => "failed",
        }
    }

    /// The Arabic word.
    pub fn name_ar(self) -> &'static str {
        match self {
            Self::Good => "سليمة",
            Self::Look => "تحتاج نظرًا",
            Self::Failed => "متعطلة",
        }
    }
}
