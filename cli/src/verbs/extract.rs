use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use vairun::graph::{Dim, Graph, ValueId};
use vairun::{Model, NodeEvent, Observer, ObserverError, Value};

use crate::args::{Global, ModelArgs};
use crate::failure::{Done, Failure, Verdict};
use crate::inputs::{InputArgs, bind};

/// Cuts a part out of a model, with the values that it gets and makes as a test case.
///
/// The model runs once, on what -i gives or on random inputs: the part's inputs are declared with the types and shapes
/// that this run has. Into a folder it writes model.onnx and test_data_set_0/, which `vairun run -i` and ONNX's own
/// test runners read.
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
        .map_err(Failure::usage)?;
    let seen = values(&model, args, &part)?;
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
        writeln!(anstream::stdout(), "{count} nodes → {}", args.output.display())?;
    }
    Ok(Verdict::Pass)
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
