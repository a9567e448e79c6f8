//! `SplitToSequence`: the pieces of a tensor as a sequence.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input` | any | rank 1 or more |
//! | 1 | `split` | int32, int64 | `[]`: pieces of that size, the last one may be smaller; `[n]`: sizes that add up. Optional: 1 |
//! | → | `output_sequence` | a sequence of tensors as `input` | |
//!
//! Attributes: `axis` (int, 0); `keepdims` (int, 1): without `split`, whether pieces keep the axis.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__SplitToSequence.html>.

use vairun_tensor::Value;

use crate::common::axes::axis;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::stack::slice;
use crate::common::types::INDICES;
use crate::movement::split::{cut, pieces};

/// `SplitToSequence`.
pub static DEF: OpDef = OpDef {
    names: &[("", "SplitToSequence")],
    opsets: 11..=LATEST,
    summary: "the pieces of a tensor as a sequence",
    types: "input any; split int32, int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct SplitToSequence {
    axis: i64,
    keep: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=2)?;
    let axis = attrs.int("axis")?.unwrap_or(0);
    Ok(Box::new(SplitToSequence { axis, keep: attrs.flag("keepdims")?.unwrap_or(true) }))
}

impl Operator for SplitToSequence {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let axis = axis(self.axis, x.rank())?;
        let whole = x.shape()[axis];
        let tensors = match inputs.optional(1)? {
            None if !self.keep => {
                (0..whole).map(|i| slice(x, axis, i)).collect::<Result<Vec<_>, _>>()?
            }
            None => cut(x, axis, &vec![1; whole])?,
            Some(split) => {
                let sizes = integers(split, "split")?;
                let sizes = if split.rank() == 0 { equal(&sizes, whole)? } else { sizes };
                cut(x, axis, &pieces(&sizes, whole, None)?)?
            }
        };
        Ok(vec![Value::Sequence(tensors.into_iter().map(Value::from).collect())])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "split")?;
        Ok(Vec::new())
    }
}

/// Pieces of one size, the last one may be smaller.
fn equal(size: &[i64], whole: usize) -> Result<Vec<i64>, OpError> {
    let size = size.first().copied().unwrap_or(0);
    if size < 1 {
        return Err(wrong_value("split", size, "1 or more"));
    }
    let whole = whole as i64;
    let count = whole / size + i64::from(whole % size != 0);
    Ok((0..count).map(|i| size.min(whole - i * size)).collect())
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use crate::common::testing::*;

    fn shapes(case: Case, inputs: Vec<Tensor>) -> Vec<Vec<usize>> {
        let inputs = inputs.into_iter().map(|x| Some(x.into())).collect();
        match case.try_run_values(inputs).unwrap().remove(0) {
            Value::Sequence(items) => {
                items.iter().map(|x| x.as_tensor().unwrap().shape().to_vec()).collect()
            }
            other => panic!("{}", other.kind()),
        }
    }

    #[test]
    fn by_size_by_sizes_or_one_by_one() {
        let case = || node("SplitToSequence").int("axis", 1);
        let x = || count_up(&[1, 3]);
        assert_eq!(shapes(case(), vec![x(), Tensor::scalar(2i64)]), [[1, 2], [1, 1]]);
        assert_eq!(shapes(case(), vec![x(), ints(&[1, 2])]), [[1, 1], [1, 2]]);
        assert_eq!(shapes(case(), vec![x()]), [[1, 1]; 3]);
        assert_eq!(shapes(case().int("keepdims", 0), vec![x()]), [[1]; 3]);
    }
}
