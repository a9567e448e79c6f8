//! `QuantizeLinear` of ONNX and of `com.microsoft`: real numbers to integers or to narrow floating-point numbers.
//!
//! `y = saturate(round_half_even(x / y_scale) + y_zero_point)`; to float8 and float4 `y = encode(x / y_scale)`.
//!
//! | | name             | type                                   | shape                          |
//! |-|------------------|----------------------------------------|--------------------------------|
//! | 0 | `x`            | f32, f16, bf16, i32                    | any                            |
//! | 1 | `y_scale`      | f32, f16, bf16, float8e8m0             | `[]`, `[n]` along `axis`, or blocks |
//! | 2 | `y_zero_point` | type of y; may be left out             | as `y_scale`                   |
//! | → | `y`            | int2 … int16, uint2 … uint16, float8 but e8m0, float4e2m1 | as `x`      |
//!
//! Attributes: `axis` (INT, 1); from opset 19 `saturate` (INT, 1); from 21 `block_size` (INT, 0) and `output_dtype`
//! (INT, uint8); from 23 `precision` (INT). `com.microsoft` has `axis` alone.
//!
//! x and the scale are divided in the type that `precision` names, else in that of the scale (float8e8m0: in f32), as
//! the specification says and onnxruntime does; ONNX's reference evaluator divides f32 by a narrower scale in f32.
//! i32 by f32 is divided in f64, as the reference does. NaN gives the least integer, as in onnxruntime on x86.
//! What lies beyond the largest float8 is infinity or NaN with `saturate` = 0, as the specification says; onnxruntime
//! 1.32 gives NaN for [61440, 65536) in e5m2 and 448 for [480, 496) in e4m3fn.
//! With int32 as the type of a scale, which the specification has and no runtime knows, the node is refused.
//!
//! Source: ONNX, opsets 10 to 28; `onnx/reference/ops/op_quantize_linear.py` of onnx 1.23; onnxruntime 1.28, 1.32.
//! Vectors: `testdata/ops/quantize_linear`.

use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use vairun_numeric::linear::{Affine, Code, Precision, quantize_i32, quantize_in, quantize_narrow};
use vairun_numeric::narrow::{Narrow, Overflow};
use vairun_numeric::round::Round;
use vairun_numeric::spread::Spread;
use vairun_tensor::{Carrier, DType, Element, Tensor, bf16, f16};

use super::element::{QUANTIZED, Quantized};
use super::granularity::{Granularity, Names};
use super::parameters::{expect_dtype, integers, scales, wrong_dtype};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Quantizer;
use crate::spec::NodeSpec;

/// `QuantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("", "QuantizeLinear"), ("com.microsoft", "QuantizeLinear")],
    opsets: 10..=28,
    summary: "real numbers to integers or narrow floats, ties to even, zero point after rounding",
    types: "x float32, float16, bfloat16, int32; y int2 to int16, uint2 to uint16, float8, float4e2m1",
    grade: Grade::Exact(
        "onnxruntime 1.28 and 1.32 without optimizations; float4, bfloat16, float8e8m0, int32: onnx 1.23 reference",
    ),
    build,
};

const NAMES: Names = Names { scale: "y_scale", zero_point: "y_zero_point" };
const X: &str = "float32, float16, bfloat16 or int32";

/// A node's attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuantizeLinear {
    pub(super) granularity: Granularity,
    pub(super) overflow: Overflow,
    pub(super) output_dtype: Option<DType>,
    pub(super) precision: Option<Precision>,
    /// Bits of an integer result that are used; `None`: all.
    pub(super) bits: Option<u32>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=3)?;
    let since = |opset| spec.op.domain.is_empty() && spec.op.opset >= opset;
    let granularity =
        if since(21) { Granularity::blocked(attrs)? } else { Granularity::axis(attrs)? };
    let saturate = if since(19) { attrs.flag("saturate")? } else { None };
    let overflow = if saturate == Some(false) { Overflow::Escape } else { Overflow::Saturate };
    let output_dtype = if since(21) { attrs.dtype("output_dtype")? } else { None };
    let precision = if since(23) { attrs.dtype("precision")? } else { None };
    if let Some(dtype) = output_dtype.filter(|&dtype| Quantized::of(dtype).is_none()) {
        return Err(Attrs::value("output_dtype", dtype, QUANTIZED));
    }
    let zero_point = spec.dtype(2).or_else(|| spec.constant(2).map(Tensor::dtype));
    if let (Some(wanted), Some(got)) = (output_dtype, zero_point)
        && wanted != got
    {
        return Err(Attrs::value("output_dtype", wanted, &format!("{got}, as y_zero_point")));
    }
    let precision = precision.map(read_precision).transpose()?;
    Ok(Box::new(QuantizeLinear { granularity, overflow, output_dtype, precision, bits: None }))
}

