//! ONNX's own quantizers and `com.microsoft`'s against onnxruntime 1.28 without optimizations.

use anyhow::Result;
use vairun::Model;

use super::{Report, cases, check};

/// Quotients of 2^31 and more, which these two vectors hold, wrap in onnxruntime's quantizer to 2 bits instead of
/// saturating (operators.md §4.1); `testdata/ops/quantize_linear` has the types without them.
const EXCEPTED: &[(&str, &str)] = &[
    ("qdq_int2_s0", "onnxruntime 1.28 wraps quotients of 2^31 and more"),
    ("qdq_uint2_s1", "onnxruntime 1.28 wraps quotients of 2^31 and more"),
];

#[test]
fn every_quantizer_and_dequantizer_is_onnxruntimes() -> Result<()> {
    let Some((folder, index)) = cases("native")? else { return Ok(()) };
    let mut report = Report::default();
    let mut count = 0;
    for case in index.iter().filter(|case| case["ok"] == true) {
        let op = case["op"].as_str().unwrap();
        if op.starts_with("Q ") || op.starts_with("QDQ") || op == "DynamicQuantizeLinear" {
            let name = case["name"].as_str().unwrap();
            report.case(name, || check(&Model::builder(), &folder, name));
            count += 1;
        }
    }
    assert_eq!(count, 35);
    report.finish(count, EXCEPTED);
    Ok(())
}
