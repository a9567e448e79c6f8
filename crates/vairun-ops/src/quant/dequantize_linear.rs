//! `DequantizeLinear` of ONNX and of `com.microsoft`: integers or narrow floating-point numbers to real numbers.
//!
//! `y = f32(f32(x - x_zero_point) · x_scale)`, then rounded to the type of y where that is narrower.
//!
//! | | name             | type                                      | shape                              |
//! |-|------------------|-------------------------------------------|------------------------------------|
//! | 0 | `x`            | int2 … int32, uint2 … uint16, float8 but e8m0, float4e2m1 | any                |
//! | 1 | `x_scale`      | f32, f16, bf16, float8e8m0                | `[]`, `[n]` along `axis`, or blocks |
//! | 2 | `x_zero_point` | as `x`; may be left out                   | as `x_scale`                       |
//! | → | `y`            | as `x_scale`, or `output_dtype`           | as `x`                             |
//!
//! Attributes: `axis` (INT, 1); from opset 21 `block_size` (INT, 0); from 23 `output_dtype` (INT), which float8e8m0
//! scales need. `com.microsoft` has `axis` alone.
//!
//! Differences of 32 bits wrap, as in onnxruntime; their specification wants 0 as the zero point.
//!
//! Source: ONNX, opsets 10 to 28; `onnx/reference/ops/op_dequantize_linear.py` of onnx 1.23; onnxruntime 1.28, 1.32.
//! Vectors: `testdata/ops/quantize_linear`.

use half::slice::HalfFloatSliceExt;
use vairun_numeric::linear::{Grid, dequantize, dequantize_narrow};
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Dequantized, Tensor, bf16, f16};

use super::element::{QUANTIZED, Quantized};
use super::granularity::{Granularity, Names};
use super::parameters::{expect_dtype, integers, scales, wrong_dtype};
use super::quantize_linear::read_zero_points;
use crate::attrs::Attrs;
use crate::common::codes::codes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Dequantizer;
use crate::spec::NodeSpec;

/// `DequantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("", "DequantizeLinear"), ("com.microsoft", "DequantizeLinear")],
    opsets: 10..=28,
    summary: "integers or narrow floats to real numbers",
    types: "x int2 to int32, uint2 to uint16, float8, float4e2m1; y float32, float16, bfloat16",
    grade: Grade::Exact(
        "onnxruntime 1.28 and 1.32 without optimizations; float4, bfloat16, float8e8m0: onnx 1.23 reference",
    ),
    build,
};

const NAMES: Names = Names { scale: "x_scale", zero_point: "x_zero_point" };

/// A node's attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct DequantizeLinear {
    pub(super) granularity: Granularity,
    pub(super) output_dtype: Option<DType>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=3)?;
    let since = |opset| spec.op.domain.is_empty() && spec.op.opset >= opset;
    let granularity =
        if since(21) { Granularity::blocked(attrs)? } else { Granularity::axis(attrs)? };
    let output_dtype = if since(23) { attrs.dtype("output_dtype")? } else { None };
    match output_dtype {
        None | Some(DType::F32 | DType::F16 | DType::BF16) => {}
        Some(other) => return Err(Attrs::value("output_dtype", other, REAL)),
    }
    Ok(Box::new(DequantizeLinear { granularity, output_dtype }))
}

const REAL: &str = "float32, float16 or bfloat16";

fn is_x(dtype: DType) -> bool {
    dtype == DType::I32 || Quantized::of(dtype).is_some()
}

impl Operator for DequantizeLinear {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        Ok(vec![self.dequantize(&mut inputs)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let dtype = |i: usize| inputs.get(i).copied().flatten();
        expect_dtype("x", dtype(0), is_x, &format!("int32, {QUANTIZED}"))?;
        if let (Some(x), Some(zero_point)) = (dtype(0), dtype(2)) {
            expect_dtype("x_zero_point", Some(zero_point), |got| got == x, &format!("{x}, as x"))?;
        }
        match (self.output_dtype, dtype(1)) {
            (None, Some(scale)) => Ok(vec![Some(real_type(None, scale)?)]),
            (output, _) => Ok(vec![output]),
        }
    }

    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let scale = parameters.tensor(1, "x_scale").ok()?;
        if real_type(self.output_dtype, scale.dtype()).ok()? != DType::F32 {
            return None;
        }
        let zero_points = match parameters.optional(2).ok()? {
            Some(zero_point) => integers(zero_point, "x_zero_point").ok()?,
            None => vec![0],
        };
        match (&*scales(scale, "x_scale").ok()?, &zero_points[..]) {
            (&[scale], &[zero_point]) => Some(Dequantizer { scale, zero_point }),
            _ => None,
        }
    }
}

