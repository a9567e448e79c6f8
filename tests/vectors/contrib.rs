//! `ai.onnx.contrib` against `qdq_ops.py` of vai_q_onnx 3.5.

use anyhow::Result;
use vairun::Model;

use super::{Report, cases, check};

#[test]
fn every_case_is_the_references() -> Result<()> {
    let Some((folder, index)) = cases("vai_q_onnx")? else { return Ok(()) };
    let mut report = Report::default();
    for name in index.iter().map(|case| case["name"].as_str().unwrap()) {
        report.case(name, || check(&Model::builder(), &folder, name));
    }
    report.finish(18, &[]);
    Ok(())
}
