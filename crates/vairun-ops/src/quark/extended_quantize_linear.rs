//! `com.amd.quark::ExtendedQuantizeLinear`: numbers to integers of up to 32 bits, to float16 or to bfloat16.
//!
//! Integers: `y = clamp(i64(round_half_even(x / scale)) + zero_point)`; bfloat16: `y = bf16(x / scale + zero_point)`;
//! float16: `y = f16(clamp(x, ±65504))`, whatever the parameters are. NaN and +∞ give the least integer. Details:
//! [`vairun_numeric::extended`].
//!
//! | | name         | type                                      | shape                                        |
//! |-|--------------|-------------------------------------------|----------------------------------------------|
//! | 0 | `x`          | f32                                       | any                                          |
//! | 1 | `scale`      | f32                                       | `[]` or `[1]`; `[n]`: one for each index of `axis` |
//! | 2 | `zero_point` | i8, u8, i16, u16, i32, u32, f16, bf16     | as `scale`                                   |
//! | → | `y`          | as `zero_point`                           | as `x`                                       |
//!
//! Attributes: `axis` (int, 0), counted from the end if negative. ONNX's `QuantizeLinear` has 1 as its default.
//!
//! Source: `src/custom_op_qdq.cc` of amd-quark 0.13. Vectors: `golden/quark`, module `quark` of the integration tests.

use vairun_numeric::extended::{quantize, quantize_bf16, quantize_f16, quantize_wide};
use vairun_numeric::linear::{Code, Grid};
use vairun_numeric::round::Round;
use vairun_tensor::{DType, Element, Tensor};

use super::parameters::{Parameters, check_dtype, dtype_error, single};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Quantizer;
use crate::spec::NodeSpec;

/// `com.amd.quark::ExtendedQuantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[
        ("com.amd.quark", "ExtendedQuantizeLinear"),
        ("com.vai.quantize", "VitisQuantizeLinear"),
    ],
    opsets: 1..=i64::MAX,
    summary: "numbers to integers of up to 32 bits, to float16 or to bfloat16",
    types: "x float32; zero_point int8, uint8, int16, uint16, int32, uint32, float16, bfloat16",
    grade: Grade::Exact("amd-quark 0.13"),
    build,
};

struct ExtendedQuantizeLinear {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    Ok(Box::new(ExtendedQuantizeLinear { axis: attrs.int("axis")?.unwrap_or(0) }))
}

impl Operator for ExtendedQuantizeLinear {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        let (scale, zero_point) = (inputs.tensor(1, "scale")?, inputs.tensor(2, "zero_point")?);
        let parameters = Parameters::new(x.shape(), scale, zero_point, self.axis)?;
        let y = match zero_point.dtype() {
            DType::I8 => narrow::<i8>(x, &parameters, (-128, 127)),
            DType::U8 => narrow::<u8>(x, &parameters, (0, 255)),
            DType::I16 => narrow::<i16>(x, &parameters, (-32768, 32767)),
            DType::U16 => narrow::<u16>(x, &parameters, (0, 65535)),
            DType::I32 => wide(x, &parameters, |code| i32::try_from(code).expect("clamped")),
            DType::U32 => wide(x, &parameters, |code| u32::try_from(code).expect("clamped")),
            DType::F16 => Ok(Tensor::new(x.shape(), quantize_f16(x.as_slice()?))?),
            DType::BF16 => {
                let y = quantize_bf16(x.as_slice()?, &parameters.brain()?, parameters.spread);
                Ok(Tensor::new(x.shape(), y)?)
            }
            got => Err(dtype_error("zero_point", got)),
        };
        Ok(vec![y?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let dtype = inputs.get(2).copied().flatten();
        dtype.map_or(Ok(()), check_dtype)?;
        Ok(vec![dtype])
    }

    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        let (scale, zero_point) =
            (parameters.tensor(1, "scale").ok()?, parameters.tensor(2, "zero_point").ok()?);
        let dtype = zero_point.dtype();
        let (low, high) = match dtype {
            DType::I8 => (-128, 127),
            DType::U8 => (0, 255),
            DType::I16 => (-32768, 32767),
            DType::U16 => (0, 65535),
            _ => return None,
        };
        let Grid { scale, zero_point } = single(scale, zero_point)?;
        Some(Quantizer {
            scale,
            zero_point,
            low,
            high,
            round: Round::HalfEven,
            zero_inside: false,
            // What does not fit an i64 becomes the least code.
            below: scale * (1i64 << 62) as f32,
            dtype,
        })
    }
}

fn narrow<C: Code + Element>(
    x: &Tensor,
    parameters: &Parameters,
    range: (i32, i32),
) -> Result<Tensor, OpError> {
    let y: Vec<C> = quantize(x.as_slice()?, &parameters.narrow()?, range, parameters.spread);
    Ok(Tensor::new(x.shape(), y)?)
}

fn wide<C: Element>(
    x: &Tensor,
    parameters: &Parameters,
    from: impl Fn(i64) -> C,
) -> Result<Tensor, OpError> {
    let (low, high) = C::DTYPE.integer_range().expect("an integer type");
    let range = (low as i64, high as i64);
    let y = quantize_wide(x.as_slice()?, &parameters.wide()?, range, parameters.spread);
    Ok(Tensor::new(x.shape(), y.into_iter().map(from).collect())?)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::bf16;

    use super::*;
    use crate::common::testing::{Case, node_in};

    fn case() -> Case {
        node_in(DEF.names[0])
    }

    #[test]
    fn the_axis_is_0_unless_said_otherwise() {
        let x = Tensor::new(&[2, 2], vec![1f32; 4]).unwrap();
        let inputs = || [x.clone(), Tensor::vector(vec![1f32, 0.5]), Tensor::vector(vec![0i8, 1])];
        let y = case().run(inputs());
        assert_eq!(y.as_slice::<i8>().unwrap(), [1, 1, 3, 3]);
        let y = case().int("axis", -1).run(inputs());
        assert_eq!(y.as_slice::<i8>().unwrap(), [1, 3, 1, 3]);
    }

    #[test]
    fn the_zero_point_says_the_type() {
        let x = || Tensor::vector(vec![3e9f32, -1.5]);
        let one = || Tensor::scalar(1f32);
        let y = case().run([x(), one(), Tensor::scalar(0u32)]);
        assert_eq!(y.as_slice::<u32>().unwrap(), [3_000_000_000, 0]);
        let y = case().run([x(), one(), Tensor::scalar(0i32)]);
        assert_eq!(y.as_slice::<i32>().unwrap(), [i32::MAX, -2]);
        let y = case().run([x(), one(), Tensor::scalar(bf16::ZERO)]);
        assert_eq!(y.as_slice::<bf16>().unwrap()[1], bf16::from_f32(-1.5));
    }

    #[test]
    fn parameters_must_fit_the_axis() {
        let x = Tensor::new(&[2, 3], vec![0f32; 6]).unwrap();
        let inputs = [x, Tensor::vector(vec![1f32; 3]), Tensor::vector(vec![0i8; 3])];
        assert_eq!(
            case().error(inputs),
            "scale has shape [3], expected [2], one for each index of `axis`"
        );
    }

    #[test]
    fn float8_has_no_kernel() {
        let zero = Tensor::with_dtype(DType::F8E4M3FN, &[], vec![0u8]).unwrap();
        let error = case().error([Tensor::scalar(1f32), Tensor::scalar(1f32), zero]);
        assert!(error.starts_with("zero_point is float8e4m3fn, expected int8"), "{error}");
    }
}
