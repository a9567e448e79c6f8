//! `ConstantOfShape`: a tensor of one value.
//!
//! | | name     | type       | shape   |
//! |-|----------|------------|---------|
//! | 0 | `input`  | int64      | `[n]`: the shape; empty for a scalar |
//! | → | `output` | as `value` | `input` |
//!
//! Attributes: `value` (tensor of one element, float32 0).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::dispatch::with_element;
use crate::common::parameters::integers;
use crate::common::sizes::{dim, result_len};
use crate::common::types::INDICES;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `ConstantOfShape`.
pub static DEF: OpDef = OpDef {
    names: &[("", "ConstantOfShape")],
    opsets: 9..=LATEST,
    summary: "a tensor of one value",
    types: "input int64; output any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct ConstantOfShape {
    value: Tensor,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let value = attrs.tensor("value")?.cloned().unwrap_or_else(|| Tensor::scalar(0f32));
    if value.len() != 1 {
        return Err(Attrs::value("value", format!("{value:?}"), "one element"));
    }
    Ok(Box::new(ConstantOfShape { value }))
}

impl Operator for ConstantOfShape {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let dims = integers(inputs.tensor(0, "input")?, "input")?;
        let shape = dims.iter().map(|&d| dim(d, "input")).collect::<Result<Vec<_>, _>>()?;
        one(filled(&self.value, &shape)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        INDICES.check(inputs, 0, "input")?;
        Ok(vec![Some(self.value.dtype())])
    }
}

/// A tensor of `shape` with the only element of `value` everywhere.
fn filled(value: &Tensor, shape: &[usize]) -> Result<Tensor, OpError> {
    let dtype = value.dtype();
    let len = result_len(dtype, shape)?;
    with_element!(dtype, T => {
        let element = value.as_slice::<T>()?[0].clone();
        Ok(Tensor::with_dtype(dtype, shape, vec![element; len])?)
    })
}

#[cfg(test)]
mod tests {
    use vairun_graph::Attribute;
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn zeros_of_float32_by_default() {
        let y = node("ConstantOfShape").run([ints(&[2, 2])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0; 4]));
    }

    #[test]
    fn the_type_is_that_of_the_value() {
        let seven = Attribute::Tensor(tensor(&[1], &[7i32]));
        let y = node("ConstantOfShape").with("value", seven).run([ints(&[])]);
        assert_tensor(&y, &Tensor::scalar(7i32));
    }

    #[test]
    fn a_hostile_shape_is_refused() {
        let error = node("ConstantOfShape").error([ints(&[1 << 40, 1 << 40])]);
        assert!(error.contains("more than memory can hold"), "{error}");
        assert!(node("ConstantOfShape").error([ints(&[-1])]).contains("a dimension of 0 or more"));
    }
}
