use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use vairun::Model;
use vairun_compare::golden::open;
use vairun_compare::{diff_models, diff_tensors};

use crate::args::Global;
use crate::compare::{RuleArgs, check_used};
use crate::engine::ModelEngine;
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{InputArgs, bind};
use crate::reports::ReportArgs;

/// Compares two sets of tensors, or two models on the same input.
///
/// Two .npz files, folders or dumps: every tensor of A with that of the same name in B, which is the reference. Two
/// models, the float one first: what quantizing has cost each layer, by itself and in all, the worst first.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// A model, or tensors in any form that `check --golden` reads
    a: PathBuf,
    /// As A
    b: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    rules: RuleArgs,
    /// Two models fail below this local signal-to-noise ratio of any layer
    #[arg(long, value_name = "DB", help_heading = "Compare")]
    min_local_sqnr: Option<f64>,
    /// The value of a symbolic dimension
    #[arg(long = "dim", value_name = "NAME=N", value_parser = crate::args::dim, help_heading = "Execution")]
    dims: Vec<(String, usize)>,
    #[command(flatten)]
    reports: ReportArgs,
    /// Print JSON, as --format json does
    #[arg(long, help_heading = "Report")]
    json: bool,
}

pub(crate) fn diff(args: &DiffArgs, global: &Global) -> Done {
    match (is_model(&args.a), is_model(&args.b)) {
        (true, true) => models(args, global),
        (false, false) => tensors(args, global),
        _ => Err(Failure::usage("a model and tensors are no pair")
            .help("vairun check MODEL --golden PATH compares a model with tensors")),
    }
}

fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

fn tensors(args: &DiffArgs, global: &Global) -> Done {
    let rules = args.rules.read()?;
    let (a, b) = (open(&args.a).map_err(Failure::input)?, open(&args.b).map_err(Failure::input)?);
    let report = diff_tensors(a.as_ref(), b.as_ref(), &rules).map_err(Failure::input)?;
    check_used(&rules)?;
    args.reports.give(&report, args.json, global)?;
    Ok(if report.passed() { Verdict::Pass } else { Verdict::Differs })
}

fn models(args: &DiffArgs, global: &Global) -> Done {
    let json = args.reports.is_text_or_json(args.json)?;
    let (a, b) = (engine(args, &args.a)?, engine(args, &args.b)?);
    let title = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = format!("{} → {}", title(&args.a), title(&args.b));
    let (float, quantized) = (a.model.source(), b.model.source());
    let diff = diff_models((&a, &float.graph), (&b, &quantized.graph), &names)
        .map_err(super::check::failed)?;
    if diff.layers.is_empty() {
        return Err(Failure::input("the models have no tensor in common, by name or by place"));
    }
    let least = diff.layers.iter().map(|layer| layer.badness()).fold(f64::INFINITY, f64::min);
    let text = match (global.quiet, json) {
        (_, true) => serde_json::to_string_pretty(&diff).map_err(Failure::usage)? + "\n",
        (true, _) => format!("{} layers, least local SQNR {least:.1} dB\n", diff.layers.len()),
        _ => vairun_report::model_diff(&diff, &names, &args.reports.style()),
    };
    write!(anstream::stdout(), "{text}")?;
    let passes = args.min_local_sqnr.is_none_or(|limit| least >= limit);
    Ok(if passes { Verdict::Pass } else { Verdict::Differs })
}

/// A model with its inputs: files, else the same random numbers for both.
fn engine(args: &DiffArgs, path: &Path) -> Result<ModelEngine, Failure> {
    let builder = args.dims.iter().fold(Model::builder(), |b, (name, n)| b.dim(name, *n));
    let model = builder.open(path)?;
    let given = args.inputs.gather(&model, &args.dims.iter().cloned().collect())?;
    Ok(ModelEngine { builder, varied: Default::default(), model, inputs: bind(&given) })
}
