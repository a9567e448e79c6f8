//! Golden vectors: small models with the tensors that the real implementations gave.
//!
//! Every case is compared bit for bit, signs of zero included; NaN equals NaN whatever its payload. What is excepted is
//! listed with its reason in the module of its family, and a listed exception that no longer differs fails the test.

mod contrib;
mod fix_neuron;
mod microsoft;
mod native;
mod own;
mod quark;
mod vai;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use vairun::{Builder, Inputs, Tensor, Value};

use crate::material::{read_npz, shared};

/// What is wrong with each case that is not as it should be.
#[derive(Default)]
pub(crate) struct Report {
    cases: usize,
    problems: BTreeMap<String, String>,
}

impl Report {
    /// Runs a case and remembers what went wrong.
    pub(crate) fn case(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        self.cases += 1;
        if let Err(error) = run() {
            self.problems.insert(name.to_owned(), format!("{error:#}"));
        }
    }

    /// Fails unless exactly the `excepted` cases have problems, and `cases` were run.
    pub(crate) fn finish(mut self, cases: usize, excepted: &[(&str, &str)]) {
        assert_eq!(self.cases, cases, "cases");
        for (name, reason) in excepted {
            assert!(
                self.problems.remove(*name).is_some(),
                "{name} is listed as an exception ({reason}), but has no problem"
            );
        }
        let lines: Vec<_> =
            self.problems.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        assert!(lines.is_empty(), "{} of {cases} cases:\n{}", lines.len(), lines.join("\n"));
    }
}

/// The cases of a folder of the shared golden vectors whose model the reference ran, by name.
pub(crate) fn cases(folder: &str) -> Result<Option<(PathBuf, Vec<serde_json::Value>)>> {
    let Some(folder) = shared("golden").map(|golden| golden.join(folder)) else { return Ok(None) };
    let index: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(folder.join("index.json"))?)?;
    Ok(Some((folder, index)))
}

/// Runs `name.onnx` on the arrays `in_*` of `name.npz` and compares its outputs with the arrays `out_*`.
pub(crate) fn check(builder: &Builder, folder: &Path, name: &str) -> Result<()> {
    check_within(builder, folder, name, None)
}

/// As [`check`]; with `within`, float32 may differ by that share of the largest magnitude.
pub(crate) fn check_within(
    builder: &Builder,
    folder: &Path,
    name: &str,
    within: Option<f64>,
) -> Result<()> {
    let arrays = read_npz(&folder.join(format!("{name}.npz")))?;
    let model = builder.open(folder.join(format!("{name}.onnx")))?;
    let inputs: Inputs = arrays
        .iter()
        .filter_map(|(key, array)| Some((key.strip_prefix("in_")?.to_owned(), array.clone())))
        .collect();
    let outputs = model.run(inputs)?;
    let wanted = arrays.iter().filter_map(|(key, array)| Some((key.strip_prefix("out_")?, array)));
    let mut compared = 0;
    for (key, want) in wanted {
        let got = outputs.get(key).with_context(|| format!("no output `{key}`"))?;
        match within {
            Some(share) => near(got, want, share),
            None => same(got, want),
        }
        .with_context(|| format!("`{key}`"))?;
        compared += 1;
    }
    ensure!(compared > 0, "nothing was compared");
    Ok(())
}

/// Bit for bit, but for the payloads of NaN.
pub(crate) fn same(got: &Value, want: &Tensor) -> Result<()> {
    let got = got.as_tensor()?;
    ensure!(got.dtype() == want.dtype(), "{got:?}, expected {want:?}");
    ensure!(got.shape() == want.shape(), "{got:?}, expected {want:?}");
    if got.bits_eq(want) {
        return Ok(());
    }
    let (got, want) = (bits(got)?, bits(want)?);
    let differ: Vec<_> = (0..got.len()).filter(|&i| got[i] != want[i]).collect();
    let Some(&first) = differ.first() else { return Ok(()) };
    anyhow::bail!(
        "{} of {} differ, first at {first}: {}, expected {}",
        differ.len(),
        got.len(),
        got[first],
        want[first]
    )
}

/// Numbers apart by at most that share of the largest magnitude.
pub(crate) fn near(got: &Value, want: &Tensor, share: f64) -> Result<()> {
    let got = got.as_tensor()?;
    ensure!(got.dtype() == want.dtype(), "{got:?}, expected {want:?}");
    ensure!(got.shape() == want.shape(), "{got:?}, expected {want:?}");
    let (got, want) = (crate::material::numbers(got)?, crate::material::numbers(want)?);
    let largest = want.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let same = got == want || (got.is_nan() && want.is_nan());
        ensure!(
            same || (got - want).abs() <= share * largest,
            "{got} at {i}, expected {want} within {share} of {largest}"
        );
    }
    Ok(())
}

/// Each element as text that tells every value but NaN from every other.
fn bits(tensor: &Tensor) -> Result<Vec<String>> {
    Ok(match tensor.dtype() {
        vairun::DType::F32 => tensor.as_slice::<f32>()?.iter().map(|x| format!("{x:?}")).collect(),
        vairun::DType::F16 => {
            tensor.as_slice::<vairun::tensor::f16>()?.iter().map(|x| format!("{x:?}")).collect()
        }
        _ => crate::material::numbers(tensor)?.iter().map(f64::to_string).collect(),
    })
}
