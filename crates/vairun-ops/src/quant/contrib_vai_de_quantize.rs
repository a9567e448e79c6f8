//! `ai.onnx.contrib::VaiDeQuantize` (vai_q_onnx 3.5): int8 to real numbers.
//!
//! `y = f32(int8(clip(x, -2^(b - 1), 2^(b - 1) - 1) - zero_point) · scale)`; the difference **wraps** in int8, since
//! numpy subtracts int8 from int8: for 127 and a zero point of -2 it is -127.
//!
//! | | name           | type | shape       |
//! |-|----------------|------|-------------|
//! | 0 | `x`          | i8   | any         |
//! | 1 | `scale`      | f32  | one element |
//! | 2 | `zero_point` | i8   | one element |
//! | → | `y`          | f32  | as `x`      |
//!
//! Attributes: `bit_width` (STRING, "8"): b, at most 8; `pos` (STRING) and `axis` (INT), which inform only.
//!
//! Source: `onnx_quantizer/vai_q_onnx/operators/qdq_ops.py` in Xilinx/Vitis-AI b2b2279. Vectors: `testdata/ops/contrib`.

use vairun_tensor::{DType, Dequantized, Tensor};

use super::contrib::{bit_width, read_informative, rule};
use super::parameters::{expect_dtype, wrong_dtype};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Dequantizer;
use crate::spec::NodeSpec;

/// `ai.onnx.contrib::VaiDeQuantize`.
pub static DEF: OpDef = OpDef {
    names: &[("ai.onnx.contrib", "VaiDeQuantize")],
    opsets: 1..=i64::MAX,
    summary: "int8 to real numbers; the difference with the zero point wraps",
    types: "x, zero_point int8; scale float32",
    grade: Grade::Exact("vai_q_onnx 3.5 qdq_ops.py, onnxruntime-extensions"),
    build,
};

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    read_informative(attrs)?;
    Ok(Box::new(VaiDeQuantize { bits: bit_width(attrs, 8)? }))
}

struct VaiDeQuantize {
    bits: u32,
}

impl Operator for VaiDeQuantize {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        if x.dtype() != DType::I8 {
            return Err(wrong_dtype("x", x.dtype(), "int8"));
        }
        let rule = rule(&inputs, self.bits)?;
        let y = Tensor::new(x.shape(), rule.dequantize(x.as_slice()?))?;
        // Neither clipped nor wrapped codes are those of x: they are found from the numbers, without a zero point.
        let origin = Dequantized::on_grid(Tensor::scalar(rule.scale), Tensor::scalar(0i32), None);
        Ok(vec![y.with_dequantized(origin).into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        expect_dtype("x", inputs.first().copied().flatten(), |x| x == DType::I8, "int8")?;
        Ok(vec![Some(DType::F32)])
    }

    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let rule = rule(parameters, self.bits).ok()?;
        // Without wrapping and clipping it is the common formula.
        let plain = rule.zero_point == 0 && self.bits == 8;
        plain.then_some(Dequantizer { scale: rule.scale, zero_point: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Node, f32s};

    #[test]
    fn the_difference_wraps() {
        let x = Tensor::vector(vec![127i8, 100]);
        let y = Node::new("ai.onnx.contrib", "VaiDeQuantize")
            .inputs([x, Tensor::scalar(0.5f32), Tensor::scalar(-2i8)])
            .string("bit_width", "8")
            .run();
        assert_eq!(y.codes().unwrap().as_slice::<i8>().unwrap(), [-127, 102]);
        assert_eq!(f32s(y), [-63.5, 51.0]);
    }
}
