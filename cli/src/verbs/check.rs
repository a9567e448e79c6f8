use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use vairun::graph::Dim;
use vairun::{Model, Port, Tensor, Value};
use vairun_compare::golden::open_all;
use vairun_compare::{
    GoldenSource, Kind, MadeTensor, Matcher, MemoryGolden, Mode, NameMap, Pairing, Report, Rules,
    Settings, Sweep, cast, outlines, sweep,
};

use super::check_xmodel;
use crate::args::{Global, ModelArgs};
use crate::compare::{RuleArgs, check_used};
use crate::engine::ModelEngine;
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{Given, InputArgs, bind};
use crate::mismatches::SaveMismatches;
use crate::progress::Progress;
use crate::reports::ReportArgs;

/// Stands for the model where none is given, as with --from-report: no file can be called so.
const NO_MODEL: &str = "//no model//";

/// Compares a model with reference tensors: what is the same, where it begins to differ, and why.
///
/// Every tensor that the golden has is compared while the model runs. Where something differs each node is fed with the
/// golden's own tensors as well: what then still differs is guilty, the rest has inherited. Inputs come from -i, else
/// from the golden.
#[derive(Args, Debug)]
#[command(mut_arg("model", |arg| arg.required(false).default_value(NO_MODEL).hide_default_value(true)))]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Reference tensors: .npz, .npy, .safetensors, a folder or dump of any tool (`vairun help golden`); repeatable; or
    /// an .xmodel, which is run as well [default: XLNX_GOLDEN_DIR]
    #[arg(long, value_name = "PATH", help_heading = "Compare")]
    golden: Vec<PathBuf>,
    /// Which golden tensor stands for which of the model: a JSON object, or lines golden=model
    #[arg(long, value_name = "FILE", help_heading = "Compare")]
    map: Option<PathBuf>,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    rules: RuleArgs,
    /// Feed each node with the golden's tensors only
    #[arg(long, conflicts_with = "cumulative", help_heading = "Compare")]
    isolated: bool,
    /// Compare as the model runs only
    #[arg(long, help_heading = "Compare")]
    cumulative: bool,
    /// Against an .xmodel: let nothing differ, not even what lies exactly between two codes
    #[arg(long, requires = "golden", help_heading = "Compare")]
    strict: bool,
    /// Look for explanations for the first N tensors that fail by themselves
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Compare")]
    explain: usize,
    /// Try every rounding on every quantizer
    #[arg(long, help_heading = "Compare")]
    sweep_rounding: bool,
    /// Write what fails, both sides: DIR/got and DIR/golden
    #[arg(long, value_name = "DIR", help_heading = "Report")]
    save_mismatch: Option<PathBuf>,
    /// Judge an earlier report again by the rules that are given now, without a run
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["golden", "save_mismatch", "sweep_rounding"], help_heading = "Report")]
    from_report: Option<PathBuf>,
    #[command(flatten)]
    reports: ReportArgs,
}

pub(crate) fn check(args: &CheckArgs, global: &Global) -> Done {
    let rules = args.rules.read()?;
    let (report, swept) = match &args.from_report {
        Some(path) => (judged_again(path, &rules)?, None),
        None => run(args, &rules, global)?,
    };
    check_used(&rules)?;
    args.reports.give(&report, false, global)?;
    if let Some(swept) = swept.filter(|_| args.reports.is_text() && !global.quiet) {
        let table = vairun_report::sweep_table(&swept, &args.reports.style());
        write!(anstream::stdout(), "\n{table}")?;
    }
    Ok(if report.passed() { Verdict::Pass } else { Verdict::Differs })
}

