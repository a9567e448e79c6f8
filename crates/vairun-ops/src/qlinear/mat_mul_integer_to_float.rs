//! `com.microsoft::MatMulIntegerToFloat`: numpy's matmul on codes, the result in float32.
//!
//! `Y = f32(f32(acc) · f32(sa·sb)) (+ bias)`, `acc = Σ (A - za)·(B - zb)` in int32.
//!
//! | | name                             | type        | shape                                          |
//! |-|----------------------------------|-------------|------------------------------------------------|
//! | 0 | `A`                            | i8, u8      | as in `MatMul`                                 |
//! | 1 | `B`                            | i8, u8      | as in `MatMul`                                 |
//! | 2, 4 | `a_scale`, `a_zero_point`   | f32, as `A` | one element; the zero point is optional        |
//! | 3, 5 | `b_scale`, `b_zero_point`   | f32, as `B` | one element, or one for each column; the zero point is optional |
//! | 6 | `bias`                         | f32         | `[n]`, optional                                |
//! | → | `Y`                            | f32         | as in `MatMul`                                 |
//!
//! Source: `dynamic_quantize_matmul.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::qlinear::to_float;
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Tensor};

use super::codes::{CODES, SCALE, scalar_scale};
use super::kept::{Kept, Scaling};
use super::sums::{Lines, Side, matmul, scaled_tall};
use crate::attrs::Attrs;
use crate::common::one;
use crate::contraction::matmul::Shapes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::{scales, wrong_shape};
use crate::spec::NodeSpec;

/// `com.microsoft::MatMulIntegerToFloat`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "MatMulIntegerToFloat")],
    opsets: 1..=i64::MAX,
    summary: "a matrix product of codes as real numbers, from exact sums",
    types: "A, B int8, uint8; scales, bias, Y float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct MatMulIntegerToFloat(Kept);

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=7)?;
    Ok(Box::new(MatMulIntegerToFloat(Kept::new(spec, &[1, 5]))))
}

impl Operator for MatMulIntegerToFloat {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let a = inputs.tensor(0, "A")?;
        let a_scale = scalar_scale(inputs.tensor(2, "a_scale")?, "a_scale")?;
        let a = Side::new(a, "A", inputs.optional(4)?, "a_zero_point", Lines::One)?;
        let parameters = Columns {
            b: inputs.tensor(1, "B")?,
            scale: inputs.tensor(3, "b_scale")?,
            zero_point: inputs.optional(5)?,
            bias: inputs.optional(6)?,
            kept: &self.0,
        };
        one(parameters.product(&a, a_scale)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in [(0, "A"), (1, "B"), (4, "a_zero_point"), (5, "b_zero_point")] {
            CODES.check(inputs, index, name)?;
        }
        for (index, name) in [(2, "a_scale"), (3, "b_scale"), (6, "bias")] {
            SCALE.check(inputs, index, name)?;
        }
        Ok(vec![Some(DType::F32)])
    }
}

/// The right side of a product whose result is real, and what is added to each column.
pub(super) struct Columns<'a> {
    pub(super) b: &'a Tensor,
    pub(super) scale: &'a Tensor,
    pub(super) zero_point: Option<&'a Tensor>,
    pub(super) bias: Option<&'a Tensor>,
    /// B, packed.
    pub(super) kept: &'a Kept,
}

impl Columns<'_> {
    /// `f32(acc) · f32(sa·sb) (+ bias)`
    pub(super) fn product(&self, a: &Side, a_scale: f32) -> Result<Tensor, OpError> {
        let shapes = Shapes::new(a.codes.shape(), self.b.shape())?;
        let n = shapes.n;
        let lines = Lines::Columns(n);
        let b = Side::new(self.b, "B", self.zero_point, "b_zero_point", lines)?;
        SCALE.check_tensor(self.scale, "b_scale")?;
        lines.check(self.scale, "b_scale")?;
        let scale: Vec<f32> =
            scales(self.scale, "b_scale")?.iter().map(|b_scale| a_scale * b_scale).collect();
        let bias = self.bias(n)?;
        let scaling = Scaling { scales: &scale, bias };
        if let Some(y) = scaled_tall(&shapes, self.kept, a, &b, scaling) {
            return Ok(Tensor::new(&shapes.shape, y)?);
        }
        let sums = matmul(&shapes, self.kept, a, &b)?;
        let y = if bias.is_none() && scale.len() == 1 {
            to_float(&sums, &scale, None, Spread::Tensor)
        } else {
            let scale = if scale.len() == 1 { scale.repeat(n) } else { scale };
            to_float(&sums, &scale, bias, Spread::Axis { length: n, inner: 1 })
        };
        Ok(Tensor::new(&shapes.shape, y)?)
    }

    fn bias(&self, n: usize) -> Result<Option<&[f32]>, OpError> {
        let Some(bias) = self.bias else { return Ok(None) };
        SCALE.check_tensor(bias, "bias")?;
        if bias.shape() != [n] {
            return Err(wrong_shape("bias", bias.shape(), format!("[{n}], one for each column")));
        }
        Ok(Some(bias.as_slice()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, floats, node_in, tensor};

    #[test]
    fn columns_have_their_scale_zero_point_and_bias() {
        let y = node_in(DEF.names[0]).run([
            tensor(&[1, 2], &[1u8, 3]),
            tensor(&[2, 2], &[2i8, 1, 1, 3]),
            Tensor::scalar(0.5f32),
            floats(&[2], &[1.0, 0.25]),
            Tensor::scalar(1u8),
            tensor(&[2], &[0i8, 1]),
            floats(&[2], &[0.0, 10.0]),
        ]);
        assert_tensor(&y, &floats(&[1, 2], &[1.0, 10.5]));
    }
}
