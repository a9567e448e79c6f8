//! Faults put into goldens on purpose: the tensor where they are and their cause must be named.

mod codes;
mod inputs;
mod nodes;
mod quantizers;
mod reading;
mod subject;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::material::shared;
use subject::{Fault, Subject};

/// Families of quantizers, per tensor and per channel, powers of two and other scales, zero points and none.
const MODELS: [&str; 7] = [
    "onet-vai_w8a8",
    "rnet-ort_qdq_s8s8_pc",
    "pnet-ort_qdq_u8s8",
    "pnet-quark_xint8",
    "rnet-vai_asym_pc",
    "ppcls-vai_w8a8_pc",
    "rnet-vai_methods",
];

/// What a check said.
struct Said {
    code: Option<i32>,
    first: String,
    /// The best explanations of the first tensor: those that leave as few differences as the first.
    causes: Vec<String>,
}

/// A model of the corpus with its inputs.
struct Place {
    id: &'static str,
    model: PathBuf,
    inputs: PathBuf,
    folder: TempDir,
}

impl Place {
    /// `None` where the corpus is absent.
    fn of(id: &'static str) -> Result<Option<Self>> {
        let Some(corpus) = shared("corpus") else { return Ok(None) };
        let (model, inputs) =
            (corpus.join(id).join("model.onnx"), corpus.join(id).join("inputs.npz"));
        Ok(Some(Self { id, model, inputs, folder: TempDir::new()? }))
    }

    fn subject(&self) -> Result<Subject> {
        Subject::open(&self.model, &self.inputs)
    }

    fn golden(&self) -> PathBuf {
        self.folder.path().join("golden.npz")
    }

    /// What a check against the golden says.
    fn check(&self) -> Result<Said> {
        let report = self.folder.path().join("report.json");
        let output = Command::new(env!("CARGO_BIN_EXE_vairun-under-test"))
            .args(["check", "-q", "--explain", "1"])
            .arg(&self.model)
            .arg("-i")
            .arg(&self.inputs)
            .arg("--golden")
            .arg(self.golden())
            .arg("--report")
            .arg(&report)
            .output()?;
        let code = output.status.code();
        anyhow::ensure!(matches!(code, Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
        said(code, &report)
    }
}

fn said(code: Option<i32>, report: &Path) -> Result<Said> {
    let report: Json = serde_json::from_slice(&std::fs::read(report)?)?;
    let first = report["summary"]["first"].as_str().unwrap_or_default().to_owned();
    let records = report["records"].as_array().context("records")?;
    let record = records.iter().find(|record| record["name"] == first.as_str());
    let explanations = record.and_then(|record| record["diagnosis"]["explanations"].as_array());
    let explanations: Vec<&Json> = explanations.into_iter().flatten().collect();
    let best = |one: &&&Json| one["left"] == explanations[0]["left"];
    let cause = |one: &&Json| one["cause"].as_str().unwrap_or_default().to_owned();
    Ok(Said { code, causes: explanations.iter().filter(best).map(cause).collect(), first })
}

#[derive(Default)]
struct Tally {
    named: usize,
    all: usize,
    problems: Vec<String>,
}

impl Tally {
    /// Checks a fault, in a golden with the tensors that are kept.
    fn add(&mut self, place: &Place, fault: &Fault, kept: impl Fn(&str) -> bool) -> Result<()> {
        let Fault { cause, target, what, .. } = fault;
        fault.write(&place.golden(), kept)?;
        let said = place.check()?;
        let id = place.id;
        assert_eq!(said.code, Some(1), "{id}: {cause} ({what}) in `{target}` passes unnoticed");
        self.all += 1;
        if said.first == *target && said.causes.iter().any(|said| said == cause) {
            self.named += 1;
        } else {
            let Said { first, causes: other, .. } = said;
            self.problems
                .push(format!("{id}: {cause} ({what}) in `{target}`: said {other:?} in `{first}`"));
        }
        Ok(())
    }

    /// At least so many, and 95 of 100 named.
    fn judge(&self, least: usize) {
        println!("{} of {} named; not named:\n{}", self.named, self.all, self.problems.join("\n"));
        assert!(self.all >= least, "only {} faults had an effect", self.all);
        assert!(self.named * 100 >= self.all * 95, "{}", self.problems.join("\n"));
    }
}

/// Checks the faults that `faults` finds in every model.
fn named(least: usize, faults: impl Fn(&Subject) -> Result<Vec<Fault>>) -> Result<()> {
    let mut tally = Tally::default();
    for id in MODELS {
        let Some(place) = Place::of(id)? else { return Ok(()) };
        let subject = place.subject()?;
        for fault in faults(&subject)? {
            tally.add(&place, &fault, |_| true)?;
        }
    }
    tally.judge(least);
    Ok(())
}

#[test]
fn faults_of_quantizers_are_named() -> Result<()> {
    named(150, quantizers::faults)
}

#[test]
fn tensors_that_are_stored_otherwise_are_named() -> Result<()> {
    named(50, reading::faults)
}

#[test]
fn faults_of_other_nodes_and_of_weights_are_named() -> Result<()> {
    named(30, nodes::faults)
}

#[test]
fn another_input_is_named() -> Result<()> {
    named(50, inputs::faults)
}

#[test]
fn another_input_is_named_where_the_golden_lacks_it() -> Result<()> {
    named(25, inputs::unseen)
}

/// Goldens of boards have codes alone: what stands between two of them is computed again.
#[test]
fn faults_are_named_in_goldens_of_codes_alone() -> Result<()> {
    let mut tally = Tally::default();
    for id in MODELS.into_iter().step_by(2) {
        let Some(place) = Place::of(id)? else { return Ok(()) };
        let subject = place.subject()?;
        let faults = quantizers::faults(&subject)?;
        // What is stored otherwise has the same tensors around it as in the full golden.
        for fault in faults.iter().filter(|fault| fault.what == "computed") {
            tally.add(&place, fault, |name| subject.is_sparse(name))?;
        }
    }
    tally.judge(80);
    Ok(())
}

#[test]
fn without_a_fault_nothing_is_reported() -> Result<()> {
    for id in MODELS {
        let Some(place) = Place::of(id)? else { return Ok(()) };
        place.subject()?.flawless().write(&place.golden(), |_| true)?;
        let said = place.check()?;
        assert_eq!((said.code, said.first.as_str()), (Some(0), ""), "{id}");
    }
    Ok(())
}

#[test]
fn the_slope_of_hardware_is_named() -> Result<()> {
    let Some(place) = Place::of("facemask320-vai_nndct")? else { return Ok(()) };
    let fault = nodes::other_slope(&place.subject()?)?.context("the model has LeakyRelu")?;
    let mut tally = Tally::default();
    tally.add(&place, &fault, |_| true)?;
    tally.judge(1);
    Ok(())
}