/// The type of y.
fn real_type(output_dtype: Option<DType>, scale: DType) -> Result<DType, OpError> {
    match output_dtype.unwrap_or(scale) {
        real @ (DType::F32 | DType::F16 | DType::BF16) => Ok(real),
        DType::F8E8M0 => {
            Err(wrong_dtype("x_scale", scale, &format!("{REAL}, as there is no output_dtype")))
        }
        other => Err(wrong_dtype("x_scale", other, &format!("{REAL} or float8e8m0"))),
    }
}

impl DequantizeLinear {
    pub(super) fn dequantize(&self, inputs: &mut Inputs) -> Result<Tensor, OpError> {
        let x = inputs.take(0, "x")?;
        let (scale, zero_point) = (inputs.tensor(1, "x_scale")?, inputs.optional(2)?);
        if let Some(zero_point) = zero_point.filter(|zero_point| zero_point.dtype() != x.dtype()) {
            let expected = format!("{}, as x", x.dtype());
            return Err(wrong_dtype("x_zero_point", zero_point.dtype(), &expected));
        }
        let real = real_type(self.output_dtype, scale.dtype())?;
        let spread = self.granularity.spread(x.shape(), scale, zero_point, NAMES)?;
        let scales = scales(scale, "x_scale")?;
        if let Some(Quantized::Float(narrow)) = Quantized::of(x.dtype()) {
            zero_point
                .map(|tensor| read_zero_points(tensor, Quantized::Float(narrow)))
                .transpose()?;
            let y = dequantize_narrow(narrow, x.as_slice()?, &scales, spread);
            return rounded(real, x.shape(), y);
        }
        let zero_points =
            zero_point.map_or(Ok(vec![0]), |tensor| integers(tensor, "x_zero_point"))?;
        if !is_x(x.dtype()) {
            return Err(wrong_dtype("x", x.dtype(), &format!("int32, {QUANTIZED}")));
        }
        let grids = grids(&scales, &zero_points);
        let axis = self.granularity.grid_axis(spread, x.rank());
        let Some(axis) = axis.filter(|_| real == DType::F32) else {
            // Numbers rounded to a narrower type are no longer codes times a scale.
            return rounded(real, x.shape(), dequantize(codes(&x)?, &grids, spread));
        };
        let y = match x.is_shared() {
            true => late(&x, grids, spread)?,
            false => Tensor::new(x.shape(), dequantize(codes(&x)?, &grids, spread))?,
        };
        let scale = Tensor::vector(scales.into_owned());
        let zero_point = Tensor::vector(zero_points);
        Ok(y.with_dequantized(Dequantized::new(x, scale, zero_point, axis)))
    }
}

fn grids(scales: &[f32], zero_points: &[i32]) -> Vec<Grid> {
    let zero_point = |i: usize| zero_points[if zero_points.len() == 1 { 0 } else { i }];
    let grid = |(i, &scale)| Grid { scale, zero_point: zero_point(i) };
    scales.iter().enumerate().map(grid).collect()
}

/// The numbers of codes that somebody else holds too, weights say: whoever multiplies reads the codes alone.
fn late(x: &Tensor, grids: Vec<Grid>, spread: Spread) -> Result<Tensor, OpError> {
    codes(x)?;
    let kept = x.clone();
    let numbers = move || dequantize(codes(&kept).expect("codes, as above"), &grids, spread);
    Ok(Tensor::late(x.shape(), numbers)?)
}

