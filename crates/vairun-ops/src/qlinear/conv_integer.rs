//! `ConvInteger`: a convolution of codes, the sums themselves.
//!
//! `y = Σ (x - x_zero_point)·(w - w_zero_point)`, int32, wrapping.
//!
//! | | name             | type   | shape               |
//! |-|------------------|--------|---------------------|
//! | 0 | `x`            | i8, u8 | `[n, c, …]`         |
//! | 1 | `w`            | i8, u8 | `[m, c / group, …]` |
//! | 2 | `x_zero_point` | as `x` | one element, optional |
//! | 3 | `w_zero_point` | as `w` | `[]` or `[m]`, optional |
//! | → | `y`            | i32    | `[n, m, …]`         |
//!
//! Attributes: auto_pad (NOTSET), dilations (1 …), group (1), kernel_shape, pads (0 …), strides (1 …). The padding holds
//! x_zero_point.
//!
//! Source: ONNX, opset 10; `conv_integer.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_tensor::{DType, Tensor};

use super::codes::CODES;
use super::kept::Kept;
use super::sums::{Lines, Side, conv, scaled_conv};
use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::contraction::WindowAttributes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs, Sums};
use crate::spec::NodeSpec;

/// `ConvInteger`.
pub static DEF: OpDef = OpDef {
    names: &[("", "ConvInteger")],
    opsets: 10..=LATEST,
    summary: "a convolution of codes, the exact sums",
    types: "x, w int8, uint8; y int32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct ConvInteger {
    windows: WindowAttributes,
    kept: Kept,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=4)?;
    let kept = Kept::new(spec, &[1, 3]);
    Ok(Box::new(ConvInteger { windows: WindowAttributes::read(attrs)?, kept }))
}

fn sides(inputs: &Inputs) -> Result<(Side<'_>, Side<'_>), OpError> {
    let (x, w) = (inputs.tensor(0, "x")?, inputs.tensor(1, "w")?);
    let lines = Lines::Channels(w.shape().first().copied().unwrap_or(0));
    let x = Side::new(x, "x", inputs.optional(2)?, "x_zero_point", Lines::One)?;
    let w = Side::new(w, "w", inputs.optional(3)?, "w_zero_point", lines)?;
    Ok((x, w))
}

impl Sums for ConvInteger {
    fn scaled(
        &self,
        inputs: &Inputs,
        scale: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Option<Tensor>, OpError> {
        let (x, w) = sides(inputs)?;
        scaled_conv(&self.windows, &self.kept, (&x, &w), (scale, bias))
    }
}

impl Operator for ConvInteger {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, w) = sides(&inputs)?;
        let (shape, sums) = conv(&self.windows, &self.kept, &x, &w)?;
        one(Tensor::new(&shape, sums)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in ["x", "w", "x_zero_point", "w_zero_point"].into_iter().enumerate() {
            CODES.check(inputs, index, name)?;
        }
        Ok(vec![Some(DType::I32)])
    }

    fn sums(&self) -> Option<&dyn Sums> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, node, tensor};

    #[test]
    fn the_padding_is_the_zero_point() {
        let y = node("ConvInteger").ints("pads", &[1, 0]).run([
            tensor(&[1, 1, 2], &[3u8, 5]),
            tensor(&[1, 1, 2], &[1i8, -2]),
            Tensor::scalar(1u8),
        ]);
        assert_tensor(&y, &tensor(&[1, 1, 2], &[-4i32, -6]));
    }

    #[test]
    fn other_types_are_refused_before_the_run() {
        let error =
            node("ConvInteger").error([tensor(&[1, 1, 1], &[1f32]), tensor(&[1, 1, 1], &[1i8])]);
        assert_eq!(error, "x is float32, expected int8 or uint8");
    }
}
