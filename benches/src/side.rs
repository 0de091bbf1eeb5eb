//! Who is measured.

use std::fmt;

use clap::ValueEnum;
use cli::bench::ours::Mode;
use serde::Serialize;

use crate::peer::Kind;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// nginx, which signs, decides and records nothing.
    Nginx,
    /// haproxy, the same.
    Haproxy,
    /// The bare hub: our frames through tonic, no seals and no log.
    Hub,
    /// The switch, unary calls, every header sealed alone.
    Single,
    /// The switch, unary calls, headers that wait together sealed together.
    Batches,
    /// The switch, calls on a stream for each connection, headers that wait together sealed together.
    Stream,
}

impl Side {
    /// The mode of our side.
    pub(crate) fn mode(self) -> Option<Mode> {
        match self {
            Self::Nginx | Self::Haproxy | Self::Hub => None,
            Self::Single => Some(Mode::Single),
            Self::Batches => Some(Mode::Batches),
            Self::Stream => Some(Mode::Stream),
        }
    }

    /// Which peer.
    pub(crate) fn peer(self) -> Option<Kind> {
        match self {
            Self::Nginx => Some(Kind::Nginx),
            Self::Haproxy => Some(Kind::Haproxy),
            Self::Hub => Some(Kind::Hub),
            Self::Single | Self::Batches | Self::Stream => None,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nginx | Self::Haproxy => {
                f.write_str(self.peer().map(Kind::name).unwrap_or_default())
            }
            Self::Hub => f.write_str("bare hub"),
            Self::Single => f.write_str("mohawel, no batches"),
            Self::Batches => f.write_str("mohawel, batches"),
            Self::Stream => f.write_str("mohawel, stream"),
        }
    }
}
