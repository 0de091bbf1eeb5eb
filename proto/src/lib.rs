//! Skeleton: this crate is being laid.
