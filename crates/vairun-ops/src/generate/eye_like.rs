//! `EyeLike`: ones on a diagonal, in the shape of another tensor.
//!
//! | | name     | type  | shape |
//! |-|----------|-------|-------|
//! | 0 | `input`  | any | `[n, m]` |
//! | → | `output` | `dtype` | `[n, m]` |
//!
//! Attributes: `dtype` (int; that of the input), `k` (int, 0): the diagonal; positive ones lie above.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__EyeLike.html>.

use vairun_numeric::narrow::{Overflow, PowerRound};

use crate::cast::convert::{Rules, convert};
use crate::common::prelude::*;
use crate::common::sizes::result_len;

/// `EyeLike`.
pub static DEF: OpDef = OpDef {
    names: &[("", "EyeLike")],
    opsets: 9..=LATEST,
    summary: "ones on a diagonal, in the shape of another tensor",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct EyeLike {
    dtype: Option<DType>,
    k: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(EyeLike { dtype: attrs.dtype("dtype")?, k: attrs.int("k")?.unwrap_or(0) }))
}

impl Operator for EyeLike {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let &[rows, columns] = x.shape() else {
            return Err(wrong_shape("input", x.shape(), "a matrix"));
        };
        let mut eye = vec![0u8; result_len(DType::U8, x.shape())?];
        for row in 0..rows {
            let column = i64::try_from(row).unwrap_or(i64::MAX).saturating_add(self.k);
            if let Some(column) = usize::try_from(column).ok().filter(|&column| column < columns) {
                eye[row * columns + column] = 1;
            }
        }
        let rules = Rules { overflow: Overflow::Saturate, power_round: PowerRound::Up };
        one(convert(&Tensor::new(x.shape(), eye)?, self.dtype.unwrap_or(x.dtype()), rules)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![self.dtype.or(inputs.first().copied().flatten())])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn any_diagonal_of_any_type() {
        let y = node("EyeLike").int("k", 1).int("dtype", 7).run([count_up(&[2, 3])]);
        assert_tensor(&y, &tensor(&[2, 3], &[0i64, 1, 0, 0, 0, 1]));
        let y = node("EyeLike").int("k", -5).run([count_up(&[2, 2])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0; 4]));
    }
}
