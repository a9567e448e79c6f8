//! `Compress`: the slices along an axis for which a condition holds.
//!
//! | | name        | type  | shape |
//! |-|-------------|-------|-------|
//! | 0 | `input`     | any | rank 1 or more |
//! | 1 | `condition` | bool | `[n]`, at most as long as the axis |
//! | → | `output`    | as `input` | with the chosen slices alone |
//!
//! Attributes: `axis` (int; without it the input is flattened first).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Compress.html>.

use super::gather::gather;
use crate::common::axes::axis;
use crate::common::movement::{AxisAfter, carry};
use crate::common::prelude::*;
use crate::common::types::BOOL;

/// `Compress`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Compress")],
    opsets: 9..=LATEST,
    summary: "the slices along an axis for which a condition holds",
    types: "input any; condition bool",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Compress {
    axis: Option<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(Compress { axis: attrs.int("axis")? }))
}

impl Operator for Compress {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.take(0, "input")?;
        let condition = inputs.tensor(1, "condition")?;
        BOOL.check_tensor(condition, "condition")?;
        let (x, axis) = match self.axis {
            Some(value) => (x.clone(), axis(value, x.rank())?),
            None => (x.reshaped(&[x.len()])?, 0),
        };
        let length = x.shape()[axis];
        if condition.len() > length {
            let expected = format!("at most {length} elements");
            return Err(wrong_shape("condition", condition.shape(), expected));
        }
        let chosen = condition.as_slice::<bool>()?.iter().enumerate();
        let places: Vec<_> = chosen.filter(|(_, chosen)| **chosen).map(|(i, _)| i).collect();
        let mut shape = x.shape().to_vec();
        shape[axis] = places.len();
        let axis_after =
            |scales| if scales == axis { AxisAfter::Lost } else { AxisAfter::At(scales) };
        one(carry(&x, axis_after, gather(&x, axis, &places, &shape)?))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        BOOL.check(inputs, 1, "condition")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn along_an_axis_or_flattened() {
        let condition = || Tensor::vector(vec![false, true]);
        let y = node("Compress").int("axis", 1).run([count_up(&[2, 2]), condition()]);
        assert_tensor(&y, &floats(&[2, 1], &[1.0, 3.0]));
        let y = node("Compress").run([count_up(&[2, 2]), condition()]);
        assert_tensor(&y, &floats(&[1], &[1.0]));
    }

    #[test]
    fn a_condition_longer_than_the_axis_is_refused() {
        let error = node("Compress")
            .int("axis", 0)
            .error([count_up(&[1]), Tensor::vector(vec![true, true])]);
        assert_eq!(error, "condition has shape [2], expected at most 1 elements");
    }
}
