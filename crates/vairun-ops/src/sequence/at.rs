//! `SequenceAt`, `SequenceInsert` and `SequenceErase`: one element of a sequence read, added, or taken away.
//!
//! | operator | inputs | output |
//! |----------|--------|--------|
//! | `SequenceAt` | sequence, position | the element |
//! | `SequenceInsert` | sequence, element, position (optional: the end) | the longer sequence |
//! | `SequenceErase` | sequence, position (optional: the last) | the shorter sequence |
//!
//! A position is an int32 or int64; negative ones count from the end.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__SequenceAt.html> and the pages beside it.

use vairun_tensor::Value;

use super::take_sequence;
use crate::common::parameters::{integers, one_element};
use crate::common::prelude::*;
use crate::common::types::INDICES;

macro_rules! operators {
    ($($id:ident $name:ident $inputs:expr, $position:literal, $summary:literal;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: 11..=LATEST,
            summary: $summary,
            types: "sequences of any; position int32, int64",
            grade: Grade::Exact("ONNX"),
            build: |spec, _| {
                spec.expect_inputs($inputs)?;
                Ok(Box::new($name))
            },
        };

        struct $name;

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                let items = take_sequence(&mut inputs, 0, "input_sequence")?;
                Ok(vec![Self::apply(items, &mut inputs)?])
            }

            fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
                INDICES.check(inputs, $position, "position")?;
                Ok(Vec::new())
            }
        }
    )*};
}

operators! {
    AT SequenceAt 2..=2, 1, "an element of a sequence";
    INSERT SequenceInsert 2..=3, 2, "a sequence with one element more";
    ERASE SequenceErase 1..=2, 1, "a sequence with one element less";
}

impl SequenceAt {
    fn apply(mut items: Vec<Value>, inputs: &mut Inputs) -> Result<Value, OpError> {
        let at = position(inputs, 1, items.len(), items.len())?;
        Ok(items.swap_remove(at.ok_or(OpError::Missing("position"))?))
    }
}

impl SequenceInsert {
    fn apply(mut items: Vec<Value>, inputs: &mut Inputs) -> Result<Value, OpError> {
        // The end is a position too.
        let at = position(inputs, 2, items.len(), items.len() + 1)?.unwrap_or(items.len());
        items.insert(at, inputs.take(1, "tensor")?.into());
        Ok(Value::Sequence(items))
    }
}

impl SequenceErase {
    fn apply(mut items: Vec<Value>, inputs: &mut Inputs) -> Result<Value, OpError> {
        let last = items.len().checked_sub(1);
        let at = position(inputs, 1, items.len(), items.len())?.or(last);
        items.remove(at.ok_or_else(|| outside("the last", 0))?);
        Ok(Value::Sequence(items))
    }
}

/// The position in a sequence of `length` elements, counted from its start, below `limit`.
fn position(
    inputs: &Inputs,
    index: usize,
    length: usize,
    limit: usize,
) -> Result<Option<usize>, OpError> {
    let Some(position) = inputs.optional(index)? else { return Ok(None) };
    let [at] = integers(position, "position")?[..] else {
        return Err(one_element(position, "position"));
    };
    let from_start = if at < 0 { at.saturating_add(length as i64) } else { at };
    let inside = usize::try_from(from_start).ok().filter(|&at| at < limit);
    inside.map(Some).ok_or_else(|| outside(at, length))
}

fn outside(got: impl ToString, length: usize) -> OpError {
    wrong_value("position", got, format!("a position in a sequence of {length}"))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use crate::common::testing::*;

    fn sequence(numbers: &[f32]) -> Value {
        Value::Sequence(numbers.iter().map(|&x| Tensor::scalar(x).into()).collect())
    }

    fn numbers(value: &Value) -> Vec<f32> {
        let number = |x: &Value| *x.as_tensor().unwrap().as_scalar::<f32>().unwrap();
        match value {
            Value::Sequence(items) => items.iter().map(number).collect(),
            other => vec![number(other)],
        }
    }

    fn run(op: &str, inputs: Vec<Value>) -> Vec<f32> {
        let inputs = inputs.into_iter().map(Some).collect();
        numbers(&node(op).try_run_values(inputs).unwrap()[0])
    }

    fn at(position: i64) -> Value {
        Tensor::scalar(position).into()
    }

    #[test]
    fn positions_count_from_either_end() {
        let all = || sequence(&[1.0, 2.0, 3.0]);
        assert_eq!(run("SequenceAt", vec![all(), at(0)]), [1.0]);
        assert_eq!(run("SequenceAt", vec![all(), at(-1)]), [3.0]);
        assert_eq!(run("SequenceErase", vec![all()]), [1.0, 2.0]);
        assert_eq!(run("SequenceErase", vec![all(), at(-3)]), [2.0, 3.0]);
        let nine = || Tensor::scalar(9f32).into();
        assert_eq!(run("SequenceInsert", vec![all(), nine()]), [1.0, 2.0, 3.0, 9.0]);
        assert_eq!(run("SequenceInsert", vec![all(), nine(), at(-1)]), [1.0, 2.0, 9.0, 3.0]);
    }

    #[test]
    fn positions_outside_are_refused() {
        let inputs = vec![Some(sequence(&[1.0])), Some(at(1))];
        let error = node("SequenceAt").try_run_values(inputs).unwrap_err().to_string();
        assert_eq!(error, "position is 1, expected a position in a sequence of 1");
        assert!(node("SequenceErase").try_run_values(vec![Some(sequence(&[]))]).is_err());
    }
}
