//! `ConcatFromSequence`: the tensors of a sequence as one.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `input_sequence` | a sequence of tensors of any type, at least one | equal but for `axis`; equal with `new_axis` |
//! | → | `concat_result` | as the elements | |
//!
//! Attributes: `axis` (int, required), `new_axis` (int, 0): the tensors are stacked along a new axis.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__ConcatFromSequence.html>.

use vairun_tensor::Value;

use super::take_sequence;
use crate::common::axes::axis;
use crate::common::prelude::*;
use crate::common::stack::stack;
use crate::movement::concat::concat;

/// `ConcatFromSequence`.
pub static DEF: OpDef = OpDef {
    names: &[("", "ConcatFromSequence")],
    opsets: 11..=LATEST,
    summary: "the tensors of a sequence as one",
    types: "sequences of any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct ConcatFromSequence {
    axis: i64,
    new_axis: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let axis = attrs.int("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
    Ok(Box::new(ConcatFromSequence { axis, new_axis: attrs.flag("new_axis")?.unwrap_or(false) }))
}

impl Operator for ConcatFromSequence {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let items = take_sequence(&mut inputs, 0, "input_sequence")?;
        let tensors = items.into_iter().map(Value::into_tensor).collect::<Result<Vec<_>, _>>()?;
        let empty = || wrong_value("input_sequence", "empty", "at least one tensor");
        let rank = tensors.first().ok_or_else(empty)?.rank();
        if self.new_axis {
            return one(stack(&tensors, axis(self.axis, rank + 1)?)?);
        }
        one(concat(&tensors.iter().collect::<Vec<_>>(), axis(self.axis, rank)?)?)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use crate::common::testing::*;

    fn run(case: Case, items: Vec<Tensor>) -> Result<Tensor, crate::OpError> {
        let sequence = Value::Sequence(items.into_iter().map(Value::from).collect());
        Ok(case.try_run_values(vec![Some(sequence)])?.remove(0).into_tensor()?)
    }

    #[test]
    fn along_an_axis_or_a_new_one() {
        let case = || node("ConcatFromSequence").int("axis", -1);
        let y = run(case(), vec![count_up(&[1, 1]), count_up(&[1, 2])]).unwrap();
        assert_tensor(&y, &floats(&[1, 3], &[0.0, 0.0, 1.0]));
        let y = run(case().int("new_axis", 1), vec![count_up(&[2]), count_up(&[2])]).unwrap();
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 0.0, 1.0, 1.0]));
    }

    #[test]
    fn an_empty_sequence_has_no_shape() {
        let error = run(node("ConcatFromSequence").int("axis", 0), vec![]).unwrap_err();
        assert_eq!(error.to_string(), "input_sequence is empty, expected at least one tensor");
    }
}
