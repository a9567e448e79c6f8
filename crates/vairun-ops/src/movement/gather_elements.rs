//! `GatherElements`: elements by their index along one axis.
//!
//! `output[i, j, k] = data[i, indices[i, j, k], k]` for `axis` 1; negative indices count from the end.
//!
//! | | name      | type         | shape |
//! |-|-----------|--------------|-------|
//! | 0 | `data`    | any        | rank 1 or more |
//! | 1 | `indices` | int32, int64 | of the same rank; not larger but along `axis` |
//! | → | `output`  | as `data`  | as `indices` |
//!
//! Attributes: `axis` (int, 0).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__GatherElements.html>.

use super::elements::places;
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry};
use crate::common::prelude::*;
use crate::common::types::INDICES;

/// `GatherElements`.
pub static DEF: OpDef = OpDef {
    names: &[("", "GatherElements")],
    opsets: 11..=LATEST,
    summary: "elements by their index along one axis",
    types: "data any; indices int32, int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct GatherElements {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(GatherElements { axis: attrs.int("axis")?.unwrap_or(0) }))
}

impl Operator for GatherElements {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (data, indices) = (inputs.tensor(0, "data")?, inputs.tensor(1, "indices")?);
        let places = places(data, indices, self.axis)?;
        let y = with_element!(data.dtype(), T => {
            let elements = data.as_slice::<T>()?;
            let taken = places.iter().map(|&place| elements[place].clone()).collect();
            Tensor::with_dtype(data.dtype(), indices.shape(), taken)?
        });
        one(carry(data, |_| AxisAfter::Lost, y))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "indices")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_index_replaces_the_axis() {
        let indices = || tensor(&[2, 2], &[0i64, -1, 1, 0]);
        let y = node("GatherElements").int("axis", 1).run([count_up(&[2, 2]), indices()]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 1.0, 3.0, 2.0]));
        let y = node("GatherElements").run([count_up(&[2, 2]), indices()]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 3.0, 2.0, 1.0]));
    }

    #[test]
    fn indices_must_fit() {
        let of = |shape: &[usize], data: &[i64]| {
            node("GatherElements").error([count_up(&[2, 2]), tensor(shape, data)])
        };
        assert!(of(&[1, 1], &[2]).contains("an index of a dimension of 2"));
        assert!(of(&[1, 3], &[0; 3]).contains("at most 2 along axis 1"));
        assert!(of(&[1], &[0]).contains("rank 2"));
    }
}
