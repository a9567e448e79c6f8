//! The command `vairun`: arguments, files and exit codes. Everything else is in the libraries.
//!
//! A verb is a file in `verbs/`. Results go to stdout; how they came to be, and what is wrong, to stderr.

mod args;
mod closest;
mod compare;
mod dump;
mod engine;
mod failure;
mod inputs;
mod logging;
mod mismatches;
mod numbers;
mod outputs;
mod progress;
mod reports;
mod table;
mod vary;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

/// Runs the command with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    keep_memory();
    let args = match Args::try_parse_from(args::with_verb(std::env::args_os())) {
        Ok(args) => args,
        Err(error) => return failure::told(&error),
    };
    args.global.color.apply();
    logging::start(args.global.verbose);
    failure::exit_code(args.verb.run(&args.global))
}

/// Lets the allocator keep memory between runs.
///
/// glibc gives back what is freed at once where it is large, and each run would have its pages made again: a fifth of the
/// time of a network of floats. How large that is, it learns from blocks that are freed. Nobody touches this one, so that
/// it takes no memory; other allocators take no notice.
fn keep_memory() {
    /// Below 32 MiB, beyond which glibc does not learn.
    const LARGE: usize = 31 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}
