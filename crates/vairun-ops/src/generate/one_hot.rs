//! `OneHot`: indices as vectors with one value at the index and another elsewhere.
//!
//! | | name      | type    | shape |
//! |-|-----------|---------|-------|
//! | 0 | `indices` | numbers | any |
//! | 1 | `depth`   | numbers | one element |
//! | 2 | `values`  | any     | `[2]`: off, on |
//! | → | `output`  | as `values` | `indices` with `depth` inserted at `axis` |
//!
//! Attributes: `axis` (int, -1). Negative indices count from the end; those outside of `-depth..depth` are nowhere on.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__OneHot.html>.

use vairun_numeric::narrow::{Overflow, PowerRound};

use crate::cast::convert::{Rules, convert};
use crate::common::axes::{around, axis};
use crate::common::dispatch::with_element;
use crate::common::parameters::one_element;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::NUMBERS;

/// `OneHot`.
pub static DEF: OpDef = OpDef {
    names: &[("", "OneHot")],
    opsets: 9..=LATEST,
    summary: "indices as vectors with one value at the index",
    types: "indices, depth numbers; values any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct OneHot {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=3)?;
    Ok(Box::new(OneHot { axis: attrs.int("axis")?.unwrap_or(-1) }))
}

impl Operator for OneHot {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let indices = integers(inputs.tensor(0, "indices")?, "indices")?;
        let depth = inputs.tensor(1, "depth")?;
        let depth = match integers(depth, "depth")?.as_slice::<i64>()? {
            &[depth] => dim(depth, "depth")?,
            _ => return Err(one_element(depth, "depth")),
        };
        let values = inputs.tensor(2, "values")?;
        if values.shape() != [2] {
            return Err(wrong_shape("values", values.shape(), "[2]"));
        }
        let axis = axis(self.axis, indices.rank() + 1)?;
        let mut shape = indices.shape().to_vec();
        shape.insert(axis, depth);
        let len = result_len(values.dtype(), &shape)?;
        let (_, _, inner) = around(&shape, axis);
        with_element!(values.dtype(), T => {
            let [off, on] = values.as_slice::<T>()? else { return Err(one_element(values, "values")) };
            let mut out = vec![off.clone(); len];
            for (i, &index) in indices.as_slice::<i64>()?.iter().enumerate() {
                let from_start = if index < 0 { index.saturating_add(depth as i64) } else { index };
                if let Some(at) = usize::try_from(from_start).ok().filter(|&at| at < depth) {
                    out[(i / inner * depth + at) * inner + i % inner] = on.clone();
                }
            }
            one(Tensor::with_dtype(values.dtype(), &shape, out)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        NUMBERS.check(inputs, 0, "indices")?;
        NUMBERS.check(inputs, 1, "depth")?;
        Ok(vec![inputs.get(2).copied().flatten()])
    }
}

fn integers(x: &Tensor, name: &str) -> Result<Tensor, OpError> {
    NUMBERS.check_tensor(x, name)?;
    let rules = Rules { overflow: Overflow::Saturate, power_round: PowerRound::Up };
    convert(x, DType::I64, rules)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn hot(axis: i64, indices: &[f32]) -> Tensor {
        let inputs = [floats(&[indices.len()], indices), Tensor::scalar(3i32), ints(&[0, 1])];
        node("OneHot").int("axis", axis).run(inputs)
    }

    #[test]
    fn the_depth_stands_at_the_axis() {
        assert_tensor(&hot(-1, &[2.0, -3.0]), &tensor(&[2, 3], &[0i64, 0, 1, 1, 0, 0]));
        assert_tensor(&hot(0, &[2.0, 0.0]), &tensor(&[3, 2], &[0i64, 1, 0, 0, 1, 0]));
    }

    #[test]
    fn indices_outside_are_nowhere() {
        assert_tensor(&hot(-1, &[3.0, -4.0]), &tensor(&[2, 3], &[0i64; 6]));
    }
}
