//! The integration tests: one binary, so that everything is linked once.
//!
//! Material that is too large for the repository is looked for in `../shared` beside the clone, or where
//! `VAIRUN_SHARED` points; a test that needs it says so and passes without it.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a skipped test says so; helpers of tests may panic

mod cli;
mod corpus;
mod digits;
mod examples;
mod faults;
mod fused;
mod layers;
mod material;
mod onnx_backend;
mod operators;
mod tract;
mod vectors;
mod xmodel;
