//! Directories as people write them, good and bad; and a running switch that is made what a directory says.

mod directory;
mod switch;
mod world;
