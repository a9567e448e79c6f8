//! Float operators of com.microsoft, `testdata/ops/microsoft/`. onnxruntime computes them in float32 with approximations, so
//! that results are near each other, not equal.

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use vairun::{Inputs, Model, Tensor};

use super::Report;
use crate::material::{numbers, read_npz, repository};

/// What float32 sums of a few dozen terms and onnxruntime's approximations of exp, erf and tanh may differ by.
const ABSOLUTE: f64 = 3e-6;
const RELATIVE: f64 = 1e-5;

#[test]
fn microsoft() -> Result<()> {
    let folder = repository().join("testdata/ops/microsoft");
    let index: Vec<Json> = serde_json::from_slice(&std::fs::read(folder.join("index.json"))?)?;
    let mut report = Report::default();
    for case in &index {
        let name = case["name"].as_str().context("name")?;
        report.case(name, || {
            let arrays = read_npz(&folder.join(format!("{name}.npz")))?;
            let part = |prefix: &'static str| {
                arrays.iter().filter_map(move |(key, x)| Some((key.strip_prefix(prefix)?, x)))
            };
            let inputs: Inputs = part("in_").map(|(key, x)| (key.to_owned(), x.clone())).collect();
            let outputs = Model::open(folder.join(format!("{name}.onnx")))?.run(inputs)?;
            for (key, want) in part("out_") {
                let got = outputs.get(key).with_context(|| format!("no output `{key}`"))?;
                near(got.as_tensor()?, want).with_context(|| format!("`{key}`"))?;
            }
            Ok(())
        });
    }
    report.finish(index.len(), &[]);
    ensure!(index.len() >= 20, "{} cases", index.len());
    Ok(())
}

fn near(got: &Tensor, want: &Tensor) -> Result<()> {
    ensure!(
        got.dtype() == want.dtype() && got.shape() == want.shape(),
        "{got:?}, expected {want:?}"
    );
    for (i, (got, want)) in numbers(got)?.into_iter().zip(numbers(want)?).enumerate() {
        let limit = ABSOLUTE + RELATIVE * want.abs();
        ensure!((got - want).abs() <= limit, "[{i}] is {got}, expected {want} within {limit}");
    }
    Ok(())
}
