use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{
    Arg, ArgAction, Args as ArgGroup, Command, CommandFactory, Parser, Subcommand, ValueEnum,
};
use vairun::graph::Dim;
use vairun::xmodel::Layout;
use vairun::{Builder, Exec, Isa, Model, Port};

use crate::failure::{Done, Failure};
use crate::inputs::InputArgs;
use crate::vary::VaryArgs;
use crate::verbs::{
    bench, check, completions, convert, diff, extract, help, inspect, man, ops, run,
};

/// Runs quantized ONNX models bit for bit, shows every tensor, and finds the first one that is wrong.
#[derive(Debug, Parser)]
#[command(
    name = "vairun",
    bin_name = "vairun",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) global: Global,
}

const EXIT_CODES: &str = "Without a verb, `vairun MODEL …` is `vairun run MODEL …`.

Exit codes: 0 done, all equal · 1 something differs · 2 wrong usage · 3 model unreadable or not supported
            4 input or golden unusable";

/// What every verb takes.
#[derive(ArgGroup, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Say what is done: -v for load, plan and run, -vv for each node (VAIRUN_LOG has the finer filters)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Print results only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// When to colour; NO_COLOR is heeded
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Never show progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a model
    Run(Box<run::RunArgs>),
    /// Compare a model with reference tensors, and find where and why it differs
    Check(Box<check::CheckArgs>),
    /// Compare two sets of tensors, or two models on the same input
    Diff(Box<diff::DiffArgs>),
    /// Show what is in a model, and whether every node is supported
    Inspect(inspect::InspectArgs),
    /// List the operators
    Ops(ops::OpsArgs),
    /// Measure how fast a model runs
    Bench(Box<bench::BenchArgs>),
    /// Cut a part out of a model
    Extract(Box<extract::ExtractArgs>),
    /// Rewrite quantizers of other domains as ONNX's own
    Convert(Box<convert::ConvertArgs>),
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    Man(man::ManArgs),
    /// Explain a verb or a topic: rounding, golden, exit-codes, inputs, dumps, json
    Help(help::HelpArgs),
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Done {
        match self {
            Self::Run(args) => run::run(args, global),
            Self::Check(args) => check::check(args, global),
            Self::Diff(args) => diff::diff(args, global),
            Self::Inspect(args) => inspect::inspect(args),
            Self::Ops(args) => ops::ops(args),
            Self::Bench(args) => bench::bench(args),
            Self::Extract(args) => extract::extract(args, global),
            Self::Convert(args) => convert::convert(args, global),
            Self::Completions(args) => completions::completions(args),
            Self::Man(args) => man::man(args, global),
            Self::Help(args) => help::help(args),
        }
    }
}

/// Settings of a model that every verb that runs one has.
#[derive(ArgGroup, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// The model (.onnx, .xmodel); `-` reads standard input
    pub(crate) model: PathBuf,
    /// How nodes are evaluated: fused and unfused give the same bits; float computes contractions in float32 as
    /// onnxruntime does with its optimizations off
    #[arg(long, value_enum, default_value_t = ExecArg::Fused, help_heading = "Execution")]
    pub(crate) exec: ExecArg,
    /// Threads of a run [default: one for each core]; the results have the same bits for any number
    #[arg(long, value_name = "N", help_heading = "Execution")]
    pub(crate) threads: Option<usize>,
    /// The instructions of the integer kernels: scalar, avx2, avxvnni or avx512 [default: the fastest that this CPU has];
    /// the results have the same bits for all of them
    #[arg(long, value_name = "ISA", help_heading = "Execution")]
    pub(crate) isa: Option<Isa>,
    /// The value of a symbolic dimension
    #[arg(long = "dim", value_name = "NAME=N", value_parser = dim, help_heading = "Execution")]
    pub(crate) dims: Vec<(String, usize)>,
    /// Compute what no specification defines as the reference does: an unknown rounding method gives 0
    #[arg(long, help_heading = "Execution")]
    pub(crate) permissive: bool,
    #[command(flatten)]
    pub(crate) vary: VaryArgs,
    /// Where the channels of images stand that are fed to an .xmodel: last as in the file, or second as in ONNX
    #[arg(long, value_enum, default_value_t = LayoutArg::Nhwc, help_heading = "Execution")]
    pub(crate) layout: LayoutArg,
}

/// [`Layout`] as a word.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LayoutArg {
    Nhwc,
    Nchw,
}

