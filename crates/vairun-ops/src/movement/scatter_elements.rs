//! `ScatterElements` (`Scatter` in opset 9): a tensor with elements replaced by their index along one axis.
//!
//! `output[i, indices[i, j, k], k] = updates[i, j, k]` for `axis` 1; negative indices count from the end.
//!
//! | | name      | type         | shape |
//! |-|-----------|--------------|-------|
//! | 0 | `data`    | any        | rank 1 or more |
//! | 1 | `indices` | int32, int64 | of the same rank; not larger but along `axis` |
//! | 2 | `updates` | as `data`  | as `indices` |
//! | → | `output`  | as `data`  | as `data` |
//!
//! Attributes: `axis` (int, 0); `reduction` (`none`, `add`, `mul`, `max`, `min`; `none`; opset 16). Several updates of one
//! element are applied in the order of `indices`.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__ScatterElements.html>.

use super::elements::{Reduction, places};
use crate::common::prelude::*;
use crate::common::types::INDICES;

/// `ScatterElements`.
pub static DEF: OpDef = OpDef {
    names: &[("", "ScatterElements"), ("", "Scatter")],
    opsets: 9..=LATEST,
    summary: "a tensor with elements replaced by their index along one axis",
    types: "data, updates any; indices int32, int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct ScatterElements {
    axis: i64,
    reduction: Reduction,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=3)?;
    let reduction = Reduction::read(spec, attrs)?;
    Ok(Box::new(ScatterElements { axis: attrs.int("axis")?.unwrap_or(0), reduction }))
}

impl Operator for ScatterElements {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.take(0, "data")?;
        let (indices, updates) = (inputs.tensor(1, "indices")?, inputs.tensor(2, "updates")?);
        if indices.shape() != updates.shape() {
            let expected = format!("{:?} as indices", indices.shape());
            return Err(wrong_shape("updates", updates.shape(), expected));
        }
        let places = places(&data, indices, self.axis)?;
        one(self.reduction.scatter(data, &places, 1, updates)?)
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
    fn updates_replace_or_reduce() {
        let run = |case: Case| {
            case.int("axis", 1).run([
                count_up(&[1, 3]),
                tensor(&[1, 2], &[1i64, 1]),
                floats(&[1, 2], &[5.0, 3.0]),
            ])
        };
        assert_tensor(&run(node("ScatterElements")), &floats(&[1, 3], &[0.0, 3.0, 2.0]));
        assert_tensor(&run(node("Scatter").opset(10)), &floats(&[1, 3], &[0.0, 3.0, 2.0]));
        for (reduction, want) in [("add", 9.0), ("mul", 15.0), ("max", 5.0), ("min", 1.0)] {
            let y = run(node("ScatterElements").text("reduction", reduction));
            assert_tensor(&y, &floats(&[1, 3], &[0.0, want, 2.0]));
        }
    }

    #[test]
    fn updates_have_the_shape_of_the_indices() {
        let error = node("ScatterElements").error([count_up(&[3]), ints(&[1]), count_up(&[2])]);
        assert_eq!(error, "updates has shape [2], expected [1] as indices");
    }
}
