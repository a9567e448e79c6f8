//! `If`: one of two bodies.
//!
//! | | name      | type | shape       |
//! |-|-----------|------|-------------|
//! | 0 | `cond`  | bool | one element |
//! | →… | `outputs` | any: tensors, sequences, optionals | those of the body that ran |
//!
//! Attributes: `then_branch`, `else_branch` (graphs without inputs and with as many outputs as the node, required). Only
//! the body that is chosen runs.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__If.html>.

use super::Body;
use crate::attrs::Attrs;
use crate::common::LATEST;
use crate::common::parameters::one_element;
use crate::common::types::BOOL;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `If`.
pub static DEF: OpDef = OpDef {
    names: &[("", "If")],
    opsets: 1..=LATEST,
    summary: "one of two bodies",
    types: "cond bool; outputs any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct If;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    for name in ["then_branch", "else_branch"] {
        let body = Body::read(attrs, name)?;
        body.expect_inputs(0)?;
        let (got, expected) = (body.outputs.len(), spec.outputs.len());
        if got < expected {
            return Err(BuildError::Malformed(format!(
                "`{name}` has {got} outputs, expected {expected}"
            )));
        }
    }
    Ok(Box::new(If))
}

impl Operator for If {
    fn run(&self, inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let cond = inputs.tensor(0, "cond")?;
        BOOL.check_tensor(cond, "cond")?;
        let cond = *cond.as_scalar::<bool>().ok_or_else(|| one_element(cond, "cond"))?;
        context.run_body(if cond { "then_branch" } else { "else_branch" }, vec![])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{DType, Tensor};

    use super::super::testing::*;
    use crate::common::testing::*;
    use crate::operator::Inputs;

    #[test]
    fn the_condition_chooses_the_body() {
        let node = node("If")
            .with("then_branch", body(0, &[DType::F32]))
            .with("else_branch", body(0, &[DType::F32]));
        let operator = node.build(&[Some(Tensor::scalar(true).into())]).unwrap();
        for (cond, want) in [(true, "then_branch"), (false, "else_branch")] {
            let mut ran = Vec::new();
            let mut bodies = Closure(|name: &str, _| {
                ran.push(name.to_owned());
                vec![Tensor::scalar(1f32).into()]
            });
            operator.run(Inputs::of([tensor(&[1], &[cond])]), &mut bodies).unwrap();
            assert_eq!(ran, [want]);
        }
    }

    #[test]
    fn both_bodies_give_all_outputs() {
        let node = node("If")
            .with("then_branch", body(0, &[DType::F32]))
            .with("else_branch", body(0, &[]));
        let error = node.build(&[Some(Tensor::scalar(true).into())]).err().unwrap();
        assert_eq!(error.to_string(), "`else_branch` has 0 outputs, expected 1");
    }
}
