//! `GlobalAveragePool`, `GlobalMaxPool` and `GlobalLpPool`: one number for each channel.
//!
//! | | name | type                                                         | shape          |
//! |-|------|--------------------------------------------------------------|----------------|
//! | 0 | `X` | float16, bfloat16, float32, float64; GlobalMaxPool also int8, uint8 | `[n, c, …]` |
//! | → | `Y` | as `X`                                                        | `[n, c, 1, …]` |
//!
//! The mean is a sum divided once; eight sums run side by side over a channel and are added at its end. Attributes: p (2)
//! of GlobalLpPool.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html>, `GlobalMaxPool` and `GlobalLpPool` there.

use vairun_numeric::pool::{
    Ordered, Pool, PoolAxis, float32, largest, mean_of_rows, norm, power_sum,
};
use vairun_tensor::{DType, Element, Tensor};

use super::lp_pool::exponent;
use super::max_pool::{TYPES, with_pooled};
use super::window::real;
use crate::attrs::Attrs;
use crate::common::dispatch::with_type;
use crate::common::types::FLOATS;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `GlobalAveragePool`.
pub static AVERAGE: OpDef = OpDef {
    names: &[("", "GlobalAveragePool")],
    opsets: 1..=LATEST,
    summary: "the mean of each channel",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "onnxruntime adds in another order"),
    build: |spec, _| build(spec, Kind::Average),
};

/// `GlobalMaxPool`.
pub static MAX: OpDef = OpDef {
    names: &[("", "GlobalMaxPool")],
    opsets: 1..=LATEST,
    summary: "the largest element of each channel",
    types: "int8, uint8, float16, bfloat16, float32, float64",
    grade: Grade::Exact("ONNX"),
    build: |spec, _| build(spec, Kind::Max),
};

/// `GlobalLpPool`.
pub static LP: OpDef = OpDef {
    names: &[("", "GlobalLpPool")],
    opsets: 2..=LATEST,
    summary: "the p-norm of each channel",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Runs,
    build: |spec, attrs: &Attrs| build(spec, Kind::Lp(exponent(attrs)?)),
};

#[derive(Clone, Copy)]
enum Kind {
    Average,
    Max,
    Lp(i32),
}

fn build(spec: &NodeSpec, kind: Kind) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(kind))
}

impl Operator for Kind {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let types = if matches!(self, Self::Max) { TYPES } else { FLOATS };
        types.check_tensor(x, "X")?;
        let &[n, c, ref pixels @ ..] = x.shape() else {
            return Err(OpError::Shape {
                input: "X".into(),
                got: x.shape().to_vec(),
                expected: "[n, c, …]".into(),
            });
        };
        let (rows, length) = (n * c, pixels.iter().product());
        let shape: Vec<usize> = [n, c].into_iter().chain(pixels.iter().map(|_| 1)).collect();
        one(match *self {
            Self::Average => real(
                x,
                &shape,
                |x| float32::mean_of_rows(x, rows, length),
                |x| mean_of_rows(x, rows, length),
            )?,
            Self::Max => with_pooled!(x.dtype(), T => max_of_rows::<T>(x, rows, length, &shape))?,
            Self::Lp(p) => {
                let pool = whole(rows, length);
                real(
                    x,
                    &shape,
                    |x| norm(power_sum(x, &pool, p), p),
                    |x| norm(power_sum(x, &pool, p), p),
                )?
            }
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let types = if matches!(self, Self::Max) { TYPES } else { FLOATS };
        Ok(vec![types.check(inputs, 0, "X")?])
    }
}

/// One window over the whole of each row.
fn whole(rows: usize, length: usize) -> Pool {
    let axis = PoolAxis {
        input: length,
        output: 1,
        kernel: length,
        stride: 1,
        dilation: 1,
        pad_begin: 0,
        pad_end: 0,
    };
    Pool { planes: rows, axes: vec![axis] }
}

fn max_of_rows<T: Element + Ordered>(
    x: &Tensor,
    rows: usize,
    length: usize,
    shape: &[usize],
) -> Result<Tensor, OpError> {
    let x = x.as_slice::<T>()?;
    let row = |i: usize| x[i * length..(i + 1) * length].iter().copied().fold(T::LEAST, largest);
    Ok(Tensor::new(shape, (0..rows).map(row).collect())?)
}

#[cfg(test)]
mod tests {
    use crate::common::testing::{assert_tensor, floats, node};

    #[test]
    fn one_number_for_each_channel() {
        let x = || [floats(&[1, 2, 1, 2], &[1., 2., -3., 4.])];
        assert_tensor(&node("GlobalAveragePool").run(x()), &floats(&[1, 2, 1, 1], &[1.5, 0.5]));
        assert_tensor(&node("GlobalMaxPool").run(x()), &floats(&[1, 2, 1, 1], &[2., 4.]));
        assert_tensor(&node("GlobalLpPool").run(x()), &floats(&[1, 2, 1, 1], &[5f32.sqrt(), 5.]));
    }

    #[test]
    fn a_channel_without_pixels_has_no_mean() {
        let y = node("GlobalAveragePool").run([floats(&[1, 1, 0], &[])]);
        assert!(y.as_slice::<f32>().unwrap()[0].is_nan());
    }
}