fn read_precision(dtype: DType) -> Result<Precision, BuildError> {
    match dtype {
        DType::F32 => Ok(Precision::Single),
        DType::F16 => Ok(Precision::Half),
        DType::BF16 => Ok(Precision::Brain),
        other => Err(Attrs::value("precision", other, "float32, float16 or bfloat16")),
    }
}

impl Operator for QuantizeLinear {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        Ok(vec![self.quantize(&inputs)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let dtype = |i: usize| inputs.get(i).copied().flatten();
        let x = |x| matches!(x, DType::F32 | DType::F16 | DType::BF16 | DType::I32);
        expect_dtype("x", dtype(0), x, X)?;
        expect_dtype("y_zero_point", dtype(2), |y| Quantized::of(y).is_some(), QUANTIZED)?;
        // A zero point that is there may have a type that is not known yet.
        let without = (inputs.len() < 3).then_some(DType::U8);
        Ok(vec![dtype(2).or(self.output_dtype).or(without)])
    }

    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        let scale = parameters.tensor(1, "y_scale").ok()?;
        let zero_point = parameters.optional(2).ok()?;
        let dtype = zero_point.map(Tensor::dtype).or(self.output_dtype).unwrap_or(DType::U8);
        let Quantized::Integer(_, low, high) = Quantized::of(dtype)? else { return None };
        let narrow = matches!(scale.dtype(), DType::F16 | DType::BF16);
        let precision = self.precision.unwrap_or(Precision::Single);
        if narrow || precision != Precision::Single {
            return None;
        }
        let (low, high) = self.range(low, high);
        let zero_points =
            zero_point.map_or(Some(vec![0]), |zero| integers(zero, "zero_point").ok());
        let (&[scale], &[zero_point]) = (&*scales(scale, "y_scale").ok()?, &zero_points?[..])
        else {
            return None;
        };
        Some(Quantizer {
            scale,
            zero_point,
            low,
            high,
            round: Round::HalfEven,
            zero_inside: false,
            below: f32::INFINITY,
            dtype,
        })
    }
}

/// A quantizer whose parameters are known and laid over its input.
struct Ready<'a> {
    x: &'a Tensor,
    scales: Cow<'a, [f32]>,
    zero_points: Vec<i32>,
    /// What is added to a quotient that becomes a narrow floating-point number.
    zero: f32,
    precision: Option<Precision>,
    spread: Spread,
}

impl QuantizeLinear {
    pub(super) fn quantize(&self, inputs: &Inputs) -> Result<Tensor, OpError> {
        let (x, scale) = (inputs.tensor(0, "x")?, inputs.tensor(1, "y_scale")?);
        let zero_point = inputs.optional(2)?;
        let dtype = zero_point.map(Tensor::dtype).or(self.output_dtype).unwrap_or(DType::U8);
        let Some(target) = Quantized::of(dtype) else {
            return Err(wrong_dtype("y_zero_point", dtype, QUANTIZED));
        };
        let ready = Ready {
            x,
            scales: scales(scale, "y_scale")?,
            zero_points: zero_point
                .map_or(Ok(vec![0]), |tensor| read_zero_points(tensor, target))?,
            zero: if zero_point.is_some() && dtype == DType::F4E2M1 { 0.0 } else { -0.0 },
            precision: self.precision.or(match scale.dtype() {
                DType::F16 => Some(Precision::Half),
                DType::BF16 => Some(Precision::Brain),
                _ => None,
            }),
            spread: self.granularity.spread(x.shape(), scale, zero_point, NAMES)?,
        };
        match target {
            Quantized::Float(narrow) => ready.floats(dtype, narrow, self.overflow),
            Quantized::Integer(carrier, low, high) => {
                let range = self.range(low, high);
                match carrier {
                    Carrier::I8 => ready.integers::<i8>(dtype, range),
                    Carrier::U8 => ready.integers::<u8>(dtype, range),
                    Carrier::I16 => ready.integers::<i16>(dtype, range),
                    _ => ready.integers::<u16>(dtype, range),
                }
            }
        }
    }

    /// The range of a type of which only some bits are used.
    fn range(&self, low: i32, high: i32) -> (i32, i32) {
        match self.bits {
            None => (low, high),
            Some(bits) => match low {
                0 => (0, high.min(((1i64 << bits) - 1) as i32)),
                _ => (
                    low.max((-1i64 << (bits - 1)) as i32),
                    high.min(((1i64 << (bits - 1)) - 1) as i32),
                ),
            },
        }
    }
}

