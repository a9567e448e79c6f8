//! `com.microsoft::DynamicQuantizeMatMul`: numpy's matmul of real numbers, quantized as they come, with codes.
//!
//! A is quantized by the rule of `DynamicQuantizeLinear`, then `Y = f32(f32(acc) · f32(sa·sb)) (+ bias)`.
//!
//! | | name             | type   | shape                                         |
//! |-|------------------|--------|-----------------------------------------------|
//! | 0 | `A`            | f32    | as in `MatMul`                                |
//! | 1 | `B`            | i8, u8 | as in `MatMul`                                |
//! | 2 | `b_scale`      | f32    | one element, or one for each column           |
//! | 3 | `b_zero_point` | as `B` | as `b_scale`; optional                        |
//! | 4 | `bias`         | f32    | `[n]`, optional                               |
//! | → | `Y`            | f32    | as in `MatMul`                                |
//!
//! Source: `dynamic_quantize_matmul.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::linear::dynamic_quantize;
use vairun_tensor::{DType, Tensor};

use super::codes::{CODES, SCALE};
use super::kept::Kept;
use super::mat_mul_integer_to_float::Columns;
use super::sums::Side;
use crate::attrs::Attrs;
use crate::common::one;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::DynamicQuantizeMatMul`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "DynamicQuantizeMatMul")],
    opsets: 1..=i64::MAX,
    summary: "a matrix product with codes of an operand that is quantized as it comes",
    types: "A, b_scale, bias, Y float32; B int8, uint8",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct DynamicQuantizeMatMul(Kept);

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=5)?;
    Ok(Box::new(DynamicQuantizeMatMul(Kept::new(spec, &[1, 3]))))
}

impl Operator for DynamicQuantizeMatMul {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let a = inputs.tensor(0, "A")?;
        SCALE.check_tensor(a, "A")?;
        let (codes, a_scale, zero_point) = dynamic_quantize(a.as_slice()?);
        let codes = Tensor::new(a.shape(), codes)?;
        let a = Side { codes: &codes, zero_points: vec![zero_point.into()] };
        let columns = Columns {
            b: inputs.tensor(1, "B")?,
            scale: inputs.tensor(2, "b_scale")?,
            zero_point: inputs.optional(3)?,
            bias: inputs.optional(4)?,
            kept: &self.0,
        };
        one(columns.product(&a, a_scale)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in [(1, "B"), (3, "b_zero_point")] {
            CODES.check(inputs, index, name)?;
        }
        for (index, name) in [(0, "A"), (2, "b_scale"), (4, "bias")] {
            SCALE.check(inputs, index, name)?;
        }
        Ok(vec![Some(DType::F32)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, floats, node_in, tensor};

    #[test]
    fn the_range_of_a_sets_its_grid() {
        let y = node_in(DEF.names[0]).run([
            floats(&[1, 2], &[0.0, 255.0]),
            tensor(&[2, 1], &[1i8, 2]),
            Tensor::scalar(0.5f32),
        ]);
        assert_tensor(&y, &floats(&[1, 1], &[255.0]));
    }
}
