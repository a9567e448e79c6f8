//! `Optional`, `OptionalHasElement` and `OptionalGetElement`.
//!
//! | operator | input | output |
//! |----------|-------|--------|
//! | `Optional` | a tensor or sequence, or none | the optional that holds it |
//! | `OptionalHasElement` | an optional; from opset 18 anything, or none | whether it holds something, bool `[]` |
//! | `OptionalGetElement` | an optional; from opset 18 anything | what it holds |
//!
//! Attributes: `Optional` has `type`, the type of what is not there, which an empty optional does not carry here.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Optional.html> and the pages beside it.

use vairun_tensor::Value;

use crate::common::prelude::*;

macro_rules! operators {
    ($($id:ident $name:ident $inputs:expr, $summary:literal;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: 15..=LATEST,
            summary: $summary,
            types: "any",
            grade: Grade::Exact("ONNX"),
            build: |spec, attrs| {
                spec.expect_inputs($inputs)?;
                if stringify!($name) == "Optional" {
                    attrs.get("type");
                }
                Ok(Box::new($name))
            },
        };

        struct $name;

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                Ok(vec![Self::apply(inputs.take_value(0))?])
            }
        }
    )*};
}

operators! {
    OPTIONAL Optional 0..=1, "a value that may be absent";
    HAS_ELEMENT OptionalHasElement 0..=1, "whether an optional holds something";
    GET_ELEMENT OptionalGetElement 1..=1, "what an optional holds";
}

impl Optional {
    fn apply(value: Option<Value>) -> Result<Value, OpError> {
        Ok(Value::Optional(value.map(Box::new)))
    }
}

impl OptionalHasElement {
    fn apply(value: Option<Value>) -> Result<Value, OpError> {
        let holds = !matches!(value, None | Some(Value::Optional(None)));
        Ok(Tensor::scalar(holds).into())
    }
}

impl OptionalGetElement {
    fn apply(value: Option<Value>) -> Result<Value, OpError> {
        match value.ok_or(OpError::Missing("input"))? {
            Value::Optional(Some(value)) => Ok(*value),
            Value::Optional(None) => {
                Err(wrong_value("input", "empty", "an optional that holds something"))
            }
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use crate::common::testing::*;

    fn run(op: &str, input: Option<Value>) -> Result<Value, crate::OpError> {
        Ok(node(op).try_run_values(vec![input])?.remove(0))
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let held = run("Optional", Some(count_up(&[2]).into())).unwrap();
        let has = |value| run("OptionalHasElement", value).unwrap().into_tensor().unwrap();
        assert_tensor(&has(Some(held.clone())), &Tensor::scalar(true));
        assert_tensor(&has(Some(Value::Optional(None))), &Tensor::scalar(false));
        assert_tensor(&has(None), &Tensor::scalar(false));
        let out = run("OptionalGetElement", Some(held)).unwrap().into_tensor().unwrap();
        assert_tensor(&out, &count_up(&[2]));
        assert!(run("OptionalGetElement", Some(Value::Optional(None))).is_err());
    }
}
