//! The kernel behind `vai::fix_neuron` and the rounding behind all of vai, against pytorch_nndct 3.5.0 on torch 1.13.1.
//!
//! The vectors are results of the kernel, not of models: the operator has neither its lower bound nor its zero point, so
//! the rule is called where it lies.

use std::path::Path;

use anyhow::{Context, Result};
use vairun::Tensor;
use vairun_numeric::round::{Round, i32_x86};
use vairun_numeric::vai::{Rule, fix_neuron};

use super::{Report, cases, same};
use crate::material::read_npz;

/// The upstream kernel walks strided channels as if they were contiguous for any axis but 0 (operators.md §1.6, 8):
/// its results are those of other elements.
const BROKEN_AXES: &[(&str, &str)] = &[
    ("fnpc_r2_a1", "upstream reads the wrong elements for axis 1"),
    ("fnpc_r3_a1", "upstream reads the wrong elements for axis 1"),
    ("fnpc_r3_a2", "upstream reads the wrong elements for axis 2"),
];

#[test]
fn every_case_is_the_kernels() -> Result<()> {
    let Some((folder, index)) = cases("fix_neuron")? else { return Ok(()) };
    let mut report = Report::default();
    for case in &index {
        let name = case["name"].as_str().unwrap();
        report.case(name, || check_kernel(&folder, name, case));
    }
    report.finish(62, BROKEN_AXES);
    Ok(())
}

/// What each rounding gives; `None` for one that no kernel has.
type ByRounding = Vec<(Option<Round>, Tensor)>;

/// The methods of a file, each with its result.
fn results(folder: &Path, name: &str) -> Result<(Tensor, ByRounding)> {
    let arrays = read_npz(&folder.join(format!("{name}.npz")))?;
    let method = |key: &str| key.strip_prefix("y_m")?.parse().ok();
    let results = arrays
        .iter()
        .filter_map(|(key, y)| Some((Round::from_vai(method(key)?), y.clone())))
        .collect();
    Ok((arrays.get("x").context("x")?.clone(), results))
}

fn check_kernel(folder: &Path, name: &str, case: &serde_json::Value) -> Result<()> {
    let integer = |key: &str| case[key].as_i64().map(|value| value as i32).context("integer");
    let (low, high) = (integer("lo")?, integer("hi")?);
    let (x, results) = results(folder, name)?;
    let channels = channels(folder, name, case, &x)?;
    for (round, want) in results {
        let mut y = x.as_slice::<f32>()?.to_vec();
        for (i, run) in y.chunks_mut(channels.run).enumerate() {
            let (amplitude, zero_point) = channels.parameters[i % channels.parameters.len()];
            fix_neuron(run, Rule { round, low, high }, amplitude, zero_point);
        }
        let y = Tensor::new(x.shape(), y)?;
        same(&y.into(), &want).with_context(|| format!("{round:?}"))?;
    }
    Ok(())
}

/// The amplitude and the zero point of each run of so many elements, in a cycle.
struct Channels {
    run: usize,
    parameters: Vec<(f32, i32)>,
}

fn channels(folder: &Path, name: &str, case: &serde_json::Value, x: &Tensor) -> Result<Channels> {
    if case["per_channel"] != true {
        let amplitude = case["amp"].as_f64().context("amp")? as f32;
        let zero_point = case["zp"].as_i64().context("zp")? as i32;
        return Ok(Channels { run: x.len(), parameters: vec![(amplitude, zero_point)] });
    }
    let arrays = read_npz(&folder.join(format!("{name}.npz")))?;
    let (scale, zero_point) = (arrays["scale"].as_slice::<f32>()?, arrays["zp"].as_slice::<i8>()?);
    let axis = case["axis"].as_u64().context("axis")? as usize;
    let amplitude = |scale: f32| (1.0 / f64::from(scale)) as f32;
    let pair = |(&scale, &zero_point): (&f32, &i8)| (amplitude(scale), i32::from(zero_point));
    Ok(Channels {
        run: x.shape()[axis + 1..].iter().product(),
        parameters: scale.iter().zip(zero_point).map(pair).collect(),
    })
}

#[test]
fn rounding_is_the_kernels() -> Result<()> {
    let Some((folder, _)) = cases("fix_neuron")? else { return Ok(()) };
    let (x, results) = results(&folder, "round_kernel")?;
    assert_eq!(results.len(), 12);
    for (round, want) in results {
        let round = |&x: &f32| round.map_or(0.0, |round| i32_x86(round.f32(x).into()) as f32);
        let y = x.as_slice::<f32>()?.iter().map(round).collect();
        same(&Tensor::new(x.shape(), y)?.into(), &want)?;
    }
    Ok(())
}
