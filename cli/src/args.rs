use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args as ArgGroup, CommandFactory, Parser, Subcommand, ValueEnum};
use vairun::{Builder, Exec, Model};

use crate::verbs::{bench::BenchArgs, inspect::InspectArgs, ops::OpsArgs, run::RunArgs};

/// Runs quantized ONNX models bit for bit, shows every tensor, and finds the first one that is wrong.
#[derive(Debug, Parser)]
#[command(name = "vairun", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Say what is done: -v for load, plan and run, -vv for each node (VAIRUN_LOG has the finer filters)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Print results only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "Without a verb, `vairun MODEL …` is `vairun run MODEL …`.

Exit codes: 0 done, all equal · 1 something differs · 2 wrong usage · 3 model unreadable or not supported
            4 input or golden unusable";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a model
    Run(RunArgs),
    /// Show what is in a model, and whether every node is supported
    Inspect(InspectArgs),
    /// List the operators
    Ops(OpsArgs),
    /// Measure how fast a model runs
    Bench(BenchArgs),
}

/// Settings of a model that every verb that runs one has.
#[derive(ArgGroup, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// The model (.onnx)
    pub(crate) model: PathBuf,
    /// How nodes are evaluated: fused and unfused give the same bits; float computes contractions in float32 as
    /// onnxruntime does with its optimizations off
    #[arg(long, value_enum, default_value_t = ExecArg::Fused)]
    pub(crate) exec: ExecArg,
    /// Threads of a run [default: one for each core]; the results have the same bits for any number
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// The value of a symbolic dimension
    #[arg(long = "dim", value_name = "NAME=N", value_parser = dim)]
    pub(crate) dims: Vec<(String, usize)>,
    /// Compute what no specification defines as the reference does: an unknown rounding method gives 0
    #[arg(long)]
    pub(crate) permissive: bool,
}

/// [`Exec`] as a word.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExecArg {
    Fused,
    Unfused,
    Float,
}

impl ModelArgs {
    pub(crate) fn builder(&self) -> Builder {
        let exec = match self.exec {
            ExecArg::Fused => Exec::Fused,
            ExecArg::Unfused => Exec::Unfused,
            ExecArg::Float => Exec::Float,
        };
        let builder = Model::builder().exec(exec).permissive(self.permissive);
        let builder = self.threads.into_iter().fold(builder, Builder::threads);
        self.dims.iter().fold(builder, |builder, (name, n)| builder.dim(name, *n))
    }
}

fn dim(text: &str) -> Result<(String, usize), String> {
    let (name, n) = text.rsplit_once('=').ok_or("expected NAME=N")?;
    Ok((name.to_owned(), n.parse().map_err(|_| format!("`{n}` is no number"))?))
}

/// `vairun MODEL …` is `vairun run MODEL …`.
pub(crate) fn with_verb(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.collect();
    let command = Args::command();
    let is_verb = |word: &str| {
        word == "help" || command.get_subcommands().any(|verb| verb.get_name() == word)
    };
    // Options with a value before the verb do not exist, so the first word is the verb or the model.
    let first = args.iter().skip(1).position(|arg| !arg.to_string_lossy().starts_with('-'));
    if let Some(place) = first
        && !is_verb(&args[place + 1].to_string_lossy())
    {
        args.insert(place + 1, "run".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let args = line.split(' ').map(OsString::from);
        with_verb(args).into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn without_a_verb_it_is_run() {
        assert_eq!(words("vairun m.onnx -i x.npz"), ["vairun", "run", "m.onnx", "-i", "x.npz"]);
        assert_eq!(words("vairun -v m.onnx"), ["vairun", "-v", "run", "m.onnx"]);
    }

    #[test]
    fn verbs_and_lone_options_stay() {
        assert_eq!(words("vairun inspect m.onnx"), ["vairun", "inspect", "m.onnx"]);
        assert_eq!(words("vairun help run"), ["vairun", "help", "run"]);
        assert_eq!(words("vairun --version"), ["vairun", "--version"]);
    }

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }
}
