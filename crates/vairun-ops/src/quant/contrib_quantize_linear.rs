//! `ai.onnx.contrib::QuantizeLinear` (vai_q_onnx 3.5, format QDQ): ONNX's rule, saturating to `bit_width`.
//!
//! `y = saturate(round_half_even(x / y_scale) + y_zero_point)`, to signed or unsigned numbers of b bits.
//!
//! | | name             | type                | shape                       |
//! |-|------------------|---------------------|-----------------------------|
//! | 0 | `x`            | f32, f16, bf16      | any                         |
//! | 1 | `y_scale`      | f32                 | `[]`, or `[n]` along `axis` |
//! | 2 | `y_zero_point` | i8, u8, i16, u16    | as `y_scale`                |
//! | → | `y`            | as `y_zero_point`   | as `x`                      |
//!
//! Attributes: `bit_width` (STRING, "8"): b, at most the bits of y; `pos` (STRING), which informs only; `axis` (INT, 1).
//!
//! Source: no runtime computes the name in this domain; the quantizer emits it for ONNX's operator
//! (`onnx_quantizer/vai_q_onnx/onnx_quantizer.py` in Xilinx/Vitis-AI b2b2279). Vectors: none but those of ONNX's.

use vairun_numeric::narrow::Overflow;
use vairun_tensor::DType;

use super::contrib::{bit_width, read_informative};
use super::granularity::Granularity;
use super::quantize_linear::QuantizeLinear;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// `ai.onnx.contrib::QuantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("ai.onnx.contrib", "QuantizeLinear")],
    opsets: 1..=i64::MAX,
    summary: "real numbers to integers of bit_width bits by ONNX's rule",
    types: "x float32, float16, bfloat16; y int8, uint8, int16, uint16",
    grade: Grade::Runs,
    build,
};

const TYPES: &str = "int8, uint8, int16 or uint16";

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    read_informative(attrs)?;
    let bits = bit_width(attrs, 16)?;
    if let Some(dtype) = spec
        .dtype(2)
        .filter(|dtype| !matches!(dtype, DType::I8 | DType::U8 | DType::I16 | DType::U16))
    {
        return Err(Attrs::value("y_zero_point", dtype, TYPES));
    }
    Ok(Box::new(QuantizeLinear {
        granularity: Granularity::axis(attrs)?,
        overflow: Overflow::Saturate,
        output_dtype: None,
        precision: None,
        bits: Some(bits),
    }))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::quant::testing::Node;

    fn node(zero_point: Tensor) -> Node {
        let x = Tensor::vector(vec![1.25f32, 1000.0, -1000.0]);
        Node::new("ai.onnx.contrib", "QuantizeLinear")
            .inputs([x, Tensor::scalar(0.5f32), zero_point])
            .string("pos", "1")
    }

    #[test]
    fn it_saturates_to_the_bits() {
        let y = node(Tensor::scalar(0i8)).string("bit_width", "4").run();
        assert_eq!(y.as_slice::<i8>().unwrap(), [2, 7, -8]);
        let y = node(Tensor::scalar(3u8)).string("bit_width", "4").run();
        assert_eq!(y.as_slice::<u8>().unwrap(), [5, 15, 0]);
    }

    #[test]
    fn eight_bits_are_the_default_and_more_than_the_type_has_are_harmless() {
        assert_eq!(node(Tensor::scalar(0i8)).run().as_slice::<i8>().unwrap(), [2, 127, -128]);
        let y = node(Tensor::scalar(0i8)).string("bit_width", "16").run();
        assert_eq!(y.as_slice::<i8>().unwrap(), [2, 127, -128]);
    }
}
