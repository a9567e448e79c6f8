//! `ai.onnx.contrib::VaiQuantize` (vai_q_onnx 3.5): real numbers to int8.
//!
//! `y = int8(clip(f32(rint(f32(x / scale)) + zero_point), -2^(b - 1), 2^(b - 1) - 1))`
//!
//! | | name           | type | shape       |
//! |-|----------------|------|-------------|
//! | 0 | `x`          | f32  | any         |
//! | 1 | `scale`      | f32  | one element |
//! | 2 | `zero_point` | i8   | one element |
//! | → | `y`          | i8   | as `x`      |
//!
//! Attributes: `bit_width` (STRING, "8"): b, at most 8; `pos` (STRING) and `axis` (INT), which inform only.
//! NaN gives 0, as numpy converts it on x86.
//!
//! Source: `onnx_quantizer/vai_q_onnx/operators/qdq_ops.py` in Xilinx/Vitis-AI b2b2279. Vectors: `testdata/ops/contrib`.

use vairun_tensor::{DType, Tensor};

use super::contrib::{bit_width, expect_f32, quantizer, read_informative, rule};
use super::parameters::expect_dtype;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Quantizer;
use crate::spec::NodeSpec;

/// `ai.onnx.contrib::VaiQuantize`.
pub static DEF: OpDef = OpDef {
    names: &[("ai.onnx.contrib", "VaiQuantize")],
    opsets: 1..=i64::MAX,
    summary: "real numbers to int8, ties to even, zero point after rounding",
    types: "x, scale float32; zero_point int8",
    grade: Grade::Exact("vai_q_onnx 3.5 qdq_ops.py, onnxruntime-extensions"),
    build,
};

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    read_informative(attrs)?;
    Ok(Box::new(VaiQuantize { bits: bit_width(attrs, 8)? }))
}

struct VaiQuantize {
    bits: u32,
}

impl Operator for VaiQuantize {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        expect_f32(x)?;
        let codes = rule(&inputs, self.bits)?.quantize(x.as_slice()?);
        Ok(vec![Tensor::new(x.shape(), codes)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        expect_dtype("x", inputs.first().copied().flatten(), |x| x == DType::F32, "float32")?;
        Ok(vec![Some(DType::I8)])
    }

    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        quantizer(rule(parameters, self.bits).ok()?, DType::I8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Node;

    #[test]
    fn codes_are_int8_within_the_bits() {
        let x = Tensor::vector(vec![1.25f32, 1000.0, -1000.0]);
        let node = Node::new("ai.onnx.contrib", "VaiQuantize")
            .inputs([x, Tensor::scalar(0.5f32), Tensor::scalar(0i8)])
            .string("bit_width", "4");
        assert_eq!(node.run().as_slice::<i8>().unwrap(), [2, 7, -8]);
        assert_eq!(node.string("bit_width", "16").refused(), "`bit_width` is 16, expected 1 to 8");
    }
}
