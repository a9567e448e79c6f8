//! The fused plan against the plain one: the same bits, whatever the threads and the instruction set.

use std::path::Path;

use anyhow::{Context, Result};
use vairun::{Exec, Inputs, Isa, Model};

use crate::material::{read_npz, shared};

#[test]
fn the_fused_plan_gives_the_bits_of_the_plain_one() -> Result<()> {
    let Some(corpus) = shared("corpus") else { return Ok(()) };
    let only = std::env::var("VAIRUN_CORPUS_ONLY").unwrap_or_default();
    let mut problems = Vec::new();
    let mut models: Vec<_> = std::fs::read_dir(corpus)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    models.sort();
    for folder in models {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.contains(&only) || !folder.join("model.onnx").exists() {
            continue;
        }
        if let Err(error) = compare(&folder, &mut problems) {
            let error = format!("{error:#}");
            if !error.contains("no such operator") {
                problems.push(format!("{name}: {error}"));
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

/// Runs a model on both plans with each instruction set and one and two threads.
fn compare(folder: &Path, problems: &mut Vec<String>) -> Result<()> {
    let path = folder.join("model.onnx");
    let plain = Model::builder().exec(Exec::Unfused).open(&path)?;
    let mut fused = vec![("two threads", Model::builder().threads(2).open(&path)?)];
    for isa in Isa::available() {
        fused.push((isa.name(), Model::builder().threads(1).isa(isa).open(&path)?));
    }
    for set in ["inputs.npz", "inputs.2.npz"] {
        if !folder.join(set).exists() {
            continue;
        }
        let inputs =
            || -> Result<Inputs> { Ok(read_npz(&folder.join(set))?.into_iter().collect()) };
        let expected = plain.run(inputs()?)?;
        for (how, fused) in &fused {
            // The second run has its forms and buffers from the first.
            for run in 1..=2 {
                let got = fused.run(inputs()?)?;
                for (name, want) in expected.iter() {
                    let got = got.get(name).context("an output")?.as_tensor()?;
                    if !got.bits_eq(want.as_tensor()?) {
                        problems
                            .push(format!("{} {set} {how}, run {run}: `{name}`", folder.display()));
                    }
                }
            }
        }
    }
    Ok(())
}
