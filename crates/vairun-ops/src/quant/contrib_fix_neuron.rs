//! `ai.onnx.contrib::FixNeuron` (vai_q_onnx 3.5): quantizes and dequantizes at once.
//!
//! `r = clip(f32(rint(f32(x / scale)) + zero_point), -2^(b - 1), 2^(b - 1) - 1)`, `y = f32(f32(r - zero_point) · scale)`
//!
//! | | name           | type | shape       |
//! |-|----------------|------|-------------|
//! | 0 | `x`          | f32  | any         |
//! | 1 | `scale`      | f32  | one element |
//! | 2 | `zero_point` | i8   | one element |
//! | → | `y`          | f32  | as `x`      |
//!
//! Attributes: `bit_width` (STRING, "8"): b; `pos` (STRING) and `axis` (INT), which inform only. NaN stays NaN.
//!
//! Source: `onnx_quantizer/vai_q_onnx/operators/qdq_ops.py` in Xilinx/Vitis-AI b2b2279. Vectors: `testdata/ops/contrib`.

use vairun_tensor::{DType, Dequantized, Tensor};

use super::contrib::{bit_width, expect_f32, quantizer, read_informative, rule};
use super::parameters::expect_dtype;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::{Dequantizer, Quantizer};
use crate::spec::NodeSpec;

/// `ai.onnx.contrib::FixNeuron`.
pub static DEF: OpDef = OpDef {
    names: &[("ai.onnx.contrib", "FixNeuron")],
    opsets: 1..=i64::MAX,
    summary: "quantizes and dequantizes at once, ties to even, zero point after rounding",
    types: "x, scale float32; zero_point int8",
    grade: Grade::Exact("vai_q_onnx 3.5 qdq_ops.py, onnxruntime-extensions"),
    build,
};

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    read_informative(attrs)?;
    Ok(Box::new(FixNeuron { bits: bit_width(attrs, 32)? }))
}

struct FixNeuron {
    bits: u32,
}

impl Operator for FixNeuron {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let rule = rule(&inputs, self.bits)?;
        let x = inputs.take(0, "x")?;
        expect_f32(&x)?;
        let shape = x.shape().to_vec();
        let mut y = x.into_vec::<f32>()?;
        rule.fix_neuron(&mut y);
        let origin = Dequantized::on_grid(
            Tensor::scalar(rule.scale),
            Tensor::scalar(i32::from(rule.zero_point)),
            None,
        );
        Ok(vec![Tensor::new(&shape, y)?.with_dequantized(origin).into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        expect_dtype("x", inputs.first().copied().flatten(), |x| x == DType::F32, "float32")?;
        Ok(vec![Some(DType::F32)])
    }

    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        quantizer(rule(parameters, self.bits).ok()?, DType::F32)
    }

    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let rule = rule(parameters, self.bits).ok()?;
        Some(Dequantizer { scale: rule.scale, zero_point: rule.zero_point.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Node, f32s};

    fn node(x: &[f32], scale: Tensor) -> Node {
        let x = Tensor::vector(x.to_vec());
        Node::new("ai.onnx.contrib", "FixNeuron").inputs([x, scale, Tensor::scalar(3i8)])
    }

    #[test]
    fn it_rounds_to_even_adds_the_zero_point_and_clips() {
        let x = [1.25, 1000.0, -1000.0];
        let node = node(&x, Tensor::scalar(0.5f32)).string("bit_width", "8").string("pos", "1");
        assert_eq!(f32s(node.run()), [1.0, 62.0, -65.5]);
    }

    #[test]
    fn the_bits_are_a_string() {
        let node = node(&[1000.0], Tensor::scalar(0.5f32)).string("bit_width", "4");
        assert_eq!(f32s(node.run()), [2.0]);
    }

    #[test]
    fn the_result_is_on_the_grid() {
        let y = node(&[1.25], Tensor::scalar(0.5f32)).run();
        assert_eq!(y.codes().unwrap().as_slice::<i8>().unwrap(), [5]);
    }

    #[test]
    fn scales_along_an_axis_are_refused() {
        let node = node(&[1.0, 2.0], Tensor::vector(vec![0.5f32, 1.0])).int("axis", 0);
        let error = node.fails();
        assert_eq!(error, "scale has shape [2], expected one element: the reference knows no axis");
    }
}