/// The zero points as integers. Those of floating-point types must be 0: nothing says what another would mean.
pub(super) fn read_zero_points(tensor: &Tensor, target: Quantized) -> Result<Vec<i32>, OpError> {
    let Quantized::Float(narrow) = target else { return integers(tensor, "zero_point") };
    let numbers = narrow.decode_slice(tensor.as_slice()?);
    match numbers.into_iter().find(|&number| number != 0.0) {
        None => Ok(vec![0; tensor.len()]),
        Some(got) => Err(OpError::Value {
            input: "zero_point".into(),
            got: got.to_string(),
            expected: format!("0 for {}", tensor.dtype()),
        }),
    }
}

impl Ready<'_> {
    /// x as f32; every narrower number fits exactly.
    fn reals(&self, expected: &str) -> Result<Cow<'_, [f32]>, OpError> {
        Ok(match self.x.dtype() {
            DType::F32 => self.x.as_slice::<f32>()?.into(),
            DType::F16 => self.x.as_slice::<f16>()?.to_f32_vec().into(),
            DType::BF16 => self.x.as_slice::<bf16>()?.to_f32_vec().into(),
            got => return Err(wrong_dtype("x", got, expected)),
        })
    }

    fn integers<C: Code + Element>(
        &self,
        dtype: DType,
        (low, high): (i32, i32),
    ) -> Result<Tensor, OpError> {
        let zero_point =
            |i: usize| self.zero_points[if self.zero_points.len() == 1 { 0 } else { i }];
        let affine = |(i, &scale): (usize, &f32)| Affine::new(scale, zero_point(i), low, high);
        let affines: Vec<_> = self.scales.iter().enumerate().map(affine).collect();
        let codes: Vec<C> = match (self.x.dtype(), self.precision) {
            (DType::I32, None) => quantize_i32(self.x.as_slice()?, &affines, self.spread),
            (DType::I32, Some(precision)) => {
                let x: Vec<f32> = self.x.as_slice::<i32>()?.iter().map(|&x| x as f32).collect();
                quantize_in(precision, &x, &affines, self.spread)
            }
            (_, precision) => {
                let precision = precision.unwrap_or(Precision::Single);
                quantize_in(precision, &self.reals(X)?, &affines, self.spread)
            }
        };
        Ok(Tensor::with_dtype(dtype, self.x.shape(), codes)?)
    }

    fn floats(&self, dtype: DType, narrow: Narrow, overflow: Overflow) -> Result<Tensor, OpError> {
        let precision = self.precision.unwrap_or(Precision::Single);
        let x = self.reals("float32, float16 or bfloat16, as y is a floating-point type")?;
        let codes = quantize_narrow(
            (narrow, overflow),
            (precision, self.zero),
            &x,
            &self.scales,
            self.spread,
        );
        Ok(Tensor::with_dtype(dtype, self.x.shape(), codes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::testing::Node;

    fn node(x: Tensor, scale: Tensor) -> Node {
        Node::new("", "QuantizeLinear").inputs([x, scale])
    }

    fn with_zero_point(mut node: Node, zero_point: Tensor) -> Node {
        node.inputs.push(zero_point);
        node
    }

    fn x() -> Tensor {
        Tensor::vector(vec![2.5f32, 3.5, -1000.0, f32::NAN])
    }

    #[test]
    fn the_zero_point_comes_after_rounding_and_gives_the_type() {
        let y = with_zero_point(node(x(), Tensor::scalar(1f32)), Tensor::scalar(3i8)).run();
        assert_eq!(y.as_slice::<i8>().unwrap(), [5, 7, -128, -128]);
    }

    #[test]
    fn without_a_zero_point_it_is_uint8_or_what_output_dtype_says() {
        let y = node(x(), Tensor::scalar(1f32)).run();
        assert_eq!((y.dtype(), y.as_slice::<u8>().unwrap()), (DType::U8, &[2, 4, 0, 0][..]));
        let y = node(x(), Tensor::scalar(1f32)).int("output_dtype", 5).run();
        assert_eq!(y.as_slice::<i16>().unwrap(), [2, 4, -1000, -32768]);
    }

    #[test]
    fn narrow_integers_saturate_at_their_own_range() {
        for (dtype, expected) in [(DType::I4, [2, 4, -8, -8i8]), (DType::I2, [1, 1, -2, -2])] {
            let zero = Tensor::with_dtype(dtype, &[], vec![0i8]).unwrap();
            let y = with_zero_point(node(x(), Tensor::scalar(1f32)), zero).run();
            assert_eq!((y.dtype(), y.as_slice::<i8>().unwrap()), (dtype, &expected[..]));
        }
    }

    #[test]
    fn the_division_is_in_the_type_of_the_scale_or_in_the_precision() {
        let x = || Tensor::vector(vec![3.4998f32]);
        let code = |node: Node| node.run().as_slice::<u8>().unwrap()[0];
        assert_eq!(code(node(x(), Tensor::scalar(1f32))), 3);
        assert_eq!(code(node(x(), Tensor::scalar(f16::ONE))), 4);
        assert_eq!(code(node(x(), Tensor::scalar(f16::ONE)).int("precision", 1)), 3);
        assert_eq!(code(node(x(), Tensor::scalar(1f32)).int("precision", 10)), 4);
        let error = node(x(), Tensor::scalar(1f32)).int("precision", 11).refused();
        assert_eq!(error, "`precision` is float64, expected float32, float16 or bfloat16");
    }

    #[test]
    fn scales_may_be_powers_of_two_in_8_bits() {
        let half = Tensor::with_dtype(DType::F8E8M0, &[], vec![126u8]).unwrap();
        assert_eq!(node(x(), half).run().as_slice::<u8>().unwrap()[..2], [5, 7]);
    }

    #[test]
    fn float8_saturates_unless_told_otherwise() {
        let zero = || Tensor::with_dtype(DType::F8E4M3FN, &[], vec![0u8]).unwrap();
        let node = || with_zero_point(node(x(), Tensor::scalar(1f32)), zero());
        assert_eq!(node().run().as_slice::<u8>().unwrap(), [0x42, 0x46, 0xfe, 0x7f]);
        let y = node().int("saturate", 0).run();
        assert_eq!(y.as_slice::<u8>().unwrap(), [0x42, 0x46, 0xff, 0x7f]);
    }

    #[test]
    fn a_zero_point_of_float8_must_be_zero() {
        let one = Tensor::with_dtype(DType::F8E4M3FN, &[], vec![0x38u8]).unwrap();
        let node = with_zero_point(node(x(), Tensor::scalar(1f32)), one);
        assert_eq!(node.fails(), "zero_point is 1, expected 0 for float8e4m3fn");
    }

    #[test]
    fn scales_run_along_the_axis_or_in_blocks() {
        let x = || Tensor::new(&[2, 3], vec![4f32, 4.0, 4.0, 8.0, 8.0, 8.0]).unwrap();
        let scale = || Tensor::vector(vec![1f32, 2.0, 4.0]);
        let codes = |node: Node| node.run().into_vec::<u8>().unwrap();
        assert_eq!(codes(node(x(), scale())), [4, 2, 1, 8, 4, 2]);
        assert_eq!(
            codes(node(x(), Tensor::vector(vec![1f32, 2.0])).int("axis", -2)),
            [4, 4, 4, 4, 4, 4]
        );
        let blocks = Tensor::new(&[2, 2], vec![1f32, 2.0, 4.0, 8.0]).unwrap();
        assert_eq!(codes(node(x(), blocks).int("block_size", 2)), [4, 4, 2, 2, 2, 1]);
    }

    #[test]
    fn integers_are_quantized_too() {
        let y = node(Tensor::vector(vec![5i32, 7, 1000]), Tensor::scalar(2f32)).run();
        assert_eq!(y.as_slice::<u8>().unwrap(), [2, 4, 255]);
    }

    #[test]
    fn attributes_belong_to_their_opset() {
        let node = |domain, opset| {
            Node::at(domain, "QuantizeLinear", opset).inputs([x(), Tensor::scalar(1f32)])
        };
        assert_eq!(
            node("", 19).int("block_size", 0).refused(),
            r#"unknown attribute ["block_size"]; this operator has ["axis", "saturate"]"#
        );
        assert_eq!(
            node("com.microsoft", 1).int("saturate", 1).refused(),
            r#"unknown attribute ["saturate"]; this operator has ["axis"]"#
        );
    }

    #[test]
    fn the_type_of_the_output_must_be_said_once() {
        let node = with_zero_point(node(x(), Tensor::scalar(1f32)), Tensor::scalar(3i8));
        let error = node.int("output_dtype", 2).refused();
        assert_eq!(error, "`output_dtype` is uint8, expected int8, as y_zero_point");
    }

    #[test]
    fn types_are_known_before_the_run() {
        let operator = node(x(), Tensor::scalar(1f32)).build();
        let float = Some(DType::F32);
        assert_eq!(operator.output_dtypes(&[float, float]).unwrap(), [Some(DType::U8)]);
        assert_eq!(
            operator.output_dtypes(&[float, float, Some(DType::I4)]).unwrap(),
            [Some(DType::I4)]
        );
        assert_eq!(operator.output_dtypes(&[float, float, None]).unwrap(), [None]);
        assert!(operator.output_dtypes(&[Some(DType::F64), float]).is_err());
        assert!(operator.output_dtypes(&[float, float, Some(DType::I32)]).is_err());
    }
}
