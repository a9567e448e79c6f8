//! `DFT`: the discrete Fourier transform along an axis.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input` | float16, bfloat16, float32, float64 | `[.., 1]` real, or `[.., 2]` complex |
//! | 1 | `dft_length` | int32, int64 | one element, optional: the length of the axis; longer is filled with zeros |
//! | 2 | `axis` | int32, int64 | one element, optional: -2 (opset 20; an attribute before, 1) |
//! | → | `output` | as `input` | `[.., 2]`; `[.., 1]` of the inverse one-sided |
//!
//! Attributes: `inverse` (int, 0): divided by the length; `onesided` (int, 0): the first half and one of the frequencies, of
//! real input; inverse: from them.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__DFT.html>. Computed in float64, rounded once.

use super::fourier::{Complex, transform};
use crate::common::axes::{around, axis};
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::{integers, one_element};
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::{FLOATS, INDICES};

/// `DFT`.
pub static DEF: OpDef = OpDef {
    names: &[("", "DFT")],
    opsets: 17..=LATEST,
    summary: "the discrete Fourier transform along an axis",
    types: "float16, bfloat16, float32, float64; dft_length, axis int32, int64",
    grade: Grade::Within(1, "computed in float64, rounded once"),
    build,
};

struct Dft {
    axis: i64,
    axis_input: bool,
    inverse: bool,
    onesided: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    let axis_input = spec.op.opset >= 20;
    spec.expect_inputs(1..=if axis_input { 3 } else { 2 })?;
    let axis = if axis_input { -2 } else { attrs.int("axis")?.unwrap_or(1) };
    Ok(Box::new(Dft {
        axis,
        axis_input,
        inverse: attrs.flag("inverse")?.unwrap_or(false),
        onesided: attrs.flag("onesided")?.unwrap_or(false),
    }))
}

/// The only element of an optional integer input.
pub(super) fn number(inputs: &Inputs, index: usize, name: &str) -> Result<Option<i64>, OpError> {
    let Some(x) = inputs.optional(index)? else { return Ok(None) };
    match integers(x, name)?[..] {
        [n] => Ok(Some(n)),
        _ => Err(one_element(x, name)),
    }
}

impl Operator for Dft {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let along = if self.axis_input { number(&inputs, 2, "axis")? } else { None };
        let axis = axis(along.unwrap_or(self.axis), x.rank())?;
        if axis + 1 == x.rank() || !matches!(x.shape()[x.rank() - 1], 1 | 2) {
            let expected = "1 or 2 numbers last, and another axis";
            return Err(wrong_shape("input", x.shape(), expected));
        }
        let have = x.shape()[axis];
        let length = match number(&inputs, 1, "dft_length")? {
            Some(length) => dim(length, "dft_length")?,
            None if self.inverse && self.onesided => 2 * have.saturating_sub(1),
            None => have,
        };
        with_float!(x.dtype(), "input", T => {
            let wide: Vec<f64> = x.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect();
            let (shape, y) = self.along(&wide, x.shape(), axis, length)?;
            one(Tensor::new(&shape, y.into_iter().map(<T as Number>::from_f64).collect())?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "dft_length")?;
        INDICES.check(inputs, 2, "axis")?;
        Ok(vec![FLOATS.check(inputs, 0, "input")?])
    }
}

impl Dft {
    fn along(
        &self,
        x: &[f64],
        from: &[usize],
        axis: usize,
        length: usize,
    ) -> Result<(Vec<usize>, Vec<f64>), OpError> {
        let parts = from[from.len() - 1];
        let real = self.inverse && self.onesided;
        let kept = if self.onesided && !self.inverse { length / 2 + 1 } else { length };
        let mut shape = from.to_vec();
        shape[axis] = kept;
        shape[from.len() - 1] = if real { 1 } else { 2 };
        let out_parts = if real { 1 } else { 2 };
        let mut y = vec![0.0; result_len(DType::F64, &shape)?];
        result_len(DType::F64, &[length, 2])?;
        let (outer, have, inner) = around(&from[..from.len() - 1], axis);
        for o in 0..outer {
            for i in 0..inner {
                let mut signal: Vec<Complex> = vec![[0.0; 2]; length];
                for (n, into) in signal.iter_mut().enumerate().take(have) {
                    let at = ((o * have + n) * inner + i) * parts;
                    *into = [x[at], if parts == 2 { x[at + 1] } else { 0.0 }];
                }
                if real {
                    mirror(&mut signal);
                }
                let scale = if self.inverse { 1.0 / length as f64 } else { 1.0 };
                for (k, value) in
                    transform(&signal, self.inverse).into_iter().enumerate().take(kept)
                {
                    let at = ((o * kept + k) * inner + i) * out_parts;
                    y[at] = value[0] * scale;
                    if !real {
                        y[at + 1] = value[1] * scale;
                    }
                }
            }
        }
        Ok((shape, y))
    }
}

/// The other half of a spectrum of real numbers.
fn mirror(signal: &mut [Complex]) {
    let length = signal.len();
    if let Some(first) = signal.first_mut() {
        first[1] = 0.0;
    }
    for k in length / 2 + 1..length {
        let [re, im] = signal[length - k];
        signal[k] = [re, -im];
    }
    if length.is_multiple_of(2) && length > 0 {
        signal[length / 2][1] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn there_and_back() {
        let x = || floats(&[1, 4, 1], &[1.0, 2.0, 3.0, 4.0]);
        let spectrum = node("DFT").run([x()]);
        assert_eq!(spectrum.shape(), [1, 4, 2]);
        assert_eq!(spectrum.as_slice::<f32>().unwrap()[..4], [10.0, 0.0, -2.0, 2.0]);
        let back = node("DFT").int("inverse", 1).run([spectrum]);
        assert_eq!(back.as_slice::<f32>().unwrap(), [1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0]);
        let half = node("DFT").int("onesided", 1).run([x()]);
        assert_eq!(half.shape(), [1, 3, 2]);
        let back = node("DFT").int("onesided", 1).int("inverse", 1).run([half]);
        assert_tensor(&back, &x());
    }
}
