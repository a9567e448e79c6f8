//! ONNX's own quantized operators and `com.microsoft`'s against onnxruntime 1.28 without optimizations.

use anyhow::Result;
use vairun::{Exec, Model};

use super::{Report, cases, check};

/// Quotients of 2^31 and more, which these two vectors hold, wrap in onnxruntime's quantizer to 2 bits instead of
/// saturating (operators.md §4.1); `testdata/ops/quantize_linear` has the types without them.
const EXCEPTED: &[(&str, &str)] = &[
    ("qdq_int2_s0", "onnxruntime 1.28 wraps quotients of 2^31 and more"),
    ("qdq_uint2_s1", "onnxruntime 1.28 wraps quotients of 2^31 and more"),
];

#[test]
fn every_case_is_onnxruntimes() -> Result<()> {
    let Some((folder, index)) = cases("native")? else { return Ok(()) };
    for exec in [Exec::Fused, Exec::Unfused] {
        let builder = Model::builder().exec(exec);
        let mut report = Report::default();
        let cases = index.iter().filter(|case| case["ok"] == true);
        for name in cases.clone().map(|case| case["name"].as_str().unwrap()) {
            report.case(name, || check(&builder, &folder, name));
        }
        report.finish(cases.count(), EXCEPTED);
    }
    Ok(())
}
