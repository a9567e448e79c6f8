//! `ScatterND`: a tensor with slices replaced by rows of indices.
//!
//! `output[indices[i.., 0], indices[i.., 1], …] = updates[i..]`; negative indices count from the end.
//!
//! | | name      | type    | shape |
//! |-|-----------|---------|-------|
//! | 0 | `data`    | any   | rank 1 or more |
//! | 1 | `indices` | int64 | the last dimension is at most the rank of `data` |
//! | 2 | `updates` | as `data` | `indices` without its last dimension, then the slices' |
//! | → | `output`  | as `data` | as `data` |
//!
//! Attributes: `reduction` (`none`, `add`, `mul`, `max`, `min`; `none`; opset 16). Several updates of one slice are
//! applied in the order of `indices`.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__ScatterND.html>.

use super::elements::Reduction;
use super::nd::slices;
use crate::common::prelude::*;
use crate::common::types::INDICES;

/// `ScatterND`.
pub static DEF: OpDef = OpDef {
    names: &[("", "ScatterND")],
    opsets: 11..=LATEST,
    summary: "a tensor with slices replaced by rows of indices",
    types: "data, updates any; indices int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct ScatterNd {
    reduction: Reduction,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=3)?;
    Ok(Box::new(ScatterNd { reduction: Reduction::read(spec, attrs)? }))
}

impl Operator for ScatterNd {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.take(0, "data")?;
        let (indices, updates) = (inputs.tensor(1, "indices")?, inputs.tensor(2, "updates")?);
        let slices = slices(&data, indices, 0)?;
        let mut expected = indices.shape()[..indices.rank() - 1].to_vec();
        expected.extend(&slices.shape);
        if updates.shape() != expected {
            return Err(wrong_shape("updates", updates.shape(), format!("{expected:?}")));
        }
        let run = slices.shape.iter().product();
        one(self.reduction.scatter(data, &slices.places, run, updates)?)
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
    fn slices_are_replaced_or_reduced() {
        let run = |case: Case| {
            case.run([
                count_up(&[2, 2]),
                tensor(&[2, 1], &[1i64, 1]),
                floats(&[2, 2], &[5.0, 6.0, 7.0, 8.0]),
            ])
        };
        assert_tensor(&run(node("ScatterND")), &floats(&[2, 2], &[0.0, 1.0, 7.0, 8.0]));
        let y = run(node("ScatterND").text("reduction", "add"));
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 1.0, 14.0, 17.0]));
    }

    #[test]
    fn updates_must_fit() {
        let error =
            node("ScatterND").error([count_up(&[2, 2]), tensor(&[1, 1], &[1i64]), count_up(&[2])]);
        assert_eq!(error, "updates has shape [2], expected [1, 2]");
    }
}
