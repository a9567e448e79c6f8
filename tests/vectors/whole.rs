//! Whole models of the real exporters, every tensor of them, against the runtimes that they were made for.
//!
//! A convolution of dequantized operands is an exact integer sum here, rounded once. Where all scales are powers of two
//! and no sum passes 2^24, so is onnxruntime's, and every tensor is equal bit for bit. Where not, its float32 sums round
//! at every term; [`ROUNDED`] lists those models. In them codes and numbers on a grid may be one step apart where a sum
//! lies at a border.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use vairun::{Exec, Inputs, Model, NodeEvent, Observer, ObserverError, Tensor};

use super::{Report, near, same};
use crate::material::{numbers, read_npz, shared};

/// How the tensors of a model are compared.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Bit for bit, signs of zero included.
    Bits,
    /// Bit for bit but for the signs of zero.
    Numbers,
    /// Reals within 2^-20 of the largest magnitude, integers equal; but for few that are a step apart, or follow such a
    /// step before them.
    Rounded,
}

/// The models whose tensors are not all equal to the reference's, and why.
const ROUNDED: &[(&str, Rule, &str)] = &[
    ("cpu_asym_native", Rule::Rounded, "float scales: onnxruntime's sums round at every term"),
    ("cpu_pc_halfeven_vai", Rule::Rounded, "float scales"),
    ("cpu_pc_pow2_vai", Rule::Rounded, "float scales of activations"),
    ("cpu_pt_halfeven_vai", Rule::Rounded, "float scales"),
    ("cpu_unsigned_act_vai", Rule::Rounded, "float scales"),
    ("vai16", Rule::Rounded, "products of 16 bits pass 2^24 in onnxruntime's sums"),
    ("A8W8", Rule::Rounded, "float scales"),
    ("INT16_CNN_DEFAULT", Rule::Rounded, "float scales"),
    ("S16S8_ASWS", Rule::Rounded, "float scales"),
    ("U16S8_AAWS", Rule::Rounded, "float scales"),
    ("U8S8_AAWS", Rule::Rounded, "float scales"),
    (
        "MX6",
        Rule::Numbers,
        "MaxPool of 0 and -0: onnxruntime's vectors keep the last, vairun the first",
    ),
];

/// Cases that are wrong upstream.
const EXCEPTED: &[(&str, &str)] = &[
    ("bf16_vai/layers", "onnxruntime drops Casts to bfloat16 and back even without optimizations"),
    (
        "bf16_vai/layers_raw",
        "onnxruntime drops Casts to bfloat16 and back even without optimizations",
    ),
];

fn rule(model: &str) -> Rule {
    ROUNDED.iter().find(|(name, ..)| *name == model).map_or(Rule::Bits, |(_, rule, _)| *rule)
}

/// Runs a model on `input` of an npz and compares every tensor that the npz has under the name `names[i]` as `T000i`.
/// Whether all were equal bit for bit.
fn check_tensors(model: &Path, npz: &Path, rule: Rule) -> Result<bool> {
    let mut arrays = read_npz(npz)?;
    let input = arrays.remove("input").context("input")?;
    let names = arrays.remove("names").context("names")?;
    let names = names.as_slice::<String>()?.iter().enumerate();
    let golden: BTreeMap<String, Tensor> = names
        .filter_map(|(i, name)| Some((name.clone(), arrays.remove(&format!("T{i:04}"))?)))
        .collect();
    let count = golden.len();
    let model = Model::builder().exec(Exec::Unfused).open(model)?;
    let name = model.inputs()[0].name.clone();
    let mut tensors = Tensors { golden, rule, problems: Vec::new(), all_equal: true };
    model.observe(Inputs::from_iter([(name, input)]), &mut tensors)?;
    ensure!(tensors.golden.is_empty(), "never made: {:?}", tensors.golden.keys());
    ensure!(count > 0, "nothing was compared");
    let problems = tensors.problems;
    ensure!(
        problems.is_empty(),
        "{} of {count} tensors:\n  {}",
        problems.len(),
        problems.join("\n  ")
    );
    Ok(tensors.all_equal)
}

