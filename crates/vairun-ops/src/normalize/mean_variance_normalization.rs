//! `MeanVarianceNormalization`: `y = (x - mean) / (√variance + 1e-9)` over axes.
//!
//! | | name | type                                | shape |
//! |-|------|-------------------------------------|-------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | any |
//! | → | `Y` | as `X`                              | as `X` |
//!
//! Attributes: `axes` (ints, `[0, 2, 3]`). The variance is the mean of the squares without the square of the mean.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html>.

use vairun_numeric::normalize::moments;

use super::GRADE;
use super::rows::map_rows;
use crate::common::axes::axes;
use crate::common::dispatch::with_float;
use crate::common::movement::rearranged;
use crate::common::prelude::*;
use crate::common::types::FLOATS;

/// `MeanVarianceNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[("", "MeanVarianceNormalization")],
    opsets: 9..=LATEST,
    summary: "normalization over axes by mean and variance",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build,
};

struct MeanVariance {
    axes: Vec<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let axes = attrs.ints("axes")?.unwrap_or(&[0, 2, 3]).to_vec();
    Ok(Box::new(MeanVariance { axes }))
}

impl Operator for MeanVariance {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let named = axes(&self.axes, x.rank())?;
        let (together, apart): (Vec<_>, Vec<_>) =
            (0..x.rank()).partition(|axis| named.contains(axis));
        let order: Vec<_> = apart.into_iter().chain(together).collect();
        let moved: Vec<_> = order.iter().map(|&axis| x.shape()[axis]).collect();
        let length = named.iter().map(|&axis| x.shape()[axis]).product();
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
        let rows = rearranged(x, x.shape(), &order, &moved)?;
        let normalized = with_float!(x.dtype(), "X", T => {
            let y = map_rows::<T>(rows.as_slice()?, length, |_, row| {
                let (mean, variance) = moments(row);
                let deviation = variance.sqrt() + 1e-9;
                row.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
            });
            Ok::<_, OpError>(Tensor::new(&moved, y)?)
        })?;
        one(rearranged(&normalized, &moved, &back, x.shape())?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn channels_by_default() {
        let y =
            node("MeanVarianceNormalization").run([floats(&[2, 2, 1, 1], &[1.0, 10.0, 3.0, 30.0])]);
        let y: Vec<_> = y.as_slice::<f32>().unwrap().to_vec();
        assert_eq!(y, [-1.0, -1.0, 1.0, 1.0]);
    }
}
