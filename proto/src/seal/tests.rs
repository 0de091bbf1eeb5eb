//! Seals under attack: every change to label, origin, header, place or bytes is refused.