/// Compares tensors while the model runs.
struct Tensors {
    /// What has yet to be made.
    golden: BTreeMap<String, Tensor>,
    rule: Rule,
    problems: Vec<String>,
    all_equal: bool,
}

impl Observer for Tensors {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs {
            let Some(want) = self.golden.remove(*name) else { continue };
            let Err(error) = same(value, &want) else { continue };
            self.all_equal = false;
            let close = match self.rule {
                Rule::Bits => Err(error),
                Rule::Numbers => near(value, &want, 0.0),
                Rule::Rounded => rounded(value.as_tensor()?, &want),
            };
            if let Err(error) = close {
                self.problems.push(format!("`{name}` ({}): {error:#}", event.node.op.op_type));
            }
        }
        Ok(())
    }
}

/// The share of elements that a step at a border may move.
const FLIPS: f64 = 1.0 / 200.0;

fn rounded(got: &Tensor, want: &Tensor) -> Result<()> {
    ensure!(got.shape() == want.shape(), "{got:?}, expected {want:?}");
    let (a, b) = (numbers(got)?, numbers(want)?);
    let largest = b.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let integers = b.iter().all(|x| x.trunc() == *x);
    let close = if integers { 0.0 } else { largest * 2f64.powi(-20) };
    // A step of 8 bits, and what such steps before make of 16 bits; codes may be reals on a grid.
    let step = if integers { (largest / 4096.0).max(1.0) } else { largest / 64.0 };
    let apart: Vec<f64> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .filter(|apart| apart.is_nan() || *apart > close)
        .collect();
    let worst = apart.iter().fold(0.0f64, |worst, apart| worst.max(*apart));
    let allowed = (FLIPS * b.len() as f64).ceil().max(1.0) as usize;
    let few = apart.len() <= allowed || worst <= largest * 2f64.powi(-12);
    ensure!(
        worst <= step && few,
        "{} of {} differ, by at most {worst}; the largest is {largest}",
        apart.len(),
        b.len()
    );
    Ok(())
}

/// The paths in a folder of the golden vectors.
fn paths(folder: &str) -> Result<Vec<PathBuf>> {
    let Some(folder) = shared("golden").map(|golden| golden.join(folder)) else {
        return Ok(Vec::new());
    };
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Every case `(model's name, model, npz)`; an entry of [`ROUNDED`] all of whose tensors are equal is a problem.
fn check_all(cases: &[(String, PathBuf, PathBuf)], excepted: &[(&str, &str)]) {
    let mut report = Report::default();
    let mut unequal = BTreeMap::new();
    for (name, model, npz) in cases {
        let case = format!("{name}/{}", npz.file_stem().unwrap_or_default().to_string_lossy());
        report.case(&case, || {
            let equal = check_tensors(model, npz, rule(name))?;
            *unequal.entry(name.clone()).or_insert(false) |= !equal;
            Ok(())
        });
    }
    report.finish(cases.len(), if cases.is_empty() { &[] } else { excepted });
    for (name, unequal) in unequal {
        assert!(unequal || rule(&name) == Rule::Bits, "{name} is listed, but all is equal");
    }
}

#[test]
fn every_tensor_of_vai_q_pytorchs_exports_is_onnxruntimes() -> Result<()> {
    let mut cases = Vec::new();
    for folder in paths("exported")? {
        let name = folder.file_name().context("name")?.to_string_lossy().into_owned();
        for set in ["layers", "layers_raw", "layers_restated"] {
            let npz = folder.join(format!("{set}.npz"));
            if npz.exists() {
                cases.push((name.clone(), folder.join("TinyRes_int.onnx"), npz));
            }
        }
    }
    check_all(&cases, EXCEPTED);
    Ok(())
}

#[test]
fn every_tensor_of_quarks_exports_is_its_librarys() -> Result<()> {
    let is_npz = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "npz");
    let cases: Vec<_> = paths("quark_exported")?
        .into_iter()
        .filter(is_npz)
        .map(|npz| {
            let name = npz.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, npz.with_extension("onnx"), npz)
        })
        .collect();
    check_all(&cases, &[]);
    Ok(())
}
