//! What the quantizers share: reading parameters, whatever tensor they come in, and naming what is wrong with them.

use std::borrow::Cow;

use vairun_numeric::narrow::decode_e8m0;
use vairun_tensor::{Carrier, DType, Tensor};

use crate::error::{BuildError, OpError};
use crate::spec::NodeSpec;

/// The elements of a scale as f32; every float type that a scale may have fits exactly.
pub(crate) fn scales<'a>(
    tensor: &'a Tensor,
    name: &'static str,
) -> Result<Cow<'a, [f32]>, OpError> {
    Ok(match tensor.dtype() {
        DType::F32 => tensor.as_slice::<f32>()?.into(),
        DType::F16 => {
            tensor.as_slice::<half::f16>()?.iter().map(|x| x.to_f32()).collect::<Vec<_>>().into()
        }
        DType::BF16 => {
            tensor.as_slice::<half::bf16>()?.iter().map(|x| x.to_f32()).collect::<Vec<_>>().into()
        }
        DType::F8E8M0 => {
            let codes = tensor.as_slice::<u8>()?.iter();
            codes.map(|&code| decode_e8m0(code)).collect::<Vec<_>>().into()
        }
        got => {
            return Err(wrong_dtype(name, got, "float32, float16, bfloat16 or float8e8m0"));
        }
    })
}

/// The elements of an integer tensor of at most 32 bits.
pub(crate) fn integers(tensor: &Tensor, name: &'static str) -> Result<Vec<i32>, OpError> {
    fn widened<T: vairun_tensor::Element + Copy + Into<i32>>(
        tensor: &Tensor,
    ) -> Result<Vec<i32>, OpError> {
        Ok(tensor.as_slice::<T>()?.iter().map(|&x| x.into()).collect())
    }
    match tensor.dtype().carrier() {
        _ if !tensor.dtype().is_integer() => {}
        Carrier::I8 => return widened::<i8>(tensor),
        Carrier::U8 => return widened::<u8>(tensor),
        Carrier::I16 => return widened::<i16>(tensor),
        Carrier::U16 => return widened::<u16>(tensor),
        Carrier::I32 => return widened::<i32>(tensor),
        _ => {}
    }
    Err(wrong_dtype(name, tensor.dtype(), "an integer type of at most 32 bits"))
}

/// The only element of an integer tensor.
pub(super) fn integer(tensor: &Tensor, name: &'static str) -> Result<i64, OpError> {
    let value = match tensor.dtype() {
        DType::I64 => tensor.as_scalar::<i64>().copied(),
        _ => match integers(tensor, name)?[..] {
            [value] => Some(value.into()),
            _ => None,
        },
    };
    value.ok_or_else(|| wrong_shape(name, tensor.shape(), "one element"))
}

/// The only element of a float tensor.
pub(super) fn float(tensor: &Tensor, name: &'static str) -> Result<f64, OpError> {
    let value = match tensor.dtype() {
        DType::F64 => tensor.as_scalar::<f64>().copied(),
        _ => match *scales(tensor, name)? {
            [value] => Some(value.into()),
            _ => None,
        },
    };
    value.ok_or_else(|| wrong_shape(name, tensor.shape(), "one element"))
}

/// The error for a type.
pub(crate) fn wrong_dtype(input: &str, got: DType, expected: &str) -> OpError {
    OpError::DType { input: input.into(), got, expected: expected.into() }
}

/// The error for a shape.
pub(crate) fn wrong_shape(input: &str, got: &[usize], expected: impl Into<String>) -> OpError {
    OpError::Shape { input: input.into(), got: got.to_vec(), expected: expected.into() }
}

/// Reads the constant input `index`, if it is one, so that a value that cannot work is refused before the run.
pub(super) fn check_constant<T>(
    spec: &NodeSpec,
    index: usize,
    read: impl FnOnce(&Tensor) -> Result<T, OpError>,
) -> Result<(), BuildError> {
    let Some(tensor) = spec.constant(index) else { return Ok(()) };
    read(tensor).map(drop).map_err(|error| match error {
        OpError::Value { input, got, expected } => BuildError::Value { name: input, got, expected },
        other => BuildError::Malformed(other.to_string()),
    })
}

/// Refuses an input of a type that is known not to be among `expected`; `None` is not known yet.
pub(crate) fn expect_dtype(
    input: &'static str,
    got: Option<DType>,
    accepts: impl FnOnce(DType) -> bool,
    expected: &str,
) -> Result<(), OpError> {
    match got {
        Some(got) if !accepts(got) => Err(wrong_dtype(input, got, expected)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_of_every_width_are_read_exactly() {
        let of = |tensor: Tensor| scales(&tensor, "scale").unwrap().into_owned();
        assert_eq!(of(Tensor::scalar(0.1f32)), [0.1]);
        assert_eq!(of(Tensor::scalar(half::f16::from_f32(0.5))), [0.5]);
        assert_eq!(of(Tensor::scalar(half::bf16::from_f32(0.5))), [0.5]);
        let power = Tensor::with_dtype(DType::F8E8M0, &[1], vec![126u8]).unwrap();
        assert_eq!(of(power), [0.5]);
        let error = scales(&Tensor::scalar(1i32), "scale").unwrap_err().to_string();
        assert_eq!(error, "scale is int32, expected float32, float16, bfloat16 or float8e8m0");
    }

    #[test]
    fn one_element_may_have_any_rank() {
        let one = Tensor::new(&[1, 1], vec![7i8]).unwrap();
        assert_eq!(integer(&one, "method").unwrap(), 7);
        let two = integer(&Tensor::vector(vec![1i8, 2]), "method").unwrap_err().to_string();
        assert_eq!(two, "method has shape [2], expected one element");
    }

    #[test]
    fn float8_is_no_integer() {
        let code = Tensor::with_dtype(DType::F8E5M2, &[], vec![1u8]).unwrap();
        assert!(integers(&code, "zero_point").is_err());
    }
}
