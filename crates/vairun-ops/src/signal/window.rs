//! `HannWindow`, `HammingWindow` and `BlackmanWindow`.
//!
//! With `x = 2π·n/N`, N the size, or one less if not periodic: Hann `½ - ½·cos x`, Hamming `25/46 - 21/46·cos x`, Blackman
//! `0.42 - 0.5·cos x + 0.08·cos 2x`.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `size` | int32, int64 | one element |
//! | → | `output` | `output_datatype` | `[size]` |
//!
//! Attributes: `output_datatype` (int, float32), `periodic` (int, 1).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__HannWindow.html> and the pages beside it.

use std::f64::consts::TAU;

use vairun_numeric::narrow::{Overflow, PowerRound};

use super::dft::number;
use crate::cast::convert::{Rules, convert};
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::INDICES;

macro_rules! operators {
    ($($id:ident $name:literal $coefficients:expr, $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: 17..=LATEST,
            summary: $summary,
            types: "size int32, int64",
            grade: Grade::Within(1, "computed in float64, rounded once"),
            build: |spec, attrs| {
                spec.expect_inputs(1..=1)?;
                Ok(Box::new(Window {
                    coefficients: $coefficients,
                    dtype: attrs.dtype("output_datatype")?.unwrap_or(DType::F32),
                    periodic: attrs.flag("periodic")?.unwrap_or(true),
                }))
            },
        };
    )*};
}

operators! {
    BLACKMAN "BlackmanWindow" [0.42, 0.5, 0.08], "the window of Blackman";
    HAMMING "HammingWindow" [25.0 / 46.0, 21.0 / 46.0, 0.0], "the window of Hamming";
    HANN "HannWindow" [0.5, 0.5, 0.0], "the window of Hann";
}

struct Window {
    coefficients: [f64; 3],
    dtype: DType,
    periodic: bool,
}

impl Operator for Window {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let size = number(&inputs, 0, "size")?.ok_or(OpError::Missing("size"))?;
        let size = result_len(DType::F64, &[dim(size, "size")?])?;
        let period = if self.periodic { size } else { size.saturating_sub(1) };
        let [a, b, c] = self.coefficients;
        let at = |n: usize| {
            // A window of one element has no period.
            let x = if period == 0 { 0.0 } else { TAU * n as f64 / period as f64 };
            a - b * libm::cos(x) + c * libm::cos(2.0 * x)
        };
        let rules = Rules { overflow: Overflow::Saturate, power_round: PowerRound::Up };
        one(convert(&Tensor::vector((0..size).map(at).collect()), self.dtype, rules)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 0, "size")?;
        Ok(vec![Some(self.dtype)])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn periodic_or_symmetric() {
        let y = node("HannWindow").run([Tensor::scalar(4i64)]);
        assert_tensor(&y, &floats(&[4], &[0.0, 0.5, 1.0, 0.5]));
        let y = node("HannWindow").int("periodic", 0).run([Tensor::scalar(3i64)]);
        assert_tensor(&y, &floats(&[3], &[0.0, 1.0, 0.0]));
    }

    #[test]
    fn hostile_sizes_are_refused() {
        assert!(node("HannWindow").try_run([Tensor::scalar(1i64 << 40)]).is_err());
    }
}
