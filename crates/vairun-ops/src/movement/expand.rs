//! `Expand`: a tensor repeated along dimensions of 1.
//!
//! | | name     | type      | shape |
//! |-|----------|-----------|-------|
//! | 0 | `input`  | any     | any   |
//! | 1 | `shape`  | int64   | `[n]` |
//! | → | `output` | as `input` | that to which the shape of `input` and `shape` broadcast |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Expand.html>.

use crate::common::broadcast::{broadcast_shape, broadcast_strides};
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry, strided};
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::INDICES;

/// `Expand`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Expand")],
    opsets: 8..=LATEST,
    summary: "a tensor repeated along dimensions of 1",
    types: "input any; shape int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Expand;

fn build(spec: &NodeSpec, _: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(Expand))
}

impl Operator for Expand {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let wanted = integers(inputs.tensor(1, "shape")?, "shape")?;
        let wanted = wanted.iter().map(|&d| dim(d, "shape")).collect::<Result<Vec<_>, _>>()?;
        one(expand(x, &broadcast_shape(&[x.shape(), &wanted])?)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "shape")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// `x` in `shape`, to which it broadcasts.
pub(crate) fn expand(x: &Tensor, shape: &[usize]) -> Result<Tensor, OpError> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let len = result_len(x.dtype(), shape)?;
    let steps: Vec<_> =
        broadcast_strides(x.shape(), shape).into_iter().map(|step| step as isize).collect();
    let y = with_element!(x.dtype(), T => {
        let repeated = match len {
            0 => Vec::new(),
            _ => strided(x.as_slice::<T>()?, 0, shape, &steps, len),
        };
        Tensor::with_dtype(x.dtype(), shape, repeated)?
    });
    let new = shape.len() - x.rank();
    let axis_after = |scales: usize| match x.shape()[scales] == shape[scales + new] {
        true => AxisAfter::At(scales + new),
        false => AxisAfter::Lost,
    };
    Ok(carry(x, axis_after, y))
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn both_shapes_may_grow() {
        let y = node("Expand").run([count_up(&[2, 1]), ints(&[1, 2])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 0.0, 1.0, 1.0]));
        let y = node("Expand").run([count_up(&[2]), ints(&[2, 1])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 1.0, 0.0, 1.0]));
        assert_eq!(node("Expand").run([count_up(&[1]), ints(&[0])]).shape(), [0]);
    }

    #[test]
    fn hostile_shapes_are_refused() {
        let error = |shape: &[i64]| node("Expand").error([count_up(&[1]), ints(shape)]);
        assert!(error(&[1 << 40]).contains("more than memory can hold"));
        assert!(error(&[-1]).contains("0 or more"));
    }
}