/// A tensor of `real` from numbers in f32.
fn rounded(real: DType, shape: &[usize], y: Vec<f32>) -> Result<Tensor, OpError> {
    Ok(match real {
        DType::F16 => {
            let mut narrow = vec![f16::ZERO; y.len()];
            narrow.convert_from_f32_slice(&y);
            Tensor::new(shape, narrow)?
        }
        DType::BF16 => {
            let mut narrow = vec![bf16::ZERO; y.len()];
            narrow.convert_from_f32_slice(&y);
            Tensor::new(shape, narrow)?
        }
        _ => Tensor::new(shape, y)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::{Node, f32s};

    fn node(x: Tensor, scale: Tensor, zero_point: Option<Tensor>) -> Node {
        Node::new("", "DequantizeLinear").inputs([x, scale].into_iter().chain(zero_point))
    }

    #[test]
    fn the_difference_is_scaled_in_float32() {
        let x = Tensor::vector(vec![0u8, 255]);
        let y = node(x, Tensor::scalar(0.1f32), Some(Tensor::scalar(128u8))).run();
        assert_eq!(f32s(y), [-128.0f32 * 0.1, 127.0 * 0.1]);
    }

    #[test]
    fn codes_of_32_bits_are_rounded_to_float32_first() {
        let y = node(Tensor::vector(vec![16777217i32]), Tensor::scalar(1f32), None).run();
        assert_eq!(f32s(y), [16777216.0]);
    }

    #[test]
    fn the_type_is_that_of_the_scale_or_output_dtype() {
        let x = || Tensor::vector(vec![-32768i16, 12345]);
        let y = node(x(), Tensor::scalar(f16::from_f32(0.1)), Some(Tensor::scalar(3i16))).run();
        assert_eq!(y.as_slice::<f16>().unwrap().to_f32_vec(), [-3276.0, 1234.0]);
        let y = node(x(), Tensor::scalar(0.1f32), Some(Tensor::scalar(3i16)));
        let y = y.int("output_dtype", 10).run();
        assert_eq!(y.as_slice::<f16>().unwrap().to_f32_vec(), [-3278.0, 1234.0]);
        let y = node(x(), Tensor::scalar(bf16::from_f32(0.5)), None).run();
        assert_eq!(y.dtype(), DType::BF16);
    }

    #[test]
    fn a_scale_of_8_bits_needs_an_output_type() {
        let scale = || Tensor::with_dtype(DType::F8E8M0, &[], vec![126u8]).unwrap();
        let node = || node(Tensor::vector(vec![3i8]), scale(), None);
        assert_eq!(f32s(node().int("output_dtype", 1).run()), [1.5]);
        assert_eq!(
            node().fails(),
            "x_scale is float8e8m0, expected float32, float16 or bfloat16, as there is no output_dtype"
        );
    }

    #[test]
    fn float8_and_float4_are_numbers_times_the_scale() {
        let x = Tensor::with_dtype(DType::F8E5M2, &[2], vec![0x3du8, 0xfc]).unwrap();
        assert_eq!(f32s(node(x, Tensor::scalar(2f32), None).run()), [2.5, f32::NEG_INFINITY]);
        let x = Tensor::with_dtype(DType::F4E2M1, &[2], vec![7u8, 9]).unwrap();
        let y = node(x, Tensor::scalar(2f32), None).run();
        assert!(y.dequantized().is_none());
        assert_eq!(f32s(y), [12.0, -1.0]);
    }

    #[test]
    fn integers_stay_beside_the_numbers_as_they_were() {
        let x = Tensor::with_dtype(DType::I4, &[1, 2], vec![-8i8, 7]).unwrap();
        let scale = Tensor::vector(vec![0.3f32, 0.7]);
        let y = node(x, scale, None).run();
        let origin = y.dequantized().unwrap();
        assert_eq!(origin.axis, Some(1));
        assert_eq!(origin.zero_point.as_slice::<i32>().unwrap(), [0]);
        assert_eq!(y.codes().unwrap().dtype(), DType::I4);
    }

    #[test]
    fn neither_blocks_nor_rounded_numbers_are_a_grid() {
        let x = || Tensor::new(&[1, 2], vec![1i8, 2]).unwrap();
        let blocks = Tensor::new(&[1, 1], vec![1f32]).unwrap();
        assert!(
            node(x(), blocks, None).int("block_size", 2).run().dequantized().is_some(),
            "one block"
        );
        let blocks = Tensor::new(&[1, 2], vec![1f32, 2.0]).unwrap();
        assert!(node(x(), blocks, None).int("block_size", 1).run().dequantized().is_none());
        assert!(node(x(), Tensor::scalar(f16::ONE), None).run().dequantized().is_none());
    }

    #[test]
    fn x_and_its_zero_point_have_one_type() {
        let x = Tensor::vector(vec![1i8]);
        let error = node(x, Tensor::scalar(1f32), Some(Tensor::scalar(1u8))).fails();
        assert_eq!(error, "x_zero_point is uint8, expected int8, as x");
    }

    #[test]
    fn types_are_known_before_the_run() {
        let operator = node(Tensor::scalar(1i8), Tensor::scalar(1f32), None).build();
        let dtypes = |x, scale| operator.output_dtypes(&[Some(x), Some(scale)]);
        assert_eq!(dtypes(DType::I8, DType::F16).unwrap(), [Some(DType::F16)]);
        assert!(dtypes(DType::F32, DType::F32).is_err());
        assert!(dtypes(DType::I8, DType::F8E8M0).is_err());
    }
}
