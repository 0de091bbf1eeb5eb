//! Examples live in `src/bin/`, one story a file.
