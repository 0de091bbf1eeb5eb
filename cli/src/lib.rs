//! Skeleton: this crate is being laid.

pub mod demo;
