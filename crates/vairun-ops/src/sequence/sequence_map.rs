//! `SequenceMap`: a body that runs once for each element of a sequence.
//!
//! | | name | type | |
//! |-|------|------|-|
//! | 0 | `input_sequence` | a sequence | |
//! | 1… | `additional_inputs` | sequences of the same length, or values that are given to each | |
//! | →… | `out_sequence` | sequences of what the body gave | |
//!
//! Attributes: `body` (graph, required) with an input for each of the node's.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__SequenceMap.html>.

use vairun_tensor::Value;

use super::take_sequence;
use crate::common::prelude::*;
use crate::control::Body;

/// `SequenceMap`.
pub static DEF: OpDef = OpDef {
    names: &[("", "SequenceMap")],
    opsets: 17..=LATEST,
    summary: "a body that runs once for each element of a sequence",
    types: "sequences of any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct SequenceMap {
    outputs: usize,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=usize::MAX)?;
    let body = Body::read(attrs, "body")?;
    body.expect_inputs(spec.inputs.len())?;
    let (got, least) = (body.outputs.len(), spec.outputs.len());
    if got < least {
        return Err(BuildError::Malformed(format!("the body has {got} outputs, expected {least}")));
    }
    Ok(Box::new(SequenceMap { outputs: got }))
}

impl Operator for SequenceMap {
    fn run(&self, mut inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let first = take_sequence(&mut inputs, 0, "input_sequence")?;
        let others = (1..inputs.len())
            .map(|i| inputs.take_value(i).ok_or(OpError::Missing("additional_inputs")))
            .collect::<Result<Vec<_>, _>>()?;
        let mut results = vec![Vec::with_capacity(first.len()); self.outputs];
        for (i, item) in first.into_iter().enumerate() {
            let mut given = vec![item];
            for other in &others {
                given.push(element(other, i)?);
            }
            let outputs = context.run_body("body", given)?;
            results.iter_mut().zip(outputs).for_each(|(all, value)| all.push(value));
        }
        Ok(results.into_iter().map(Value::Sequence).collect())
    }
}

/// What iteration `i` is given of a further input.
fn element(other: &Value, i: usize) -> Result<Value, OpError> {
    let Value::Sequence(items) = other else { return Ok(other.clone()) };
    let shorter = || {
        let got = format!("a sequence of {}", items.len());
        wrong_value("additional_inputs", got, "as many as input_sequence")
    };
    items.get(i).cloned().ok_or_else(shorter)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{DType, Tensor, Value};

    use crate::common::testing::*;
    use crate::control::testing::{Closure, body};
    use crate::operator::Inputs;

    #[test]
    fn tensors_are_given_to_each() {
        let case = node("SequenceMap").with("body", body(2, &[DType::F32]));
        let number = |x: f32| Value::from(Tensor::scalar(x));
        let inputs =
            vec![Some(Value::Sequence(vec![number(1.0), number(2.0)])), Some(number(10.0))];
        let mut bodies = Closure(|_: &str, given: Vec<Value>| {
            let of = |i: usize| *given[i].as_tensor().unwrap().as_scalar::<f32>().unwrap();
            vec![Tensor::scalar(of(0) + of(1)).into()]
        });
        let operator = case.build(&inputs).unwrap();
        let y = operator.run(Inputs::new(inputs), &mut bodies).unwrap().remove(0);
        let Value::Sequence(items) = y else { panic!("{}", y.kind()) };
        assert_tensor(items[1].as_tensor().unwrap(), &Tensor::scalar(12f32));
    }
}
