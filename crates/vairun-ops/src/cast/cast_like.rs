//! `CastLike`: the elements as the type of another tensor.
//!
//! | | name          | type             | shape      |
//! |-|---------------|------------------|------------|
//! | 0 | `input`       | any              | any        |
//! | 1 | `target_type` | any              | any        |
//! | → | `output`      | as `target_type` | as `input` |
//!
//! Attributes: as of `Cast`, without `to`.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__CastLike.html>.

use vairun_tensor::DType;

use super::cast::rules;
use super::convert::{Rules, convert};
use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `CastLike`.
pub static DEF: OpDef = OpDef {
    names: &[("", "CastLike")],
    opsets: 15..=LATEST,
    summary: "the elements as the type of another tensor",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct CastLike {
    rules: Rules,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(CastLike { rules: rules(spec, attrs)? }))
}

impl Operator for CastLike {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let to = inputs.tensor(1, "target_type")?.dtype();
        one(convert(inputs.tensor(0, "input")?, to, self.rules)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.get(1).copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn only_the_type_of_the_other_tensor_counts() {
        let y = node("CastLike").run([floats(&[2], &[1.9, -1.9]), ints(&[])]);
        assert_tensor(&y, &ints(&[1, -1]));
    }
}
