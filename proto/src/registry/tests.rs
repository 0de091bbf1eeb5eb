//! The fold under hostile acts.
