use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use vairun::graph::{Dim, ExtractError, Graph, ValueId};
use vairun::{Model, NodeEvent, Observer, ObserverError, Value};
use vairun_compare::golden::open_all;
use vairun_compare::{MadeTensor, Matcher, NameMap, Pairing, Quantizers, cast};

use crate::args::{Global, ModelArgs};
use crate::closest::closest;
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{InputArgs, bind};

/// Cuts a part out of a model, with the values that it gets and makes as a test case.
///
/// The model runs once, on what -i gives or on random inputs: the part's inputs are declared with the types and shapes
/// that this run has. Into a folder it writes model.onnx and test_data_set_0/, which `vairun run -i` and ONNX's own
/// test runners read. With --golden these are the golden's values: the part that `check` calls guilty becomes a test
/// case of its own, which fails by itself: `vairun check DIR/model.onnx --golden DIR/test_data_set_0`.
#[derive(Args, Debug)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Where the part begins [default: at the inputs of the model]
    #[arg(long, value_name = "TENSOR", num_args = 1..)]
    from: Vec<String>,
    /// Where it ends
    #[arg(long, value_name = "TENSOR", num_args = 1.., required = true)]
    to: Vec<String>,
    /// Reference tensors for the test case, in any form that `check --golden` reads; repeatable
    #[arg(long, value_name = "PATH")]
    golden: Vec<PathBuf>,
    /// A .onnx file, or a folder for the model and its test case
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
}

pub(crate) fn extract(args: &ExtractArgs, global: &Global) -> Done {
    let model = args.model.load()?;
    let mut part = model
        .source()
        .graph
        .extract(&names(&args.from), &names(&args.to))
        .map_err(|error| unknown(&error, &model))?;
    let mut seen = values(&model, args, &part)?;
    let lacking = take_golden(args, &model, &part, &mut seen)?;
    declare(&mut part, &seen);
    let written = vairun::graph::Model { graph: part, ..model.source().clone() };
    let bytes = vairun_onnx::write(&written).map_err(Failure::model)?;
    let is_file = args.output.extension().is_some_and(|extension| extension == "onnx");
    if is_file {
        save(&args.output, &bytes)?;
    } else {
        save_case(&args.output, &bytes, &written.graph, &seen)?;
    }
    if !global.quiet {
        let count = written.graph.nodes.len();
        let mut out = anstream::stdout();
        writeln!(out, "{count} nodes → {}", args.output.display())?;
        if !lacking.is_empty() {
            writeln!(out, "not in the golden, from the run: {}", lacking.join(", "))?;
        }
    }
    Ok(Verdict::Pass)
}

/// What is wrong with the names, and which one may be meant.
fn unknown(error: &ExtractError, model: &Model) -> Failure {
    let failure = Failure::usage(error);
    let ExtractError::Unknown(name) = error else { return failure };
    let values = &model.source().graph.values;
    let known: Vec<&str> = values.iter().map(|info| info.name.as_str()).collect();
    match closest(name, &known) {
        Some(meant) => failure.help(format!("did you mean `{meant}`?")),
        None => failure.help("`vairun inspect MODEL --nodes` lists the tensors"),
    }
}

fn names(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// The values of the part's inputs and outputs in a run of the whole model.
fn values(
    model: &Model,
    args: &ExtractArgs,
    part: &Graph,
) -> Result<HashMap<String, Value>, Failure> {
    let given = args.inputs.gather(model, &args.model.symbols())?;
    let wanted = part.inputs.iter().chain(&part.outputs);
    let mut watch = Watch {
        wanted: wanted.map(|&id| part.name_of(id).to_owned()).collect(),
        seen: HashMap::new(),
    };
    model.observe(bind(&given), &mut watch)?;
    Ok(watch.seen)
}

/// Puts the golden's tensors in the place of the run's; gives the names that the golden does not have.
fn take_golden(
    args: &ExtractArgs,
    model: &Model,
    part: &Graph,
    seen: &mut HashMap<String, Value>,
) -> Result<Vec<String>, Failure> {
    if args.golden.is_empty() {
        return Ok(Vec::new());
    }
    let golden = open_all(&args.golden).map_err(Failure::input)?;
    let graph = &model.source().graph;
    let map = NameMap::default();
    let pairing = Matcher::new(graph, golden.as_ref(), &map);
    let quantizers = Quantizers::of(graph);
    let mut lacking = Vec::new();
    for name in part.inputs.iter().chain(&part.outputs).map(|&id| part.name_of(id)) {
        let made = seen.get(name).and_then(|value| value.as_tensor().ok()).cloned();
        let (Some(made), Some(index)) = (made, pairing.find(name)) else {
            lacking.push(format!("`{name}`"));
            continue;
        };
        let (kind, quantizer) = quantizers.describe(name, &made);
        let subject = MadeTensor { name, tensor: &made, kind, quantizer: quantizer.as_ref() };
        let found = pairing.read(index, &subject).map_err(Failure::input)?.tensor;
        let value = cast(&found, made.dtype()).unwrap_or(found);
        seen.insert(name.to_owned(), value.into());
    }
    if lacking.len() == part.inputs.len() + part.outputs.len() {
        return Err(Failure::input(format!("the golden has none of {}", lacking.join(", "))));
    }
    Ok(lacking)
}

struct Watch {
    wanted: Vec<String>,
    seen: HashMap<String, Value>,
}

impl Watch {
    fn take(&mut self, name: &str, value: &Value) {
        if self.wanted.iter().any(|wanted| wanted == name) {
            self.seen.insert(name.to_owned(), value.clone());
        }
    }
}

impl Observer for Watch {
    fn input(&mut self, name: &str, value: &Value) -> Result<(), ObserverError> {
        self.take(name, value);
        Ok(())
    }

    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        if event.scope.is_empty() {
            event.outputs.iter().for_each(|(name, value)| self.take(name, value));
        }
        Ok(())
    }
}

/// Writes down types, and shapes where the file says nothing.
fn declare(part: &mut Graph, seen: &HashMap<String, Value>) {
    let ids: Vec<ValueId> = part.inputs.iter().chain(&part.outputs).copied().collect();
    for id in ids {
        let info = &mut part.values[id.index()];
        if let Some(Value::Tensor(tensor)) = seen.get(&info.name) {
            info.dtype = Some(tensor.dtype());
            let shape = || tensor.shape().iter().map(|&dim| Dim::Fixed(dim)).collect();
            info.shape.get_or_insert_with(shape);
        }
    }
}

fn save_case(
    folder: &Path,
    model: &[u8],
    part: &Graph,
    seen: &HashMap<String, Value>,
) -> Result<(), Failure> {
    let data = folder.join("test_data_set_0");
    fs::create_dir_all(&data).map_err(|error| unwritable(&data, &error))?;
    save(&folder.join("model.onnx"), model)?;
    for (prefix, ids) in [("input", &part.inputs), ("output", &part.outputs)] {
        for (i, &id) in ids.iter().enumerate() {
            let name = part.name_of(id);
            // An input with a default that nobody gave has no value to write.
            let Some(value) = seen.get(name) else { continue };
            let bytes = vairun_onnx::write_value(name, value).map_err(Failure::usage)?;
            save(&data.join(format!("{prefix}_{i}.pb")), &bytes)?;
        }
    }
    Ok(())
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
