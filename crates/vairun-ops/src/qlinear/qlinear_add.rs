//! `com.microsoft::QLinearAdd`: the sum of two quantized tensors.
//!
//! `C = saturate(round_half_even(fma(A, sa/sc, fma(B, sb/sc, offset))))`, `offset = zc - (sa/sc·za + sb/sc·zb)`: the zero
//! points come before the rounding.
//!
//! | | name                             | type           | shape     |
//! |-|----------------------------------|----------------|-----------|
//! | 0, 3 | `A`, `B`                    | i8, u8         | broadcast |
//! | 1, 4, 6 | `A_scale`, `B_scale`, `C_scale` | f32     | one element |
//! | 2, 5, 7 | `A_zero_point`, `B_zero_point`, `C_zero_point` | as `A` | one element; may be left out |
//! | → | `C`                             | as `A`         | the common shape |
//!
//! Source: `qlinear_binary_op.cc` and `qladd.cpp` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_tensor::DType;

use super::binary::{Kind, on_codes, output_dtypes, run};
use crate::attrs::Attrs;
use crate::coded::OnCodes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearAdd`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearAdd")],
    opsets: 1..=i64::MAX,
    summary: "the sum of two quantized tensors, zero points before rounding",
    types: "A, B, C int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct QLinearAdd;

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(7..=8)?;
    Ok(Box::new(QLinearAdd))
}

impl Operator for QLinearAdd {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        run(Kind::Add, &inputs)
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        on_codes(Kind::Add, parameters)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        output_dtypes(inputs)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    fn inputs(a: Tensor, b: Tensor) -> Vec<Option<Value>> {
        let scale = || Some(Tensor::scalar(1f32).into());
        let half = Some(Tensor::scalar(2f32).into());
        vec![Some(a.into()), scale(), None, Some(b.into()), scale(), None, half]
    }

    #[test]
    fn codes_broadcast_and_zero_points_may_be_left_out() {
        let case = node_in(DEF.names[0]);
        let a = tensor(&[2, 2], &[1u8, 3, 5, 255]);
        let y = case.try_run_values(inputs(a, tensor(&[2, 1], &[0u8, 255]))).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[2, 2], &[0u8, 2, 130, 255]));
    }

    #[test]
    fn other_types_are_refused_before_the_run() {
        let case = node_in(DEF.names[0]);
        let error = |a, b| case.try_run_values(inputs(a, b)).unwrap_err().to_string();
        let codes = || tensor(&[1], &[1u8]);
        assert_eq!(error(tensor(&[1], &[1i16]), codes()), "A is int16, expected int8 or uint8");
        assert_eq!(error(codes(), tensor(&[1], &[1i8])), "B is int8, expected uint8 as the others");
    }
}
