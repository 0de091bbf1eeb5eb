//! Replays of logs that lie.
