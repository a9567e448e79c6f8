//! The command `vairun`: arguments, files and exit codes. Everything else is in the libraries.

#![allow(clippy::print_stdout, clippy::print_stderr)] // this is the place that prints

mod args;
mod failure;
mod inputs;
mod logging;
mod numbers;
mod outputs;
mod progress;
mod random;
mod table;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Verb};

fn main() -> ExitCode {
    let args = Args::parse_from(args::with_verb(std::env::args_os()));
    logging::start(args.verbose);
    let result = match args.verb {
        Verb::Run(run) => verbs::run::run(&run, args.quiet),
        Verb::Inspect(inspect) => verbs::inspect::inspect(&inspect),
        Verb::Ops(ops) => verbs::ops::ops(&ops),
        Verb::Bench(bench) => verbs::bench::bench(&bench),
    };
    failure::exit_code(result)
}