fn run(
    args: &CheckArgs,
    rules: &Rules,
    global: &Global,
) -> Result<(Report, Option<Sweep>), Failure> {
    if args.model.model.as_os_str() == NO_MODEL {
        return Err(Failure::usage("no model is given").help("vairun check MODEL --golden PATH"));
    }
    let (paths, note) = golden_paths(args)?;
    if let Some(golden) = check_xmodel::among(&paths)? {
        return Ok((against_xmodel(args, golden, global)?, None));
    }
    if args.strict {
        return Err(Failure::usage(
            "`--strict` is meant for an .xmodel as --golden; others compare exactly by --lsb 0",
        ));
    }
    let golden = open_all(&paths).map_err(Failure::input);
    let (golden, model) = match (golden, args.model.load_for(&args.inputs)) {
        (Ok(golden), Ok(model)) => (golden, model),
        (golden, Err(failure)) => return Err(failure.and(golden.err())),
        (Err(failure), Ok(_)) => return Err(failure),
    };
    let graph = &model.source().graph;
    let map = name_map(args, golden.as_ref())?;
    let mut pairing = Matcher::new(graph, golden.as_ref(), &map);
    let given = gather(args, &model, golden.as_ref(), &pairing)?;
    let engine = ModelEngine {
        builder: args.model.builder(),
        varied: args.model.vary.read()?.varied,
        model: model.clone(),
        inputs: bind(&given),
    };
    if pairing.needs_structure() {
        pairing.match_structure(&outlines(&engine, graph).map_err(failed)?);
    }
    let mode = match (args.isolated, args.cumulative) {
        (true, _) => Mode::Isolated,
        (_, true) => Mode::Cumulative,
        _ => Mode::Both,
    };
    let settings = Settings { mode, explain: args.explain };
    let title = args.model.title();
    let mut save =
        args.save_mismatch.as_ref().map(|path| SaveMismatches::create(path, &title)).transpose()?;
    let progress = Progress::start("checking", None, global);
    let mismatches = save.as_mut().map(|save| save as &mut dyn vairun_compare::Mismatches);
    let mut report =
        vairun_compare::check(&engine, graph, &pairing, rules, &title, settings, mismatches)
            .map_err(failed)?;
    let swept =
        args.sweep_rounding.then(|| sweep(&engine, graph, &pairing, rules, &report.records));
    drop(progress);
    report.rules.extend(args.model.vary.describe());
    report.notes.splice(0..0, note.into_iter().chain(input_notes(&given)));
    if let Some(save) = save {
        save.finish()?;
    }
    Ok((report, swept))
}

/// The check of an ONNX model, or of another version of the file, against an .xmodel.
fn against_xmodel(
    args: &CheckArgs,
    golden: &std::path::Path,
    global: &Global,
) -> Result<Report, Failure> {
    if args.map.is_some() || args.cumulative {
        return Err(Failure::usage(
            "an .xmodel as --golden is paired by structure and judged operator by operator: --map and --cumulative do not apply",
        ));
    }
    let sides = check_xmodel::Sides { args: &args.model, golden, strict: args.strict };
    let model = sides.model()?;
    let none = MemoryGolden::default();
    let map = NameMap::default();
    let given = gather(args, &model, &none, &Matcher::new(&model.source().graph, &none, &map))?;
    let title = args.model.title();
    let mut save =
        args.save_mismatch.as_ref().map(|path| SaveMismatches::create(path, &title)).transpose()?;
    let progress = Progress::start("checking", None, global);
    let mismatches = save.as_mut().map(|save| save as &mut dyn vairun_compare::Mismatches);
    let mut report = sides.compare(&model, &given, mismatches)?;
    if args.sweep_rounding {
        report.notes.extend(sides.sweep(&model, &given)?);
    }
    drop(progress);
    if let Some(save) = save {
        save.finish()?;
    }
    report.rules.extend(args.model.vary.describe());
    report.notes.extend(input_notes(&given));
    Ok(report)
}

/// The names of `--map`; one that the golden does not have is a mistake.
fn name_map(args: &CheckArgs, golden: &dyn GoldenSource) -> Result<NameMap, Failure> {
    let Some(path) = &args.map else { return Ok(NameMap::default()) };
    let map = NameMap::read(path).map_err(Failure::input)?;
    match map.unused(golden).as_slice() {
        [] => Ok(map),
        unused => {
            let what =
                format!("--map {}: the golden has no `{}`", path.display(), unused.join("`, `"));
            Err(Failure::usage(what))
        }
    }
}

