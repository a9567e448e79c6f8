//! `MatMulInteger`: numpy's matmul on codes, the sums themselves.
//!
//! `Y = Σ (A - a_zero_point)·(B - b_zero_point)`, int32, wrapping.
//!
//! | | name             | type   | shape                                          |
//! |-|------------------|--------|------------------------------------------------|
//! | 0 | `A`            | i8, u8 | as in `MatMul`                                 |
//! | 1 | `B`            | i8, u8 | as in `MatMul`                                 |
//! | 2 | `a_zero_point` | as `A` | one element, or one for each row; optional     |
//! | 3 | `b_zero_point` | as `B` | one element, or one for each column; optional  |
//! | → | `Y`            | i32    | as in `MatMul`                                 |
//!
//! Source: ONNX, opset 10; `matmul_integer.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_tensor::{DType, Tensor};

use super::codes::CODES;
use super::kept::Kept;
use super::sums::{Lines, Side, matmul, scaled_matmul};
use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::contraction::matmul::Shapes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs, Sums};
use crate::spec::NodeSpec;

/// `MatMulInteger`.
pub static DEF: OpDef = OpDef {
    names: &[("", "MatMulInteger")],
    opsets: 10..=LATEST,
    summary: "a matrix product of codes, the exact sums",
    types: "A, B int8, uint8; Y int32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct MatMulInteger(Kept);

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=4)?;
    Ok(Box::new(MatMulInteger(Kept::new(spec, &[1, 3]))))
}

fn sides(inputs: &Inputs) -> Result<(Shapes, Side<'_>, Side<'_>), OpError> {
    let (a, b) = (inputs.tensor(0, "A")?, inputs.tensor(1, "B")?);
    let shapes = Shapes::new(a.shape(), b.shape())?;
    let (rows, columns) = (Lines::Rows(shapes.m), Lines::Columns(shapes.n));
    let a = Side::new(a, "A", inputs.optional(2)?, "a_zero_point", rows)?;
    let b = Side::new(b, "B", inputs.optional(3)?, "b_zero_point", columns)?;
    Ok((shapes, a, b))
}

impl Sums for MatMulInteger {
    fn scaled(
        &self,
        inputs: &Inputs,
        scale: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Option<Tensor>, OpError> {
        let (shapes, a, b) = sides(inputs)?;
        scaled_matmul(&shapes, &self.0, (&a, &b), (scale, bias))
    }
}

impl Operator for MatMulInteger {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (shapes, a, b) = sides(&inputs)?;
        one(Tensor::new(&shapes.shape, matmul(&shapes, &self.0, &a, &b)?)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in ["A", "B", "a_zero_point", "b_zero_point"].into_iter().enumerate() {
            CODES.check(inputs, index, name)?;
        }
        Ok(vec![Some(DType::I32)])
    }

    fn sums(&self) -> Option<&dyn Sums> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, node, tensor};

    fn run(a_zero: Tensor, b_zero: Tensor) -> Tensor {
        let (a, b) = (tensor(&[2, 2], &[1u8, 2, 3, 4]), tensor(&[2, 2], &[2i8, 1, 1, 3]));
        node("MatMulInteger").run([a, b, a_zero, b_zero])
    }

    #[test]
    fn zero_points_run_along_rows_and_columns() {
        let y = run(tensor(&[2], &[1u8, 2]), tensor(&[2], &[0i8, 1]));
        assert_tensor(&y, &tensor(&[2, 2], &[1i32, 2, 4, 4]));
    }

    #[test]
    fn without_zero_points_codes_are_numbers() {
        let y = node("MatMulInteger").run([tensor(&[2], &[1u8, 2]), tensor(&[2], &[2i8, -1])]);
        assert_tensor(&y, &Tensor::scalar(0i32));
    }
}
