//! The integration tests: one binary, so that everything is linked once.
//!
//! Material that is too large for the repository is looked for in `../shared` beside the clone, or where
//! `VAIRUN_SHARED` points; a test that needs it says so and passes without it.

#![allow(clippy::print_stdout)] // a skipped test says so

mod corpus;
mod material;
