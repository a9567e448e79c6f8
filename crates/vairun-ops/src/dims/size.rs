//! `Size`: the number of elements of a tensor, an int64 scalar.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Size.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Size`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Size")],
    opsets: 1..=LATEST,
    summary: "the number of elements of a tensor",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Size;

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(Size))
}

impl Operator for Size {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        one(Tensor::scalar(inputs.tensor(0, "data")?.len() as i64))
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(DType::I64)])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn a_scalar_has_one_element() {
        assert_tensor(&node("Size").run([count_up(&[])]), &Tensor::scalar(1i64));
        assert_tensor(&node("Size").run([count_up(&[3, 0])]), &Tensor::scalar(0i64));
    }
}