impl LayoutArg {
    pub(crate) fn layout(self) -> Layout {
        match self {
            Self::Nhwc => Layout::Nhwc,
            Self::Nchw => Layout::Nchw,
        }
    }
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
        let builder = builder.layout(self.layout.layout());
        let builder = self.threads.into_iter().fold(builder, Builder::threads);
        let builder = self.isa.into_iter().fold(builder, Builder::isa);
        self.dims.iter().fold(builder, |builder, (name, n)| builder.dim(name, *n))
    }

    /// Loads the model.
    pub(crate) fn load(&self) -> Result<Model, Failure> {
        let vary = self.vary.read()?;
        let model = self.load_by(&self.builder().provider(Arc::new(vary.varied.clone())))?;
        vary.check_used()?;
        Ok(model)
    }

    /// Loads the model; where that fails, files of inputs that are not there are named as well.
    pub(crate) fn load_for(&self, inputs: &InputArgs) -> Result<Model, Failure> {
        self.load().map_err(|failure| failure.and(inputs.absent()))
    }

    /// Loads the model with these settings.
    fn load_by(&self, builder: &Builder) -> Result<Model, Failure> {
        let model = if is_stdin(&self.model) {
            builder.from_reader(std::io::stdin().lock())?
        } else {
            builder.open(&self.model)?
        };
        self.check_dims(model.inputs())?;
        Ok(model)
    }

    /// The symbolic dimensions that are given.
    pub(crate) fn symbols(&self) -> BTreeMap<String, usize> {
        self.dims.iter().cloned().collect()
    }

    /// The model's name for the reader: that of its file.
    pub(crate) fn title(&self) -> String {
        match self.model.file_name() {
            Some(name) if !is_stdin(&self.model) => name.to_string_lossy().into_owned(),
            _ => "standard input".to_owned(),
        }
    }

    /// A dimension that no input has is a mistake.
    fn check_dims(&self, ports: &[Port]) -> Result<(), Failure> {
        let dims = ports.iter().filter_map(|port| port.shape.as_ref()).flatten();
        let symbol = |dim: &Dim| match dim {
            Dim::Symbol(name) => Some(format!("`{name}`")),
            _ => None,
        };
        let known: Vec<String> = dims.filter_map(symbol).collect();
        let unknown = self.dims.iter().find(|(name, _)| !known.contains(&format!("`{name}`")));
        unknown.map_or(Ok(()), |(name, n)| {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let what = format!("`--dim {name}={n}`: no input has that dimension; there is {known}");
            Err(Failure::usage(what))
        })
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// `NAME=N`; the last `=` counts, as exporters write names with any character.
pub(crate) fn dim(text: &str) -> Result<(String, usize), String> {
    let (name, n) = text.rsplit_once('=').ok_or("expected NAME=N")?;
    Ok((name.to_owned(), n.parse().map_err(|_| format!("`{n}` is no number"))?))
}

/// `vairun MODEL …` is `vairun run MODEL …`; so is one that begins with an option of `run`.
pub(crate) fn with_verb(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.collect();
    let command = Args::command();
    let mut rest = args.iter().skip(1);
    let is_run = loop {
        let Some(arg) = rest.next() else { break false };
        match arg.to_string_lossy().as_ref() {
            "-" => break true,
            // The one option before the verb that has a value.
            "--color" => {
                rest.next();
            }
            option if option.starts_with('-') => {
                if !is_global(&command, option) {
                    break true;
                }
            }
            word => break is_model(&command, word),
        }
    };
    if is_run {
        args.insert(1, "run".into());
    }
    args
}

/// Whether an option may stand before the verb.
fn is_global(command: &Command, option: &str) -> bool {
    match option.strip_prefix("--") {
        Some(long) => {
            let long = long.split('=').next().unwrap_or_default();
            let known = |arg: &Arg| arg.get_long() == Some(long);
            matches!(long, "help" | "version") || command.get_arguments().any(known)
        }
        None => option[1..].chars().all(|short| {
            let known = |arg: &Arg| arg.get_short() == Some(short);
            matches!(short, 'h' | 'V') || command.get_arguments().any(known)
        }),
    }
}

/// Whether a word in the place of a verb is meant as a model: a file, or written like one. Else it is a mistyped verb.
fn is_model(command: &Command, word: &str) -> bool {
    let is_verb = command.get_subcommands().any(|verb| verb.get_name() == word);
    !is_verb && (word.contains(['.', '/', '\\']) || Path::new(word).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> String {
        let words = with_verb(line.split(' ').map(OsString::from));
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn without_a_verb_it_is_run() {
        assert_eq!(line("vairun m.onnx -i x.npz"), "vairun run m.onnx -i x.npz");
        assert_eq!(line("vairun -v m.onnx"), "vairun run -v m.onnx");
        assert_eq!(line("vairun --threads 4 m.onnx"), "vairun run --threads 4 m.onnx");
        assert_eq!(line("vairun --color never m.onnx"), "vairun run --color never m.onnx");
        assert_eq!(line("vairun -"), "vairun run -");
    }

    #[test]
    fn verbs_typing_errors_and_lone_options_stay() {
        let lines = [
            "vairun -q inspect m.onnx",
            "vairun help run",
            "vairun --version",
            "vairun inspct m.onnx",
        ];
        lines.iter().for_each(|text| assert_eq!(line(text), *text));
    }

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }
}
