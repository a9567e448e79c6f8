//! `ai.onnx.contrib::DequantizeLinear` (vai_q_onnx 3.5, format QDQ): ONNX's rule.
//!
//! `y = f32(f32(x - x_zero_point) · x_scale)`
//!
//! | | name             | type                  | shape                       |
//! |-|------------------|-----------------------|-----------------------------|
//! | 0 | `x`            | i8, u8, i16, u16, i32 | any                         |
//! | 1 | `x_scale`      | f32                   | `[]`, or `[n]` along `axis` |
//! | 2 | `x_zero_point` | as `x`                | as `x_scale`                |
//! | → | `y`            | f32                   | as `x`                      |
//!
//! Attributes: `bit_width` and `pos` (STRING), which inform only; `axis` (INT, 1).
//!
//! Source: no runtime computes the name in this domain; the quantizer emits it for ONNX's operator
//! (`onnx_quantizer/vai_q_onnx/onnx_quantizer.py` in Xilinx/Vitis-AI b2b2279). Vectors: none but those of ONNX's.

use super::contrib::{bit_width, read_informative};
use super::dequantize_linear::DequantizeLinear;
use super::granularity::Granularity;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// `ai.onnx.contrib::DequantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("ai.onnx.contrib", "DequantizeLinear")],
    opsets: 1..=i64::MAX,
    summary: "integers to real numbers by ONNX's rule",
    types: "x int8, uint8, int16, uint16, int32; x_scale float32",
    grade: Grade::Runs,
    build,
};

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    read_informative(attrs)?;
    bit_width(attrs, 32)?;
    Ok(Box::new(DequantizeLinear { granularity: Granularity::axis(attrs)?, output_dtype: None }))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::quant::testing::{Node, f32s};

    #[test]
    fn a_bias_of_32_bits_is_dequantized_along_its_axis() {
        let y = Node::new("ai.onnx.contrib", "DequantizeLinear")
            .inputs([
                Tensor::vector(vec![3i32, -4]),
                Tensor::vector(vec![0.5f32, 0.25]),
                Tensor::vector(vec![0i32, 0]),
            ])
            .string("bit_width", "32")
            .string("pos", "2")
            .int("axis", 0)
            .run();
        assert_eq!(f32s(y), [1.5, -1.0]);
    }
}
