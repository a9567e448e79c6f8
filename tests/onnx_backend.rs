//! ONNX's own backend test suite.
//!
//! `VAIRUN_ONNX_BACKEND` names a folder `<kind>/<case>/{model.onnx,tol.json,test_data_set_N/}`. `onnx_backend.txt`
//! beside this file lists the cases that do not pass, each with the reason: a listed case that passes fails the run, as
//! does one that fails without being listed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use vairun::{Inputs, Model, Tensor, Value};

use crate::material::{numbers, repository};

#[test]
fn the_backend_suite_passes_but_for_the_listed_cases() -> Result<()> {
    let Some(root) = std::env::var_os("VAIRUN_ONNX_BACKEND").map(PathBuf::from) else {
        println!("skipped: VAIRUN_ONNX_BACKEND is not set");
        return Ok(());
    };
    let listed = listed()?;
    let only = std::env::var("VAIRUN_ONNX_BACKEND_ONLY").unwrap_or_default();
    let mut problems = Vec::new();
    let mut passed = 0;
    for case in cases(&root)? {
        let name = case.file_name().context("a case has a name")?.to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        match (run_case(&case), listed.get(&name)) {
            (Ok(()), None) => passed += 1,
            (Ok(()), Some(reason)) => {
                problems.push(format!("{name} passes, but is listed: {reason}"))
            }
            (Err(error), None) => problems.push(format!("{name} {error:#}")),
            (Err(_), Some(_)) => {}
        }
    }
    println!("{passed} cases pass");
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

/// The cases that do not pass, with their reasons.
fn listed() -> Result<BTreeMap<String, String>> {
    let path = repository().join("tests/onnx_backend.txt");
    let text = std::fs::read_to_string(&path)?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) =
                line.split_once(' ').with_context(|| format!("no reason: {line}"))?;
            Ok((name.to_owned(), reason.trim().to_owned()))
        })
        .collect()
}

fn cases(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for kind in folders(root)? {
        found.extend(folders(&kind)?);
    }
    ensure!(!found.is_empty(), "no case in {}", root.display());
    Ok(found)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = path.read_dir().with_context(|| path.display().to_string())?;
    let mut found: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}

fn run_case(folder: &Path) -> Result<()> {
    let tolerance: Tolerance = serde_json::from_slice::<serde_json::Value>(&std::fs::read(
        folder.join("tol.json"),
    )?)
    .map(|json| Tolerance {
        rtol: json["rtol"].as_f64().unwrap_or(0.),
        atol: json["atol"].as_f64().unwrap_or(0.),
    })?;
    let model = Model::open(folder.join("model.onnx"))?;
    let graph = &model.source().graph;
    let infos = |ids: &[vairun::graph::ValueId]| {
        ids.iter().map(|&id| graph.value(id).clone()).collect::<Vec<_>>()
    };
    // What has an initializer is given where it is a case's input, but not in the networks, whose files count the others.
    let is_network = folder.parent().is_some_and(|kind| kind.ends_with("light"));
    let given: Vec<_> = graph
        .inputs
        .iter()
        .copied()
        .filter(|id| !is_network || !graph.initializers.contains_key(id))
        .collect();
    let sets = folders(folder)?;
    ensure!(!sets.is_empty(), "no data set");
    for set in sets {
        let inputs: Inputs =
            vairun_onnx::read_data_set(&set, "input", &infos(&given))?.into_iter().collect();
        let outputs = model.run(inputs)?;
        for (name, want) in vairun_onnx::read_data_set(&set, "output", &infos(&graph.outputs))? {
            let got = outputs.get(&name).with_context(|| format!("no output `{name}`"))?;
            compare(got, &want, &tolerance).with_context(|| format!("`{name}`"))?;
        }
    }
    Ok(())
}

/// As numpy's `assert_allclose`: |got - want| ≤ atol + rtol·|want|, and NaN equals NaN.
struct Tolerance {
    rtol: f64,
    atol: f64,
}

fn compare(got: &Value, want: &Value, tolerance: &Tolerance) -> Result<()> {
    match (got, want) {
        (Value::Tensor(got), Value::Tensor(want)) => compare_tensors(got, want, tolerance),
        (Value::Sequence(got), Value::Sequence(want)) => {
            ensure!(got.len() == want.len(), "{} items, expected {}", got.len(), want.len());
            got.iter().zip(want).try_for_each(|(got, want)| compare(got, want, tolerance))
        }
        (Value::Optional(None), Value::Optional(None)) => Ok(()),
        (Value::Optional(Some(got)), Value::Optional(Some(want))) => compare(got, want, tolerance),
        _ => bail!("a {}, expected a {}", got.kind(), want.kind()),
    }
}

fn compare_tensors(got: &Tensor, want: &Tensor, tolerance: &Tolerance) -> Result<()> {
    ensure!(got.dtype() == want.dtype(), "{}, expected {}", got.dtype(), want.dtype());
    ensure!(got.shape() == want.shape(), "shape {:?}, expected {:?}", got.shape(), want.shape());
    if got.bits_eq(want) {
        return Ok(());
    }
    let (got, want) = (numbers(got)?, numbers(want)?);
    let close = |(got, want): (&f64, &f64)| {
        got == want
            || (got.is_nan() && want.is_nan())
            || (got - want).abs() <= tolerance.atol + tolerance.rtol * want.abs()
    };
    if let Some(i) = got.iter().zip(&want).position(|pair| !close(pair)) {
        let differing = got.iter().zip(&want).filter(|pair| !close(*pair)).count();
        bail!("{differing} of {} differ, first [{i}]: {}, expected {}", got.len(), got[i], want[i]);
    }
    Ok(())
}
