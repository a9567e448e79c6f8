//! `SequenceConstruct`, `SequenceEmpty` and `SequenceLength`.
//!
//! | operator | inputs | output |
//! |----------|--------|--------|
//! | `SequenceConstruct` | tensors of one type | the sequence of them |
//! | `SequenceEmpty` | none | a sequence without elements |
//! | `SequenceLength` | a sequence | the number of its elements, int64 `[]` |
//!
//! Attributes: `SequenceEmpty` has `dtype` (int, 1), the type of elements to come, which an empty sequence does not
//! carry here.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__SequenceConstruct.html> and the pages beside it.

use vairun_tensor::Value;

use super::take_sequence;
use crate::common::prelude::*;
use crate::common::types::ANY;

/// `SequenceConstruct`.
pub static CONSTRUCT: OpDef = OpDef {
    names: &[("", "SequenceConstruct")],
    opsets: 11..=LATEST,
    summary: "the sequence of tensors",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build: |spec, _| {
        spec.expect_inputs(1..=usize::MAX)?;
        Ok(Box::new(Construct))
    },
};

/// `SequenceEmpty`.
pub static EMPTY: OpDef = OpDef {
    names: &[("", "SequenceEmpty")],
    opsets: 11..=LATEST,
    summary: "a sequence without elements",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build: |spec, attrs| {
        spec.expect_inputs(0..=0)?;
        attrs.dtype("dtype")?;
        Ok(Box::new(Empty))
    },
};

/// `SequenceLength`.
pub static LENGTH: OpDef = OpDef {
    names: &[("", "SequenceLength")],
    opsets: 11..=LATEST,
    summary: "the number of elements of a sequence",
    types: "sequences of any",
    grade: Grade::Exact("ONNX"),
    build: |spec, _| {
        spec.expect_inputs(1..=1)?;
        Ok(Box::new(Length))
    },
};

struct Construct;
struct Empty;
struct Length;

impl Operator for Construct {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let count = inputs.len();
        let items = (0..count).map(|i| Ok(inputs.take(i, "inputs")?.into()));
        Ok(vec![Value::Sequence(items.collect::<Result<_, OpError>>()?)])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        ANY.check_same(inputs, 0)?;
        Ok(Vec::new())
    }
}

impl Operator for Empty {
    fn run(&self, _: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        Ok(vec![Value::Sequence(Vec::new())])
    }
}

impl Operator for Length {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let items = take_sequence(&mut inputs, 0, "input_sequence")?;
        one(Tensor::scalar(items.len() as i64))
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> DTypes {
        Ok(vec![Some(DType::I64)])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn what_is_put_in_is_counted() {
        let inputs = vec![Some(count_up(&[1]).into()), Some(count_up(&[2]).into())];
        let sequence = node("SequenceConstruct").try_run_values(inputs).unwrap();
        let length = |sequence| {
            let y = node("SequenceLength").try_run_values(vec![Some(sequence)]).unwrap();
            y[0].as_tensor().unwrap().clone()
        };
        assert_tensor(&length(sequence[0].clone()), &Tensor::scalar(2i64));
        let empty = node("SequenceEmpty").int("dtype", 1).try_run_values(vec![]).unwrap();
        assert_tensor(&length(empty[0].clone()), &Tensor::scalar(0i64));
    }

    #[test]
    fn a_tensor_has_no_length() {
        let error = node("SequenceLength").try_run_values(vec![Some(count_up(&[1]).into())]);
        assert_eq!(error.unwrap_err().to_string(), "expected a sequence, got a tensor");
    }
}
