//! Tests of the memory.
