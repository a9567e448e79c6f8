//! `Constant`: the value in its attribute.
//!
//! Exactly one of `value` (a tensor), `value_float`, `value_int`, `value_string` (scalars), `value_floats`, `value_ints`,
//! `value_strings` (one dimension). `sparse_value` is not supported.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Constant.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Constant`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Constant")],
    opsets: 1..=LATEST,
    summary: "the value in its attribute",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Constant(Tensor);

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(0..=0)?;
    let mut values = vec![attrs.tensor("value")?.cloned()];
    if spec.op.opset >= 12 {
        values.extend([
            attrs.float("value_float")?.map(Tensor::scalar),
            attrs.int("value_int")?.map(Tensor::scalar),
            attrs.string("value_string")?.map(Tensor::scalar),
            attrs.floats("value_floats")?.map(|values| Tensor::vector(values.to_vec())),
            attrs.ints("value_ints")?.map(|values| Tensor::vector(values.to_vec())),
            attrs.strings("value_strings")?.map(Tensor::vector),
        ]);
    }
    let mut given = values.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(value), None) => Ok(Box::new(Constant(value))),
        (Some(_), Some(_)) => {
            Err(BuildError::Malformed("more than one value, expected exactly one".into()))
        }
        (None, _) => Err(BuildError::MissingAttribute("value".into())),
    }
}

impl Operator for Constant {
    fn run(&self, _: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        one(self.0.clone())
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(self.0.dtype())])
    }
}

#[cfg(test)]
mod tests {
    use vairun_graph::Attribute;
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn each_form_has_its_type_and_rank() {
        let value = |name: &str, value| node("Constant").with(name, value).run([]);
        assert_tensor(&value("value_int", Attribute::Int(3)), &Tensor::scalar(3i64));
        assert_tensor(&value("value_floats", Attribute::Floats(vec![1.0])), &floats(&[1], &[1.0]));
        assert_tensor(
            &value("value_strings", Attribute::Strings(vec![b"a".to_vec()])),
            &Tensor::vector(vec!["a".to_owned()]),
        );
        let tensor = count_up(&[2, 2]);
        assert_tensor(&value("value", Attribute::Tensor(tensor.clone())), &tensor);
    }

    #[test]
    fn exactly_one_value_is_expected() {
        assert!(node("Constant").build(&[]).is_err());
        assert!(node("Constant").int("value_int", 1).float("value_float", 1.0).build(&[]).is_err());
    }

    #[test]
    fn sparse_values_are_refused() {
        let error = node("Constant").int("value_int", 1).int("sparse_value", 1).build(&[]).err();
        assert!(error.unwrap().to_string().starts_with("unknown attribute [\"sparse_value\"]"));
    }
}
