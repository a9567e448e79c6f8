//! `LpNormalization`: elements along an axis divided by their norm; where it is 0 they stay 0.
//!
//! | | name     | type                                | shape |
//! |-|----------|-------------------------------------|-------|
//! | 0 | `input`  | float16, bfloat16, float32, float64 | rank 1 or more |
//! | → | `output` | as `input`                        | as `input` |
//!
//! Attributes: `axis` (int, -1), `p` (int, 2): 1 or 2.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__LpNormalization.html>.

use vairun_numeric::normalize::sum;

use super::GRADE;
use super::rows::map_along;
use crate::common::axes::axis;
use crate::common::dispatch::with_float;
use crate::common::prelude::*;
use crate::common::types::FLOATS;

/// `LpNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[("", "LpNormalization")],
    opsets: 1..=LATEST,
    summary: "elements along an axis divided by their norm",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build,
};

struct LpNormalization {
    axis: i64,
    norm: fn(&[f64]) -> f64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let norm: fn(&[f64]) -> f64 = match attrs.int("p")?.unwrap_or(2) {
        1 => |row| sum(row, f64::abs),
        2 => |row| sum(row, |x| x * x).sqrt(),
        other => return Err(Attrs::value("p", other, "1 or 2")),
    };
    Ok(Box::new(LpNormalization { axis: attrs.int("axis")?.unwrap_or(-1), norm }))
}

impl Operator for LpNormalization {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let axis = axis(self.axis, x.rank())?;
        let divide = |row: &mut [f64]| {
            let norm = (self.norm)(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        };
        with_float!(x.dtype(), "input", T => {
            one(Tensor::new(x.shape(), map_along::<T>(x.as_slice()?, x.shape(), axis, divide))?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "input")?])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn both_norms_along_any_axis() {
        let x = || floats(&[2, 2], &[3.0, 0.0, 4.0, 0.0]);
        let y = node("LpNormalization").int("axis", 0).run([x()]);
        assert_tensor(&y, &floats(&[2, 2], &[0.6, 0.0, 0.8, 0.0]));
        let y = node("LpNormalization").int("p", 1).run([x()]);
        assert_tensor(&y, &floats(&[2, 2], &[1.0, 0.0, 1.0, 0.0]));
    }
}