/// What stopped a check: the model, or a golden that cannot be read.
pub(super) fn failed(error: vairun_compare::EngineError) -> Failure {
    match error.downcast::<vairun::Error>() {
        Ok(error) => (*error).into(),
        Err(error) => Failure::from_observer(&error),
    }
}

fn golden_paths(args: &CheckArgs) -> Result<(Vec<PathBuf>, Option<String>), Failure> {
    if !args.golden.is_empty() {
        return Ok((args.golden.clone(), None));
    }
    match std::env::var_os("XLNX_GOLDEN_DIR").filter(|path| !path.is_empty()) {
        Some(path) => {
            let note = format!("golden from XLNX_GOLDEN_DIR: {}", path.display());
            Ok((vec![path.into()], Some(note)))
        }
        None => Err(Failure::usage("no golden is given")
            .help("--golden ref.npz, --golden deploy_check_data_int/, … (vairun help golden)")),
    }
}

/// The inputs from -i, else from the golden, else at random where that is asked for.
fn gather(
    args: &CheckArgs,
    model: &Model,
    golden: &dyn GoldenSource,
    pairing: &dyn Pairing,
) -> Result<Vec<Given>, Failure> {
    let dims = args.model.symbols();
    let mut found = args.inputs.read_files(model, &dims)?;
    for port in model.inputs() {
        let is_given = found.iter().any(|given| given.name == port.name);
        if let Some(value) =
            (!is_given).then(|| from_golden(port, pairing)).flatten().transpose()?
        {
            let from = golden.description();
            found.push(Given { name: port.name.clone(), value, from });
        }
    }
    if args.inputs.random {
        args.inputs.draw_missing(model, &dims, &mut found)?;
    }
    let missing: Vec<String> = model
        .inputs()
        .iter()
        .filter(|port| !port.has_default && found.iter().all(|given| given.name != port.name))
        .map(|port| format!("`{}`", port.name))
        .collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let mut what = format!(
        "neither -i nor the golden gives the input{} {}",
        if missing.len() == 1 { "" } else { "s" },
        missing.join(", ")
    );
    if !golden.entries().is_empty() {
        what += &format!("\n  the golden is {}", golden.description());
        let names = model.source().graph.by_name();
        if !names.into_keys().any(|name| pairing.find(name).is_some()) {
            what += ", none of which has the name of a tensor of this model";
        }
    }
    Err(Failure::input(what)
        .help("-i NAME=FILE, or --random where the golden was made with `vairun run --random`"))
}

/// An input of the model that the golden has.
fn from_golden(port: &Port, pairing: &dyn Pairing) -> Option<Result<Value, Failure>> {
    let index = pairing.find_input(&port.name)?;
    let made = stand_in(port);
    let made = MadeTensor { name: &port.name, tensor: &made, kind: Kind::Plain, quantizer: None };
    let found = pairing.read(index, &made).map_err(Failure::input);
    Some(found.map(|found| {
        let dtype = port.dtype.unwrap_or(found.tensor.dtype());
        cast(&found.tensor, dtype).unwrap_or(found.tensor).into()
    }))
}

/// A tensor as the model declares it, for goldens that do not say what they hold.
fn stand_in(port: &Port) -> Tensor {
    let dims = port.shape.iter().flatten();
    let shape: Vec<usize> = dims.map(|dim| if let Dim::Fixed(n) = dim { *n } else { 1 }).collect();
    let dtype = port.dtype.unwrap_or(vairun::DType::F32);
    let count =
        shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim)).filter(|&n| n <= 1 << 30);
    let bytes = count.zip(dtype.carrier().bytes()).map(|(n, width)| vec![0; n * width]);
    bytes
        .and_then(|bytes| Tensor::from_le_bytes(dtype, &shape, &bytes).ok())
        .unwrap_or_else(|| Tensor::scalar(0f32))
}

fn input_notes(given: &[Given]) -> Vec<String> {
    given.iter().map(|given| format!("input {} from {}", given.name, given.from)).collect()
}

fn judged_again(path: &std::path::Path, rules: &Rules) -> Result<Report, Failure> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    let mut report = vairun_report::parse_json(&text)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
    report.judge_again(rules);
    Ok(report)
}
