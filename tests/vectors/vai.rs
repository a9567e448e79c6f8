//! `vai::QuantizeLinear` and `vai::DequantizeLinear` against pytorch_nndct 3.5.0.

use anyhow::Result;
use vairun::{Exec, Model};

use super::{Report, cases, check};

/// The cases that the reference itself aborts on: negative axes other than the last, which numpy cannot broadcast.
const ABORTED: usize = 7;

#[test]
fn every_case_is_the_references_when_permissive() -> Result<()> {
    let Some((folder, index)) = cases("vai")? else { return Ok(()) };
    for exec in [Exec::Fused, Exec::Unfused] {
        let builder = Model::builder().permissive(true).exec(exec);
        let mut report = Report::default();
        for case in index.iter().filter(|case| case["ok"] == true) {
            let name = case["name"].as_str().unwrap();
            report.case(name, || check(&builder, &folder, name));
        }
        report.finish(index.len() - ABORTED, &[]);
    }
    Ok(())
}

#[test]
fn without_permission_negative_axes_are_what_they_say_or_refused() -> Result<()> {
    let Some((folder, index)) = cases("vai")? else { return Ok(()) };
    let mut report = Report::default();
    let per_channel =
        index.iter().filter(|case| case["kind"] != "per_tensor" && case["ok"] == true);
    for case in per_channel.clone() {
        let name = case["name"].as_str().unwrap();
        report.case(name, || check(&Model::builder(), &folder, name));
    }
    // The reference gives the result of a negative axis another rank; here -1 is the last dimension and the rank
    // stays, and what is not what it says is refused.
    let negative = |name: &&str| name.starts_with("pc_r") && name.contains("axis-");
    let excepted: Vec<_> = per_channel
        .clone()
        .filter_map(|case| case["name"].as_str().filter(negative))
        .map(|name| (name, "negative axis"))
        .collect();
    assert_eq!(excepted.len(), 9);
    report.finish(per_channel.count(), &excepted);
    Ok(())
}

#[test]
fn without_permission_unknown_methods_are_refused_by_name() -> Result<()> {
    let Some((folder, _)) = cases("vai")? else { return Ok(()) };
    let error = Model::open(folder.join("pt_s8_s0_z0.onnx")).err().expect("methods -1, 0, 1, 9");
    let text = format!("{:#}", anyhow::Error::from(error));
    for method in [-1, 0, 1, 9] {
        let expected = format!("`method` is {method}, expected 2 (half up)");
        assert!(text.contains(&expected), "{text}");
    }
    Ok(())
}
