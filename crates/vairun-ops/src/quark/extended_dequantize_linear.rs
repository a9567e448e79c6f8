//! `com.amd.quark::ExtendedDequantizeLinear`: back from integers of up to 32 bits, float16 or bfloat16 to numbers.
//!
//! `y = f32(f32(x - zero_point) · scale)`, the difference exact for integers and in f32 for bfloat16; float16: `y = x`,
//! whatever the parameters are. Details: [`vairun_numeric::extended`].
//!
//! | | name         | type                                  | shape                                              |
//! |-|--------------|---------------------------------------|----------------------------------------------------|
//! | 0 | `x`          | i8, u8, i16, u16, i32, u32, f16, bf16 | any                                                |
//! | 1 | `scale`      | f32                                   | `[]` or `[1]`; `[n]`: one for each index of `axis` |
//! | 2 | `zero_point` | as `x`                                | as `scale`                                         |
//! | → | `y`          | f32                                   | as `x`                                             |
//!
//! Attributes: `axis` (int, 0), counted from the end if negative. ONNX's `DequantizeLinear` has 1 as its default.
//!
//! Source: `src/custom_op_qdq.cc` of amd-quark 0.13. Vectors: `golden/quark`, module `quark` of the integration tests.

use vairun_numeric::extended::{dequantize_bf16, dequantize_f16, dequantize_wide};
use vairun_numeric::linear::{Grid, dequantize};
use vairun_tensor::{DType, Dequantized, Element, Tensor};

use super::parameters::{Parameters, check_dtype, dtype_error, single};
use crate::attrs::Attrs;
use crate::common::codes::codes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quantizer::Dequantizer;
use crate::spec::NodeSpec;

/// `com.amd.quark::ExtendedDequantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[
        ("com.amd.quark", "ExtendedDequantizeLinear"),
        ("com.vai.quantize", "VitisDequantizeLinear"),
    ],
    opsets: 1..=i64::MAX,
    summary: "back from integers of up to 32 bits, float16 or bfloat16 to numbers",
    types: "x int8, uint8, int16, uint16, int32, uint32, float16, bfloat16",
    grade: Grade::Exact("amd-quark 0.13"),
    build,
};

struct ExtendedDequantizeLinear {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    Ok(Box::new(ExtendedDequantizeLinear { axis: attrs.int("axis")?.unwrap_or(0) }))
}

impl Operator for ExtendedDequantizeLinear {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        let (scale, zero_point) = (inputs.tensor(1, "scale")?, inputs.tensor(2, "zero_point")?);
        if x.dtype() != zero_point.dtype() {
            let (got, expected) = (zero_point.dtype(), format!("{}, as x", x.dtype()));
            return Err(OpError::DType { input: "zero_point".into(), got, expected });
        }
        let parameters = Parameters::new(x.shape(), scale, zero_point, self.axis)?;
        let y = match x.dtype() {
            DType::I8 | DType::U8 | DType::I16 | DType::U16 => {
                Ok(dequantize(codes(x)?, &parameters.narrow()?, parameters.spread))
            }
            DType::I32 => wide::<i32>(x, &parameters),
            DType::U32 => wide::<u32>(x, &parameters),
            DType::F16 => Ok(dequantize_f16(x.as_slice()?)),
            DType::BF16 => {
                Ok(dequantize_bf16(x.as_slice()?, &parameters.brain()?, parameters.spread))
            }
            got => Err(dtype_error("x", got)),
        };
        let y = Tensor::new(x.shape(), y?)?;
        let y = match origin(x, &parameters) {
            Some(origin) => y.with_dequantized(origin),
            None => y,
        };
        Ok(vec![y.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        inputs.first().copied().flatten().map_or(Ok(()), check_dtype)?;
        Ok(vec![Some(DType::F32)])
    }

    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let (scale, zero_point) =
            (parameters.tensor(1, "scale").ok()?, parameters.tensor(2, "zero_point").ok()?);
        let Grid { scale, zero_point } = single(scale, zero_point)?;
        Some(Dequantizer { scale, zero_point })
    }
}

fn wide<C: Element + Copy + Into<i64>>(
    x: &Tensor,
    parameters: &Parameters,
) -> Result<Vec<f32>, OpError> {
    Ok(dequantize_wide::<C>(x.as_slice()?, &parameters.wide()?, parameters.spread))
}

/// The codes beside the numbers; `None` for floats and for zero points beyond int32.
fn origin(x: &Tensor, parameters: &Parameters) -> Option<Dequantized> {
    // Contractions have no kernel for unsigned 32-bit codes.
    if !x.dtype().is_integer() || x.dtype() == DType::U32 {
        return None;
    }
    let scale = Tensor::vector(parameters.scales().collect());
    let zero_point = Tensor::vector(parameters.zero_points_i32()?);
    Some(Dequantized::new(x.clone(), scale, zero_point, parameters.axis))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{bf16, f16};

    use super::*;
    use crate::common::testing::{Case, node_in};

    fn case() -> Case {
        node_in(DEF.names[0])
    }

    #[test]
    fn the_axis_is_0_unless_said_otherwise() {
        let x = Tensor::new(&[2, 2], vec![3i8; 4]).unwrap();
        let inputs = || [x.clone(), Tensor::vector(vec![1f32, 0.5]), Tensor::vector(vec![0i8, 1])];
        assert_eq!(case().run(inputs()).as_slice::<f32>().unwrap(), [3.0, 3.0, 1.0, 1.0]);
        let y = case().int("axis", 1).run(inputs());
        assert_eq!(y.as_slice::<f32>().unwrap(), [3.0, 1.0, 3.0, 1.0]);
    }

    #[test]
    fn the_codes_stay_beside_the_numbers() {
        let x = Tensor::vector(vec![3u8, 4]);
        let y = case().run([x.clone(), Tensor::scalar(0.5f32), Tensor::scalar(2u8)]);
        let origin = y.dequantized().unwrap();
        assert!(y.codes().unwrap().bits_eq(&x));
        assert_eq!(origin.zero_point.as_slice::<i32>().unwrap(), [2]);
    }

    #[test]
    fn floats_have_no_codes() {
        let x = Tensor::vector(vec![bf16::ONE]);
        let y = case().run([x, Tensor::scalar(0.5f32), Tensor::scalar(bf16::ZERO)]);
        assert_eq!(y.as_slice::<f32>().unwrap(), [0.5]);
        assert!(y.dequantized().is_none());
    }

    #[test]
    fn float16_ignores_the_parameters() {
        let x = Tensor::vector(vec![f16::ONE]);
        let y = case().run([x, Tensor::scalar(0.5f32), Tensor::scalar(f16::ONE)]);
        assert_eq!(y.as_slice::<f32>().unwrap(), [1.0]);
    }

    #[test]
    fn codes_and_zero_point_have_one_type() {
        let error = case().error([Tensor::scalar(1i8), Tensor::scalar(1f32), Tensor::scalar(0u8)]);
        assert_eq!(error, "zero_point is uint8, expected int8, as x");
    }
}
