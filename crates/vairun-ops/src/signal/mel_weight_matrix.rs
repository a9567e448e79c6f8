//! `MelWeightMatrix`: what turns a spectrum into bands of equal width in pitch.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0, 1, 2 | `num_mel_bins`, `dft_length`, `sample_rate` | int32, int64 | one element |
//! | 3, 4 | `lower_edge_hertz`, `upper_edge_hertz` | a float type | one element |
//! | → | `output` | `output_datatype` | `[dft_length / 2 + 1, num_mel_bins]` |
//!
//! Attributes: `output_datatype` (int, float32).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html>, `onnx/reference/ops/op_mel_weight_matrix.py`.

use vairun_numeric::narrow::{Overflow, PowerRound};

use super::dft::number;
use crate::cast::convert::{Rules, convert};
use crate::common::parameters::one_element;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::{FLOATS, INDICES};

/// `MelWeightMatrix`.
pub static DEF: OpDef = OpDef {
    names: &[("", "MelWeightMatrix")],
    opsets: 17..=LATEST,
    summary: "what turns a spectrum into bands of equal width in pitch",
    types: "integers int32, int64; edges floats",
    grade: Grade::Within(1, "computed in float64, rounded once"),
    build,
};

struct MelWeightMatrix {
    dtype: DType,
}

const RULES: Rules = Rules { overflow: Overflow::Saturate, power_round: PowerRound::Up };

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(5..=5)?;
    Ok(Box::new(MelWeightMatrix { dtype: attrs.dtype("output_datatype")?.unwrap_or(DType::F32) }))
}

impl Operator for MelWeightMatrix {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let whole = |i: usize, name: &'static str| {
            let n = number(&inputs, i, name)?.ok_or(OpError::Missing(name))?;
            dim(n, name)
        };
        let edge = |i: usize, name: &'static str| {
            let x = inputs.tensor(i, name)?;
            FLOATS.check_tensor(x, name)?;
            let x = convert(x, DType::F64, RULES)?;
            x.as_scalar::<f64>().copied().ok_or_else(|| one_element(&x, name))
        };
        let (bins, length) = (whole(0, "num_mel_bins")?, whole(1, "dft_length")?);
        let rate = whole(2, "sample_rate")?;
        let (low, high) = (edge(3, "lower_edge_hertz")?, edge(4, "upper_edge_hertz")?);
        let rows = length / 2 + 1;
        let mut y = vec![0.0; result_len(DType::F64, &[rows, bins])?];
        let mel = |hertz: f64| 2595.0 * libm::log1p(hertz / 700.0) / std::f64::consts::LN_10;
        let step = (mel(high) - mel(low)) / (bins + 2) as f64;
        let place = |i: usize| {
            let hertz = 700.0
                * libm::expm1((i as f64 * step + mel(low)) / 2595.0 * std::f64::consts::LN_10);
            let place = ((length + 1) as f64 * hertz / rate as f64).floor();
            let inside = (0.0..rows as f64).contains(&place);
            if inside {
                Ok(place as usize)
            } else {
                Err(wrong_value("upper_edge_hertz", high, "edges within the spectrum"))
            }
        };
        for bin in 0..bins {
            let (left, centre, right) = (place(bin)?, place(bin + 1)?, place(bin + 2)?);
            let mut set = |row: usize, value: f64| y[row * bins + bin] = value;
            if centre == left {
                set(centre, 1.0);
            }
            for row in left..=centre {
                if centre > left {
                    set(row, (row - left) as f64 / (centre - left) as f64);
                }
            }
            for row in centre..right {
                set(row, (right - row) as f64 / (right - centre) as f64);
            }
        }
        one(convert(&Tensor::new(&[rows, bins], y)?, self.dtype, RULES)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        for (i, name) in ["num_mel_bins", "dft_length", "sample_rate"].into_iter().enumerate() {
            INDICES.check(inputs, i, name)?;
        }
        Ok(vec![Some(self.dtype)])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn matrix(high: f32) -> Result<Tensor, crate::OpError> {
        node("MelWeightMatrix").try_run([
            Tensor::scalar(8i32),
            Tensor::scalar(16i32),
            Tensor::scalar(8192i32),
            Tensor::scalar(0f32),
            Tensor::scalar(high),
        ])
    }

    #[test]
    fn every_band_has_a_peak_of_one() {
        let y = matrix(4096.0).unwrap();
        assert_eq!(y.shape(), [9, 8]);
        let y = y.as_slice::<f32>().unwrap();
        for band in 0..8 {
            let largest = (0..9).map(|row| y[row * 8 + band]).fold(0f32, f32::max);
            assert_eq!(largest, 1.0, "{band}");
        }
    }

    #[test]
    fn edges_beyond_the_spectrum_are_refused() {
        assert!(matrix(1e9).is_err());
    }
}
