//! `DynamicQuantizeLinear`: real numbers to uint8 with a range that their own extremes set.
//!
//! `low = min(0, min x)`, `high = max(0, max x)`, `y_scale = f32(f32(high - low) / 255)`, 1 where that is 0,
//! `y_zero_point = saturate(round_half_even(-low / y_scale))`,
//! `y = saturate(round_half_even(x / y_scale) + y_zero_point)`.
//!
//! | | name             | type | shape  |
//! |-|------------------|------|--------|
//! | 0 | `x`            | f32  | any    |
//! | → | `y`            | u8   | as `x` |
//! | → | `y_scale`      | f32  | `[]`   |
//! | → | `y_zero_point` | u8   | `[]`   |
//!
//! Without elements the scale is 1. NaNs take no part in the range and become 0.
//!
//! Source: ONNX, opset 11; onnxruntime 1.28. Vectors: `testdata/ops/quantize_linear`.

use vairun_numeric::linear::dynamic_quantize;
use vairun_tensor::{DType, Tensor};

use super::parameters::{expect_dtype, wrong_dtype};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `DynamicQuantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("", "DynamicQuantizeLinear")],
    opsets: 11..=28,
    summary: "real numbers to uint8, with a range set by their extremes",
    types: "x float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(DynamicQuantizeLinear))
}

struct DynamicQuantizeLinear;

impl Operator for DynamicQuantizeLinear {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        if x.dtype() != DType::F32 {
            return Err(wrong_dtype("x", x.dtype(), "float32"));
        }
        let (y, scale, zero_point) = dynamic_quantize(x.as_slice()?);
        let y = Tensor::new(x.shape(), y)?;
        Ok([y, Tensor::scalar(scale), Tensor::scalar(zero_point)].map(Into::into).into())
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        expect_dtype("x", inputs.first().copied().flatten(), |x| x == DType::F32, "float32")?;
        Ok([DType::U8, DType::F32, DType::U8].map(Some).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Node;

    #[test]
    fn there_are_three_outputs() {
        let x = Tensor::new(&[1, 3], vec![-1f32, 0.0, 1.55]).unwrap();
        let [y, scale, zero_point] =
            Node::new("", "DynamicQuantizeLinear").inputs([x]).outputs().try_into().unwrap();
        assert_eq!((y.shape(), y.as_slice::<u8>().unwrap()), (&[1, 3][..], &[0, 100, 255][..]));
        assert_eq!(scale.as_scalar::<f32>(), Some(&(2.55f32 / 255.0)));
        assert_eq!(zero_point.as_scalar::<u8>(), Some(&100));
    }
}
