//! Real quantized models with the outputs of their reference runtimes.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value as Json;
use vairun::{Exec, Inputs, Model, Tensor};

use crate::material::{numbers, read_npz, shared};

/// One line for each output that misses its tolerance.
type Problems = Vec<String>;

#[test]
fn every_model_meets_its_tolerances() -> Result<()> {
    let Some(corpus) = shared("corpus") else { return Ok(()) };
    let manifest: Json = serde_json::from_slice(&std::fs::read(corpus.join("manifest.json"))?)?;
    let mut problems = Problems::new();
    let only = std::env::var("VAIRUN_CORPUS_ONLY").unwrap_or_default();
    for entry in manifest["models"].as_array().context("models")? {
        let id = entry["id"].as_str().context("id")?;
        if !id.contains(&only) {
            continue;
        }
        if let Err(error) = check_model(&corpus, id, &entry["tolerance"], &mut problems) {
            problems.push(format!("{id}: {error:#}"));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

fn check_model(corpus: &Path, id: &str, tolerance: &Json, problems: &mut Problems) -> Result<()> {
    let folder = corpus.join(id);
    let model = Model::builder().exec(Exec::Unfused).open(folder.join("model.onnx"))?;
    for set in ["", ".2"] {
        let inputs = folder.join(format!("inputs{set}.npz"));
        if !inputs.exists() {
            continue;
        }
        let inputs: Inputs = read_npz(&inputs)?.into_iter().collect();
        let expected = read_npz(&folder.join(format!("outputs{set}.npz")))?;
        let outputs = model.run(inputs)?;
        for (name, want) in expected {
            let got =
                outputs.get(&name).with_context(|| format!("no output `{name}`"))?.as_tensor()?;
            if let Some(problem) = judge(got, &want, tolerance, &name)? {
                problems.push(format!("{id}{set} `{name}`: {problem}"));
            }
        }
    }
    Ok(())
}

/// What is wrong with an output by the manifest's rule for it.
fn judge(got: &Tensor, want: &Tensor, tolerance: &Json, name: &str) -> Result<Option<String>> {
    let rule = tolerance["per_output"][name].as_str().context("tolerance")?;
    if rule == "exact" {
        return Ok((!equal_but_for_signs_of_zero(got, want))
            .then(|| format!("exact, but {}", distance(got, want).unwrap_or_default())));
    }
    if got.dtype() != want.dtype() || got.shape() != want.shape() {
        return Ok(Some(format!("{got:?}, expected {want:?}")));
    }
    let (got_numbers, want_numbers) = (numbers(got)?, numbers(want)?);
    if got_numbers.iter().zip(&want_numbers).any(|(a, b)| a.is_nan() != b.is_nan()) {
        return Ok(Some("NaN against a number".into()));
    }
    let limit = limit(tolerance, name, rule, &want_numbers);
    let worst = max_abs_difference(&got_numbers, &want_numbers);
    // A code that flips before a softmax moves single scores far: the manifest wants the cosine looked at as
    // well (onnxruntime's own optimizer is at 0.9976 on the worst of them).
    if rule == "lsb" && cosine(&got_numbers, &want_numbers) > 0.99 {
        return Ok(None);
    }
    Ok((worst > limit)
        .then(|| format!("{rule}: max |difference| {worst}, allowed {limit}; {:?}", got.shape())))
}

/// Equal bit for bit, but for -0 against 0: the corpus's reference rounds with `copysign`, so that a code may be -0;
/// the real kernels round through an integer and never give it (golden/vai, where signs of zero are compared).
fn equal_but_for_signs_of_zero(got: &Tensor, want: &Tensor) -> bool {
    let plain = |tensor: &Tensor| -> Option<Tensor> {
        let data = tensor
            .as_slice::<f32>()
            .ok()?
            .iter()
            .map(|&x| if x == 0.0 { 0.0 } else { x })
            .collect();
        Tensor::new(tensor.shape(), data).ok()
    };
    match (plain(got), plain(want)) {
        (Some(got), Some(want)) => got.bits_eq(&want),
        _ => got.bits_eq(want),
    }
}

/// How far an output may be from the reference: ordinary float tolerance, or as far as the reference itself moves when
/// its input changes by a millionth or its optimizer is on (a quantized network may flip a code at a rounding border;
/// a few such flips are what `lsb` stands for).
fn limit(tolerance: &Json, name: &str, rule: &str, want: &[f64]) -> f64 {
    let moved = |key: &str| tolerance[key][name].as_f64().unwrap_or(0.0);
    let largest = want.iter().filter(|x| x.is_finite()).fold(0.0, |a: f64, b| a.max(b.abs()));
    let float = 1e-5 + 1e-4 * largest;
    let own =
        moved("maxabs_under_1e6_relative_input_change").max(moved("ort_optimised_vs_plain_maxabs"));
    let steps = if rule == "lsb" { 4.0 * largest / 127.0 } else { 0.0 };
    float.max(2.0 * own).max(steps)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn max_abs_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a != b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn distance(got: &Tensor, want: &Tensor) -> Result<String> {
    anyhow::ensure!(got.shape() == want.shape(), "{got:?}, expected {want:?}");
    let (a, b) = (numbers(got)?, numbers(want)?);
    let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    Ok(format!("{differ} of {} differ, by at most {}", a.len(), max_abs_difference(&a, &b)))
}
