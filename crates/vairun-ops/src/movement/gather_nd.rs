//! `GatherND`: slices of a tensor by rows of indices.
//!
//! `output[i..] = data[indices[i.., 0], indices[i.., 1], …]`; negative indices count from the end.
//!
//! | | name      | type    | shape |
//! |-|-----------|---------|-------|
//! | 0 | `data`    | any   | rank 1 or more |
//! | 1 | `indices` | int64 | the last dimension is at most the rank of `data` without the batch |
//! | → | `output`  | as `data` | `indices` without its last dimension, then the slices' |
//!
//! Attributes: `batch_dims` (int, 0; opset 12): so many first dimensions are common to both.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__GatherND.html>.

use super::nd::slices;
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry};
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::types::INDICES;

/// `GatherND`.
pub static DEF: OpDef = OpDef {
    names: &[("", "GatherND")],
    opsets: 11..=LATEST,
    summary: "slices of a tensor by rows of indices",
    types: "data any; indices int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct GatherNd {
    batch: usize,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    let batch = if spec.op.opset >= 12 { attrs.int("batch_dims")? } else { None }.unwrap_or(0);
    let batch =
        usize::try_from(batch).map_err(|_| Attrs::value("batch_dims", batch, "0 or more"))?;
    Ok(Box::new(GatherNd { batch }))
}

impl Operator for GatherNd {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (data, indices) = (inputs.tensor(0, "data")?, inputs.tensor(1, "indices")?);
        let slices = slices(data, indices, self.batch)?;
        let mut shape = indices.shape()[..indices.rank() - 1].to_vec();
        shape.extend(&slices.shape);
        let len = result_len(data.dtype(), &shape)?;
        let run: usize = slices.shape.iter().product();
        let y = with_element!(data.dtype(), T => {
            let elements = data.as_slice::<T>()?;
            let mut out = Vec::with_capacity(len);
            slices.places.iter().for_each(|&at| out.extend_from_slice(&elements[at..at + run]));
            Tensor::with_dtype(data.dtype(), &shape, out)?
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
    fn elements_slices_and_batches() {
        let y = node("GatherND").run([count_up(&[2, 2]), tensor(&[2, 2], &[0i64, 0, -1, 1])]);
        assert_tensor(&y, &floats(&[2], &[0.0, 3.0]));
        let y = node("GatherND").run([count_up(&[2, 2]), tensor(&[1, 1], &[1i64])]);
        assert_tensor(&y, &floats(&[1, 2], &[2.0, 3.0]));
        let y = node("GatherND")
            .int("batch_dims", 1)
            .run([count_up(&[2, 2, 2]), tensor(&[2, 1], &[1i64, 0])]);
        assert_tensor(&y, &floats(&[2, 2], &[2.0, 3.0, 4.0, 5.0]));
    }

    #[test]
    fn indices_must_fit() {
        let of = |shape: &[usize], data: &[i64]| {
            node("GatherND").error([count_up(&[2, 2]), tensor(shape, data)])
        };
        assert!(of(&[1], &[2]).contains("an index of a dimension of 2"));
        assert!(of(&[3], &[0; 3]).contains("at most 2 for the last"));
        assert!(of(&[], &[0]).contains("at most 2 for the last"));
    }
}
