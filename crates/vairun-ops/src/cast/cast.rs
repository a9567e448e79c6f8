//! `Cast`: the elements as another type.
//!
//! | | name     | type      | shape      |
//! |-|----------|-----------|------------|
//! | 0 | `input`  | any     | any        |
//! | → | `output` | `to`    | as `input` |
//!
//! Attributes: `to` (int, required: `TensorProto.DataType`; a name in opset 1), `saturate` (int, 1; opset 19): numbers
//! beyond the largest float8 become the largest instead of infinity or NaN; `round_mode` (`up`, `down`, `nearest`; `up`;
//! opset 24) for float8e8m0.
//!
//! What does not fit an integer wraps or becomes what x86 makes of it; strings are written and read as onnxruntime does.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Cast.html>.

use vairun_graph::Attribute;
use vairun_numeric::narrow::{Overflow, PowerRound};
use vairun_tensor::DType;

use super::convert::{Rules, convert};
use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Cast`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Cast")],
    opsets: 1..=LATEST,
    summary: "the elements as another type",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Cast {
    to: DType,
    rules: Rules,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let to = match attrs.get("to") {
        Some(Attribute::String(name)) if spec.op.opset < 6 => old_name(name)?,
        _ => attrs.dtype("to")?.ok_or_else(|| BuildError::MissingAttribute("to".into()))?,
    };
    Ok(Box::new(Cast { to, rules: rules(spec, attrs)? }))
}

/// Opset 1 has names such as `FLOAT`.
fn old_name(name: &[u8]) -> Result<DType, BuildError> {
    let name = String::from_utf8_lossy(name);
    let dtype = match name.to_lowercase().as_str() {
        "float" => Some(DType::F32),
        "double" => Some(DType::F64),
        other => DType::from_name(other),
    };
    dtype.ok_or_else(|| Attrs::value("to", name, "the name of an element type"))
}

/// What a node says of the narrow types.
pub(super) fn rules(spec: &NodeSpec, attrs: &Attrs) -> Result<Rules, BuildError> {
    let saturate = if spec.op.opset >= 19 { attrs.flag("saturate")? } else { None };
    let overflow = if saturate.unwrap_or(true) { Overflow::Saturate } else { Overflow::Escape };
    let mode = if spec.op.opset >= 24 { attrs.string("round_mode")? } else { None };
    let power_round = match mode.as_deref() {
        None | Some("up") => PowerRound::Up,
        Some("down") => PowerRound::Down,
        Some("nearest") => PowerRound::Nearest,
        Some(other) => return Err(Attrs::value("round_mode", other, "up, down or nearest")),
    };
    Ok(Rules { overflow, power_round })
}

impl Operator for Cast {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        one(convert(inputs.tensor(0, "input")?, self.to, self.rules)?)
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(self.to)])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn numbers_and_texts() {
        let y = node("Cast").int("to", 8).run([floats(&[2], &[1.5, -2.0])]);
        assert_tensor(&y, &Tensor::vector(vec!["1.5".to_owned(), "-2".to_owned()]));
        assert_tensor(&node("Cast").int("to", 7).run([y]), &ints(&[1, -2]));
    }

    #[test]
    fn without_saturation_overflow_escapes() {
        let code = |saturate| {
            let y = node("Cast").int("to", 17).int("saturate", saturate);
            y.run([floats(&[1], &[1e6])]).as_slice::<u8>().unwrap()[0]
        };
        assert_eq!((code(1), code(0)), (0x7e, 0x7f));
    }

    #[test]
    fn opset_1_has_names() {
        let y = node("Cast").opset(1).text("to", "INT64").run([floats(&[1], &[2.5])]);
        assert_tensor(&y, &ints(&[2]));
    }

    #[test]
    fn the_type_is_required_and_must_exist() {
        let x = || [Some(count_up(&[1]).into())];
        assert!(node("Cast").build(&x()).is_err());
        assert!(node("Cast").int("to", 99).build(&x()).is_err());
    }
}
