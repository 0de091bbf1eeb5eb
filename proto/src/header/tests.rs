//! Headers: one form only.
