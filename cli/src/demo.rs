//! The demo: a whole switch with its agencies on one machine.

pub mod people;
