//! `QLinearConv` of ONNX and of `com.microsoft`: a convolution of codes.
//!
//! `y = saturate(round_half_even(f32(acc) · f32(f32(sx·sw) / sy)) + zy)`, `acc = Σ (x - zx)·(w - zw) + B` in int32.
//!
//! | | name                     | type   | shape                                             |
//! |-|--------------------------|--------|---------------------------------------------------|
//! | 0 | `x`                    | i8, u8 | `[n, c, …]`; `[n, …, c]` with channels_last       |
//! | 3 | `w`                    | i8, u8 | `[m, c / group, …]`                               |
//! | 1, 6 | `x_scale`, `y_scale` | f32   | one element                                       |
//! | 4 | `w_scale`              | f32    | `[]` or `[m]`                                     |
//! | 2, 5, 7 | `x_zero_point`, `w_zero_point`, `y_zero_point` | as `x`, `w`, `y` | as the scales  |
//! | 8 | `B`                    | i32    | `[m]`, optional                                   |
//! | → | `y`                    | i8, u8 | `[n, m, …]`; `[n, …, m]` with channels_last       |
//!
//! Attributes: auto_pad (NOTSET), dilations (1 …), group (1), kernel_shape, pads (0 …), strides (1 …); `com.microsoft`
//! has channels_last (0) too.
//!
//! Sums are exact. onnxruntime's kernel for uint8 × int8 on CPUs with AVX2 but not VNNI saturates pairs of products at
//! 16 bits, so its result differs where weights are large; that is a property of the CPU, not of the operator.
//!
//! Source: ONNX, opset 10; `qlinearconv.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::kernel::{Isa, Output};
use vairun_numeric::linear::{Affine, Grid};
use vairun_numeric::qlinear::requantize;
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Tensor};

use super::codes::{
    CODES, Names, SCALE, check, grid, part, range, rounding, scalar_scale, with_code,
};
use super::kept::Kept;
use super::layout::{channels_first, channels_last};
use super::sums::{Lines, Side, conv};
use crate::attrs::Attrs;
use crate::coded::{CodeRule, OnCodes};
use crate::common::types::Types;
use crate::common::{LATEST, one};
use crate::contraction::coded::CodedWeights;
use crate::contraction::{Packed, PackedInput, WindowAttributes};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::{scales, wrong_shape};
use crate::spec::NodeSpec;

/// `QLinearConv`.
pub static DEF: OpDef = OpDef {
    names: &[("", "QLinearConv"), ("com.microsoft", "QLinearConv")],
    opsets: 10..=LATEST,
    summary: "a convolution of codes, from exact sums",
    types: "x, w, y int8, uint8; B int32; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const X: Names = Names("x", "x_scale", "x_zero_point");
const W: Names = Names("w", "w_scale", "w_zero_point");
const Y: Names = Names("y", "y_scale", "y_zero_point");
const BIAS: Types = Types::new("int32", |dtype| dtype == DType::I32);

struct QLinearConv {
    windows: WindowAttributes,
    channels_last: bool,
    kept: Kept,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(8..=9)?;
    let last = if spec.op.domain.is_empty() { None } else { attrs.flag("channels_last")? };
    let windows = WindowAttributes::read(attrs)?;
    let kept = Kept::new(spec, &[3, 5]);
    Ok(Box::new(QLinearConv { windows, channels_last: last.unwrap_or(false), kept }))
}

impl Operator for QLinearConv {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        if !self.channels_last {
            return one(self.conv(x, &inputs)?);
        }
        one(channels_last(&self.conv(&channels_first(x)?, &inputs)?)?)
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let x = part(parameters, 0, X).filter(|_| !self.channels_last)?;
        let dtype = parameters.optional(7).ok()??.dtype();
        let y = grid(parameters, 6, Y, dtype).ok().filter(|_| CODES.contains(dtype))?;
        let rule = CodeRule::Product { late: &[3, 4, 5, 8], pair: None };
        Some(OnCodes { parts: vec![x], quantizer: rounding(y.zero_point, dtype), rule })
    }

    fn pack_codes(
        &self,
        x: &PackedInput,
        parameters: &Inputs,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let (w, channels) = weights(parameters)?;
        let Grid { scale, .. } = grid(parameters, 6, Y, parameters.tensor(7, Y.2)?.dtype())?;
        let scales = ratios(parameters, channels, scale)?;
        let bias = parameters.optional(8)?.map(|bias| checked_bias(bias, channels)).transpose()?;
        let zero_points = &w.zero_points;
        let weights = CodedWeights { codes: w.codes, zero_points, scales: &scales, bias };
        weights.conv(&self.windows, x, output, isa)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let x = check(inputs, 0, X)?;
        check(inputs, 3, W)?;
        SCALE.check(inputs, 6, Y.1)?;
        BIAS.check(inputs, 8, "B")?;
        Ok(vec![CODES.check(inputs, 7, Y.2)?.or(x)])
    }
}

