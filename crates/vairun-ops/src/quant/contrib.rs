//! What the operators of vai_q_onnx 3.5 (`ai.onnx.contrib`) share: attributes that are numbers in strings.
//!
//! Source: `onnx_quantizer/vai_q_onnx/operators/qdq_ops.py` in Xilinx/Vitis-AI b2b2279.

use vairun_graph::Attribute;
use vairun_numeric::round::Round;
use vairun_numeric::vitis_onnx::Rule;
use vairun_tensor::{DType, Tensor};

use super::parameters::{scales, wrong_dtype, wrong_shape};
use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};
use crate::operator::Inputs;
use crate::quantizer::Quantizer;

/// The attribute `bit_width` (8 where it is left out), as a string or as an INT, from 1 to `most`.
pub(super) fn bit_width(attrs: &Attrs, most: u32) -> Result<u32, BuildError> {
    let bits = number(attrs, "bit_width")?.unwrap_or(8);
    u32::try_from(bits)
        .ok()
        .filter(|bits| (1..=most).contains(bits))
        .ok_or_else(|| Attrs::value("bit_width", bits, &format!("1 to {most}")))
}

/// Reads the attributes that only inform: `pos`, the position of the binary point, which the scale says better, and
/// `axis`, which the reference leaves unread.
pub(super) fn read_informative(attrs: &Attrs) -> Result<(), BuildError> {
    number(attrs, "pos")?;
    attrs.int("axis")?;
    Ok(())
}

fn number(attrs: &Attrs, name: &'static str) -> Result<Option<i64>, BuildError> {
    let Some(Attribute::String(text)) = attrs.get(name) else { return attrs.int(name) };
    let text = String::from_utf8_lossy(text);
    let value = text.trim().parse().map_err(|_| Attrs::value(name, &text, "a decimal integer"))?;
    Ok(Some(value))
}

/// The rule of a node from its inputs `scale` and `zero_point`, which are one element each.
pub(super) fn rule(inputs: &Inputs, bits: u32) -> Result<Rule, OpError> {
    let (scale, zero_point) = (inputs.tensor(1, "scale")?, inputs.tensor(2, "zero_point")?);
    let [scale] = *scales(scale, "scale")? else {
        return Err(wrong_shape(
            "scale",
            scale.shape(),
            "one element: the reference knows no axis",
        ));
    };
    if zero_point.dtype() != DType::I8 {
        return Err(wrong_dtype("zero_point", zero_point.dtype(), "int8"));
    }
    let zero_point = zero_point
        .as_scalar::<i8>()
        .ok_or_else(|| wrong_shape("zero_point", zero_point.shape(), "one element"))?;
    Ok(Rule::new(scale, *zero_point, bits))
}

/// The rule as the common formula.
pub(super) fn quantizer(rule: Rule, dtype: DType) -> Option<Quantizer> {
    let exact = rule.high <= 65535.0;
    exact.then_some(Quantizer {
        scale: rule.scale,
        zero_point: rule.zero_point.into(),
        low: rule.low as i32,
        high: rule.high as i32,
        round: Round::HalfEven,
        zero_inside: false,
        below: f32::INFINITY,
        dtype,
    })
}

/// The only type that these operators take reals in.
pub(super) fn expect_f32(x: &Tensor) -> Result<(), OpError> {
    match x.dtype() {
        DType::F32 => Ok(()),
        got => Err(wrong_dtype("x", got, "float32")),
    }
}

#[cfg(test)]
mod tests {
    use vairun_graph::Attributes;

    use super::*;

    fn bits(value: Attribute) -> Result<u32, String> {
        let attributes = Attributes::from([("bit_width".into(), value)]);
        bit_width(&Attrs::new(&attributes), 16).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_come_as_strings() {
        assert_eq!(bits(Attribute::String(b"4".into())), Ok(4));
        assert_eq!(bits(Attribute::Int(4)), Ok(4));
        let error = bits(Attribute::String(b"four".into())).unwrap_err();
        assert_eq!(error, "`bit_width` is four, expected a decimal integer");
        assert_eq!(bits(Attribute::Int(17)).unwrap_err(), "`bit_width` is 17, expected 1 to 16");
    }
}
