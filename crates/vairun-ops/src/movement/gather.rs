//! `Gather`: slices of a tensor by index along one axis.
//!
//! `output[i.., j.., k..] = data[i.., indices[j..], k..]`; negative indices count from the end.
//!
//! | | name      | type         | shape |
//! |-|-----------|--------------|-------|
//! | 0 | `data`    | any          | rank 1 or more |
//! | 1 | `indices` | int32, int64 | any   |
//! | → | `output`  | as `data`    | `data` with the dimension at `axis` replaced by the shape of `indices` |
//!
//! Attributes: `axis` (int, 0). An index out of range is an error.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Gather.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::{around, axis};
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry};
use crate::common::parameters::integers;
use crate::common::sizes::result_len;
use crate::common::types::INDICES;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Gather`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Gather")],
    opsets: 1..=LATEST,
    summary: "slices of a tensor by index along one axis",
    types: "data any; indices int32, int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Gather {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(Gather { axis: attrs.int("axis")?.unwrap_or(0) }))
}

impl Operator for Gather {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (data, indices) = (inputs.tensor(0, "data")?, inputs.tensor(1, "indices")?);
        let axis = axis(self.axis, data.rank())?;
        let places = places(&integers(indices, "indices")?, data.shape()[axis])?;
        let mut shape = data.shape().to_vec();
        shape.splice(axis..=axis, indices.shape().iter().copied());
        let axis_after = |scales: usize| match scales {
            scales if scales < axis => AxisAfter::At(scales),
            scales if scales > axis => AxisAfter::At(scales + indices.rank() - 1),
            _ => AxisAfter::Lost,
        };
        one(carry(data, axis_after, gather(data, axis, &places, &shape)?))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        INDICES.check(inputs, 1, "indices")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// Indices counted from the start, each below `length`.
pub(crate) fn places(indices: &[i64], length: usize) -> Result<Vec<usize>, OpError> {
    let signed = length as i64;
    let place = |&index: &i64| {
        let from_start = if index < 0 { index.saturating_add(signed) } else { index };
        usize::try_from(from_start).ok().filter(|&place| place < length)
    };
    let outside = |&index: &i64| OpError::Value {
        input: "indices".into(),
        got: index.to_string(),
        expected: format!("an index of a dimension of {length}"),
    };
    indices.iter().map(|index| place(index).ok_or_else(|| outside(index))).collect()
}

pub(crate) fn gather(
    data: &Tensor,
    axis: usize,
    places: &[usize],
    shape: &[usize],
) -> Result<Tensor, OpError> {
    let len = result_len(data.dtype(), shape)?;
    let (outer, length, inner) = around(data.shape(), axis);
    with_element!(data.dtype(), T => {
        let elements = data.as_slice::<T>()?;
        let mut out = Vec::with_capacity(len);
        for row in 0..outer {
            for place in places {
                let start = (row * length + place) * inner;
                out.extend_from_slice(&elements[start..start + inner]);
            }
        }
        Ok(Tensor::with_dtype(data.dtype(), shape, out)?)
    })
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn the_shape_of_the_indices_replaces_the_axis() {
        let y = node("Gather").run([count_up(&[3, 2]), tensor(&[1, 2], &[2i64, 0])]);
        assert_tensor(&y, &floats(&[1, 2, 2], &[4.0, 5.0, 0.0, 1.0]));
        let y = node("Gather").int("axis", 1).run([count_up(&[3, 2]), Tensor::scalar(1i32)]);
        assert_tensor(&y, &floats(&[3], &[1.0, 3.0, 5.0]));
    }

    #[test]
    fn negative_indices_count_from_the_end() {
        let y = node("Gather").run([count_up(&[3]), ints(&[-1, -3])]);
        assert_tensor(&y, &floats(&[2], &[2.0, 0.0]));
    }

    #[test]
    fn an_index_out_of_range_is_named() {
        let error = |index| node("Gather").error([count_up(&[3]), ints(&[index])]);
        assert_eq!(error(3), "indices is 3, expected an index of a dimension of 3");
        assert!(error(i64::MIN).contains("an index of a dimension of 3"));
    }

    #[test]
    fn float_indices_are_refused_before_the_run() {
        let error = node("Gather").error([count_up(&[3]), count_up(&[1])]);
        assert_eq!(error, "indices is float32, expected int32 or int64");
    }
}
