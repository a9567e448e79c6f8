//! `CenterCropPad`: a tensor cropped or padded with zeros around its middle.
//!
//! | | name          | type  | shape |
//! |-|---------------|-------|-------|
//! | 0 | `input_data`  | any | any   |
//! | 1 | `shape`       | int32, int64 | one number for each of `axes` |
//! | → | `output_data` | as `input_data` | `shape` along `axes` |
//!
//! Attributes: `axes` (ints; all). Where the difference is odd, the end is padded or cropped by one more.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__CenterCropPad.html>.

use crate::common::axes::{around, axes};
use crate::common::dispatch::with_element;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::stack::block;
use crate::common::types::INDICES;

/// `CenterCropPad`.
pub static DEF: OpDef = OpDef {
    names: &[("", "CenterCropPad")],
    opsets: 18..=LATEST,
    summary: "a tensor cropped or padded around its middle",
    types: "input_data any; shape int32, int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct CenterCropPad {
    axes: Option<Vec<i64>>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(CenterCropPad { axes: attrs.ints("axes")?.map(<[i64]>::to_vec) }))
}

impl Operator for CenterCropPad {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut y = inputs.take(0, "input_data")?;
        let wanted = integers(inputs.tensor(1, "shape")?, "shape")?;
        let all = || (0..y.rank() as i64).collect();
        let named = axes(&self.axes.clone().unwrap_or_else(all), y.rank())?;
        if named.len() != wanted.len() {
            return Err(wrong_shape("shape", &[wanted.len()], format!("[{}]", named.len())));
        }
        for (axis, wanted) in named.into_iter().zip(wanted) {
            let (have, want) = (y.shape()[axis], dim(wanted, "shape")?);
            if want < have {
                y = block(&y, axis, (have - want) / 2, want)?;
            } else if want > have {
                y = pad(&y, axis, (want - have) / 2, want)?;
            }
        }
        one(y)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "shape")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// `x` at the start of `shape`, zeros behind it along each axis. The caller has checked that it is not larger.
pub(crate) fn at_the_start(x: Tensor, shape: &[usize]) -> Result<Tensor, OpError> {
    let mut y = x;
    for (axis, &want) in shape.iter().enumerate() {
        if want > y.shape()[axis] {
            y = pad(&y, axis, 0, want)?;
        }
    }
    Ok(y)
}

fn pad(x: &Tensor, axis: usize, before: usize, want: usize) -> Result<Tensor, OpError> {
    let mut shape = x.shape().to_vec();
    shape[axis] = want;
    let len = result_len(x.dtype(), &shape)?;
    let (_, length, inner) = around(x.shape(), axis);
    with_element!(x.dtype(), T => {
        let mut out = vec![T::default(); len];
        let rows = x.as_slice::<T>()?.chunks_exact((length * inner).max(1));
        for (row, into) in rows.zip(out.chunks_exact_mut((want * inner).max(1))) {
            into[before * inner..][..row.len()].clone_from_slice(row);
        }
        Ok(Tensor::with_dtype(x.dtype(), &shape, out)?)
    })
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_end_gives_or_takes_one_more() {
        let y = node("CenterCropPad").run([count_up(&[4, 1]), ints(&[1, 4])]);
        assert_tensor(&y, &floats(&[1, 4], &[0.0, 1.0, 0.0, 0.0]));
        let y = node("CenterCropPad").ints("axes", &[-1]).run([count_up(&[2, 3]), ints(&[2])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 1.0, 3.0, 4.0]));
    }
}