impl QLinearConv {
    fn conv(&self, x: &Tensor, inputs: &Inputs) -> Result<Tensor, OpError> {
        let x = Side::new(x, X.0, inputs.optional(2)?, X.2, Lines::One)?;
        let (w, channels) = weights(inputs)?;
        let dtype = inputs.optional(7)?.map_or(x.codes.dtype(), Tensor::dtype);
        let y = grid(inputs, 6, Y, dtype)?;
        let (shape, mut sums) = conv(&self.windows, &self.kept, &x, &w)?;
        let inner = shape[2..].iter().product();
        if let Some(bias) = inputs.optional(8)? {
            add_bias(&mut sums, bias, channels, inner)?;
        }
        let (low, high) = range(dtype);
        let affine = |ratio| Affine::new(ratio, y.zero_point, low, high);
        let ratios = ratios(inputs, channels, y.scale)?;
        let affines: Vec<Affine> = ratios.into_iter().map(affine).collect();
        let spread = match affines.len() {
            1 => Spread::Tensor,
            _ => Spread::Axis { length: channels, inner },
        };
        with_code!(dtype, "y_zero_point", C => {
            Ok(Tensor::new(&shape, requantize::<C>(&sums, &affines, spread))?)
        })
    }
}

/// The weights, and how many output channels they have.
fn weights(inputs: &Inputs) -> Result<(Side<'_>, usize), OpError> {
    let w = inputs.tensor(3, "w")?;
    let channels = w.shape().first().copied().unwrap_or(0);
    let side = Side::new(w, W.0, inputs.optional(5)?, W.2, Lines::Channels(channels))?;
    Ok((side, channels))
}

/// `f32(f32(sx · sw) / sy)`, one or one for each output channel.
fn ratios(inputs: &Inputs, channels: usize, y_scale: f32) -> Result<Vec<f32>, OpError> {
    let w_scale = inputs.tensor(4, W.1)?;
    SCALE.check_tensor(w_scale, W.1)?;
    Lines::Channels(channels).check(w_scale, W.1)?;
    let x_scale = scalar_scale(inputs.tensor(1, X.1)?, X.1)?;
    Ok(scales(w_scale, W.1)?.iter().map(|&w| x_scale * w / y_scale).collect())
}

/// A bias `[channels]`.
fn checked_bias(bias: &Tensor, channels: usize) -> Result<&[i32], OpError> {
    BIAS.check_tensor(bias, "B")?;
    if bias.shape() != [channels] {
        let expected = format!("[{channels}], one for each output channel");
        return Err(wrong_shape("B", bias.shape(), expected));
    }
    Ok(bias.as_slice::<i32>()?)
}

/// Adds `[channels]` to sums that lie as `[…, channels, inner]`.
fn add_bias(sums: &mut [i32], bias: &Tensor, channels: usize, inner: usize) -> Result<(), OpError> {
    let rows = sums.chunks_exact_mut(inner.max(1));
    for (row, bias) in rows.zip(checked_bias(bias, channels)?.iter().cycle()) {
        row.iter_mut().for_each(|sum| *sum = sum.wrapping_add(*bias));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{Case, assert_tensor, node, node_in, tensor};

    fn inputs(w_scale: Tensor, bias: Tensor) -> [Tensor; 9] {
        [
            tensor(&[1, 1, 2, 2], &[1u8, 2, 3, 4]),
            Tensor::scalar(0.5f32),
            Tensor::scalar(1u8),
            tensor(&[2, 1, 1, 1], &[2i8, -1]),
            w_scale,
            Tensor::scalar(0i8),
            Tensor::scalar(0.5f32),
            Tensor::scalar(10u8),
            bias,
        ]
    }

    fn run(case: Case) -> Tensor {
        case.run(inputs(tensor(&[2], &[1f32, 2.0]), tensor(&[2], &[1i32, 0])))
    }

    #[test]
    fn each_output_channel_has_its_scale_and_bias() {
        let want = tensor(&[1, 2, 2, 2], &[11u8, 13, 15, 17, 10, 8, 6, 4]);
        assert_tensor(&run(node("QLinearConv")), &want);
        assert_tensor(&run(node_in(DEF.names[1])), &want);
    }

    #[test]
    fn channels_may_come_last_in_the_domain_that_says_so() {
        let mut inputs = inputs(Tensor::scalar(1f32), tensor(&[2], &[0i32, 0]));
        inputs[0] = tensor(&[1, 2, 2, 1], &[1u8, 2, 3, 4]);
        let y = node_in(DEF.names[1]).int("channels_last", 1).run(inputs.clone());
        assert_tensor(&y, &tensor(&[1, 2, 2, 2], &[10u8, 10, 12, 9, 14, 8, 16, 7]));
        let error = node("QLinearConv").int("channels_last", 1).build(&[const { None }; 8]);
        assert!(error.err().unwrap().to_string().contains("channels_last"));
    }

    #[test]
    fn parameters_that_do_not_fit_are_named() {
        let error =
            node("QLinearConv").error(inputs(tensor(&[3], &[1f32; 3]), tensor(&[2], &[0i32, 0])));
        let expected = "expected [] or [2], one for each output channel";
        assert_eq!(error, format!("w_scale has shape [3], {expected}"));
        let error = node("QLinearConv").error(inputs(Tensor::scalar(1f32), tensor(&[1], &[0i32])));
        assert_eq!(error, "B has shape [1], expected [2], one for each output channel");
    }
}
