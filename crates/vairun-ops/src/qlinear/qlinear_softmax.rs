//! `com.microsoft::QLinearSoftmax`: softmax of codes.
//!
//! `Y = saturate(round_half_even(f32(f32(e·⌊1/sy⌋) / Σe)) + zy)`, `e = exp(sx·(X - max X))` from a table in f32.
//! Details: [`vairun_numeric::qlinear::softmax`].
//!
//! | | name                            | type   | shape       |
//! |-|---------------------------------|--------|-------------|
//! | 0 | `X`                           | i8, u8 | any         |
//! | 1, 3 | `X_scale`, `Y_scale`       | f32    | one element |
//! | 2, 4 | `X_zero_point`, `Y_zero_point` | as `X` | one element; may be left out |
//! | → | `Y`                           | as `X` | as `X`      |
//!
//! Attributes: `opset` (INT, required): that of the Softmax it stands for; `axis` (INT, -1 whatever the
//! opset): before opset 13 the first dimension of a row, from 13 on its only one.
//!
//! int8 codes beyond 127 saturate; onnxruntime wraps them to -128 and more.
//!
//! Source: `qlinear_softmax.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::qlinear::softmax;
use vairun_tensor::{DType, Tensor};

use super::codes::{Coded, Names, check, check_grid, grid, range, with_code};
use crate::attrs::Attrs;
use crate::common::axes::axis;
use crate::common::one;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::movement::transpose::transpose;
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearSoftmax`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearSoftmax")],
    opsets: 1..=i64::MAX,
    summary: "softmax of codes, by a table of exponentials",
    types: "X, Y int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const X: Names = Names("X", "X_scale", "X_zero_point");
const Y: Names = Names("Y", "Y_scale", "Y_zero_point");

struct QLinearSoftmax {
    axis: i64,
    /// A row is all dimensions from `axis` on.
    flattens: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=5)?;
    let opset = attrs.int("opset")?.ok_or_else(|| BuildError::MissingAttribute("opset".into()))?;
    let axis = attrs.int("axis")?.unwrap_or(-1);
    Ok(Box::new(QLinearSoftmax { axis, flattens: opset < 13 }))
}

impl Operator for QLinearSoftmax {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = Coded::read(&inputs, 0, X)?;
        let y = grid(&inputs, 3, Y, x.codes.dtype())?;
        let axis = axis(self.axis, x.codes.rank())?;
        let last = x.codes.rank() - 1;
        if self.flattens || axis == last {
            return one(rows(x, x.codes, axis, y)?);
        }
        let mut perm: Vec<usize> = (0..=last).collect();
        perm.swap(axis, last);
        one(transpose(&rows(x, &transpose(x.codes, &perm)?, last, y)?, &perm)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let x = check(inputs, 0, X)?;
        Ok(vec![check_grid(inputs, 3, Y, x)?])
    }
}

/// The softmax of rows that take all dimensions of `codes` from `axis` on.
fn rows(
    x: Coded,
    codes: &Tensor,
    axis: usize,
    y: vairun_numeric::linear::Grid,
) -> Result<Tensor, OpError> {
    let length = codes.shape()[axis..].iter().product();
    let low = range(codes.dtype()).0;
    with_code!(codes.dtype(), "X", C => {
        let result = softmax::<C>(codes.as_slice()?, length, x.grid.scale, y, low);
        Ok(Tensor::new(codes.shape(), result)?)
    })
}

#[cfg(test)]
mod tests {
    use super::super::lookup::testing::codes;
    use super::*;
    use crate::common::testing::{Case, assert_tensor, node_in, tensor};

    fn softmax(case: Case, shape: &[usize]) -> Tensor {
        let x = tensor(shape, &[0u8, 0, 100, 0]);
        let y = case.try_run_values(codes(x, 1.0, 1.0 / 256.0)).unwrap();
        y[0].as_tensor().unwrap().clone()
    }

    #[test]
    fn a_row_is_one_dimension_or_all_from_the_axis_on() {
        let case = || node_in(DEF.names[0]);
        let last = softmax(case().int("opset", 13), &[2, 2]);
        assert_tensor(&last, &tensor(&[2, 2], &[128u8, 128, 255, 0]));
        let first = softmax(case().int("opset", 13).int("axis", 0), &[2, 2]);
        assert_tensor(&first, &tensor(&[2, 2], &[0u8, 128, 255, 128]));
        let all = softmax(case().int("opset", 12).int("axis", 0), &[2, 2]);
        assert_tensor(&all, &tensor(&[2, 2], &[0u8, 0, 255, 0]));
    }

    #[test]
    fn the_opset_is_required() {
        let error = node_in(DEF.names[0]).build(&codes(tensor(&[1], &[0u8]), 1.0, 1.0)).err();
        assert_eq!(error.unwrap().to_string(), "attribute `opset` is missing");
    }
}
