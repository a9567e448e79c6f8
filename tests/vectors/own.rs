//! The vectors of this repository: `testdata/ops/<family>/`, written by the `generate.py` beside them.

use anyhow::Result;
use serde_json::Value as Json;
use vairun::{Exec, Model};

use super::{Report, check_within};
use crate::material::repository;

/// Every case of a family, fused and unfused.
fn family(name: &str, cases: usize, excepted: &[(&str, &str)]) -> Result<()> {
    let folder = repository().join("testdata/ops").join(name);
    let index: Vec<Json> = serde_json::from_slice(&std::fs::read(folder.join("index.json"))?)?;
    for exec in [Exec::Fused, Exec::Unfused] {
        let builder = Model::builder().exec(exec);
        let mut report = Report::default();
        for case in &index {
            let name = case["name"].as_str().unwrap();
            assert!(case["oracle"].as_str().is_some_and(|oracle| oracle.contains('.')), "{name}");
            let within = case["within"].as_f64();
            report.case(name, || check_within(&builder, &folder, name, within));
        }
        report.finish(cases, excepted);
    }
    Ok(())
}

#[test]
fn vai() -> Result<()> {
    family("vai", 19, &[])
}

#[test]
fn quantize_linear() -> Result<()> {
    family("quantize_linear", 48, &[])
}

#[test]
fn contrib() -> Result<()> {
    family("contrib", 3, &[])
}

#[test]
fn qlinear() -> Result<()> {
    family("qlinear", 43, &[])
}

#[test]
fn resize() -> Result<()> {
    family("resize", 8, &[])
}
