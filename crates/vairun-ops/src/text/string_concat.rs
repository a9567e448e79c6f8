//! `StringConcat`: pairs of strings joined.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0, 1 | `X`, `Y` | string | broadcast |
//! | → | `Z` | string | the common shape |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__StringConcat.html>.

use crate::common::prelude::*;
use crate::common::types::Types;
use crate::elementwise::binary::compare;

/// `StringConcat`.
pub static DEF: OpDef = OpDef {
    names: &[("", "StringConcat")],
    opsets: 20..=LATEST,
    summary: "pairs of strings joined",
    types: "string",
    grade: Grade::Exact("ONNX"),
    build,
};

/// Strings.
pub(super) const STRING: Types = Types::new("string", |dtype| dtype == DType::String);

struct StringConcat;

fn build(spec: &NodeSpec, _: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(StringConcat))
}

impl Operator for StringConcat {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, y) = (inputs.tensor(0, "X")?, inputs.tensor(1, "Y")?);
        one(compare(x, y, |x: &String, y: &String| format!("{x}{y}"))?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        STRING.check(inputs, 0, "X")?;
        Ok(vec![STRING.check(inputs, 1, "Y")?])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn both_shapes_broadcast() {
        let x = Tensor::vector(vec!["a".to_owned(), String::new()]);
        let y = node("StringConcat").run([x, Tensor::scalar("ü".to_owned())]);
        assert_tensor(&y, &Tensor::vector(vec!["aü".to_owned(), "ü".to_owned()]));
    }
}
