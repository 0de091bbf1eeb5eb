//! The rooms without a network: a founded switch, two agencies, an adapter that the test plays.

mod again;
mod founding;
mod outcomes;
mod refusals;
mod submissions;
mod world;
