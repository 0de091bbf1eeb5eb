//! One file a command: from arguments to what people read. No rule of the protocol lives here.
//!
//! Each command is a function with a typed result, and its printing apart, so that the demo and the tests run the
//! very same thing. What several share: [`act`] (seal, submit, prove), [`operator`], [`registry`] (where lists come
//! from), [`refused`] (how the switch's no is told), [`switch_dir`] (where what lies), [`new_file`] (a place that is tried before anything is done).

pub mod act;
pub mod adapter;
pub mod agency;
pub mod agreement;
pub mod audit;
pub mod backup;
pub mod batch;
pub mod broker;
pub mod call;
pub mod certs;
pub mod compose;
pub mod declare;
pub mod directory;
pub mod doctor;
pub mod event;
pub mod explain;
pub mod init;
pub mod log_key;
pub mod members;
pub mod new_file;
pub mod operate;
pub mod operator;
pub mod people;
pub mod person;
pub mod refused;
pub mod registry;
pub mod review;
pub mod service;
pub mod signal;
pub mod submission;
pub mod switch_dir;
mod toml_keys;
pub mod witness;
