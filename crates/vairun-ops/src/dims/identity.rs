//! `Identity`: the input as it is. Dropout in inference is the same.
//!
//! | | name     | type                          | shape      |
//! |-|----------|-------------------------------|------------|
//! | 0 | `input`  | any; sequences and optionals | any        |
//! | → | `output` | as `input`                   | as `input` |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Identity.html>.

use vairun_tensor::DType;

use crate::attrs::Attrs;
use crate::common::LATEST;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Identity`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Identity")],
    opsets: 1..=LATEST,
    summary: "the input as it is",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Identity;

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(Identity))
}

impl Operator for Identity {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        Ok(vec![inputs.take_value(0).ok_or(OpError::Missing("input"))?])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Value;

    use crate::common::testing::*;

    #[test]
    fn a_tensor_comes_back_without_a_copy() {
        let x = floats(&[2], &[1.0, f32::NAN]);
        assert!(node("Identity").run([x.clone()]).same_storage(&x));
    }

    #[test]
    fn sequences_pass_too() {
        let sequence = Value::Sequence(vec![floats(&[1], &[1.0]).into()]);
        let y = node("Identity").try_run_values(vec![Some(sequence)]).unwrap();
        assert_eq!(y[0].kind(), "sequence");
    }
}
