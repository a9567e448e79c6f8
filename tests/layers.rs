//! Every intermediate tensor of real models against those of their reference runtimes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value as Json;
use vairun::{Exec, Inputs, Model, NodeEvent, Observer, ObserverError, Tensor};

use crate::material::{numbers, read_npz, shared};

/// One line for each tensor that differs.
type Problems = Vec<String>;

#[test]
fn codes_and_dequantized_values_inside_exact_models_are_those_of_the_reference() -> Result<()> {
    let Some(corpus) = shared("corpus") else { return Ok(()) };
    let manifest: Json = serde_json::from_slice(&std::fs::read(corpus.join("manifest.json"))?)?;
    let mut problems = Problems::new();
    for entry in manifest["models"].as_array().context("models")? {
        if entry["layers"] == true && has_exact_output(entry) {
            let id = entry["id"].as_str().context("id")?;
            let compared = check_layers(&corpus.join(id), &mut problems).context(id.to_owned())?;
            assert!(compared > 0, "{id}: none of its layers was compared");
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

/// Whether the manifest proves an output exact; then all codes before it are.
fn has_exact_output(entry: &Json) -> bool {
    let outputs = entry["tolerance"]["per_output"].as_object();
    outputs.is_some_and(|outputs| outputs.values().any(|rule| rule == "exact"))
}

/// How many tensors were compared.
fn check_layers(folder: &Path, problems: &mut Problems) -> Result<usize> {
    let keys: BTreeMap<String, String> =
        serde_json::from_slice(&std::fs::read(folder.join("layers.json"))?)?;
    let mut arrays = read_npz(&folder.join("layers.npz"))?;
    let golden = keys.into_iter().filter_map(|(name, key)| Some((name, arrays.remove(&key)?)));
    let mut layers = Layers { golden: golden.collect(), compared: 0, problems };
    let inputs: Inputs = read_npz(&folder.join("inputs.npz"))?.into_iter().collect();
    let model = Model::builder().exec(Exec::Unfused).open(folder.join("model.onnx"))?;
    model.observe(inputs, &mut layers)?;
    Ok(layers.compared)
}

/// Compares the outputs of quantizers and dequantizers while the model runs.
struct Layers<'a> {
    golden: BTreeMap<String, Tensor>,
    compared: usize,
    problems: &'a mut Problems,
}

impl Observer for Layers<'_> {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        if !event.node.op.op_type.contains("uantize") {
            return Ok(());
        }
        for (name, value) in event.outputs {
            if let Some(want) = self.golden.get(*name) {
                self.compared += 1;
                self.problems.extend(difference(name, value.as_tensor()?, want)?);
            }
        }
        Ok(())
    }
}

/// What differs. Codes may be held as integers or as floats; the corpus's reference may give -0 where the real kernels
/// give 0 (see `corpus`), so values are compared as numbers.
fn difference(name: &str, got: &Tensor, want: &Tensor) -> Result<Option<String>> {
    if got.shape() != want.shape() {
        return Ok(Some(format!("`{name}`: shape {:?}, expected {:?}", got.shape(), want.shape())));
    }
    let (got, want) = (numbers(got)?, numbers(want)?);
    let equal = |(a, b): &(&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    let differ = got.iter().zip(&want).filter(|pair| !equal(pair)).count();
    Ok((differ > 0).then(|| format!("`{name}`: {differ} of {} differ", got.len())))
}
