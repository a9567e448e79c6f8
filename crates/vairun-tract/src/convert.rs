//! Tensors of vairun and of tract, each from the other.

use tract_onnx::prelude::{Datum, DatumType, Tensor as TractTensor};
use vairun_ops::OpError;
use vairun_tensor::{DType, Element, Tensor, f16};

/// Calls `$call::<T>` with the Rust type that both sides use for `$dtype`; `$otherwise` for types that only one has.
macro_rules! with_type {
    ($dtype:expr, $enum:ident, $call:ident($($argument:expr),*), $otherwise:expr) => {
        match $dtype {
            $enum::Bool => $call::<bool>($($argument),*),
            $enum::I8 => $call::<i8>($($argument),*),
            $enum::I16 => $call::<i16>($($argument),*),
            $enum::I32 => $call::<i32>($($argument),*),
            $enum::I64 => $call::<i64>($($argument),*),
            $enum::U8 => $call::<u8>($($argument),*),
            $enum::U16 => $call::<u16>($($argument),*),
            $enum::U32 => $call::<u32>($($argument),*),
            $enum::U64 => $call::<u64>($($argument),*),
            $enum::F16 => $call::<f16>($($argument),*),
            $enum::F32 => $call::<f32>($($argument),*),
            $enum::F64 => $call::<f64>($($argument),*),
            _ => $otherwise,
        }
    };
}

/// The same type in tract; `None` for types that it lacks (bfloat16, float8, 4-bit …).
pub(crate) fn datum_type(dtype: DType) -> Option<DatumType> {
    fn of<T: Datum>() -> Option<DatumType> {
        Some(T::datum_type())
    }
    with_type!(dtype, DType, of(), None)
}

/// The same elements for tract: one copy.
///
/// # Errors
/// A type that tract lacks.
pub(crate) fn to_tract(tensor: &Tensor) -> Result<TractTensor, OpError> {
    fn copy<T: Element + Datum + Copy>(tensor: &Tensor) -> Result<TractTensor, OpError> {
        TractTensor::from_shape(tensor.shape(), tensor.as_slice::<T>()?).map_err(kernel)
    }
    let dtype = tensor.dtype();
    with_type!(dtype, DType, copy(tensor), Err(unknown(&dtype)))
}

/// The same elements from tract: one copy. Dimensions (`TDim`) become int64.
///
/// # Errors
/// A type that no operator of the table gives.
pub(crate) fn from_tract(tensor: &TractTensor) -> Result<Tensor, OpError> {
    fn copy<T: Element + Datum + Copy>(tensor: &TractTensor) -> Result<Tensor, OpError> {
        let view = tensor.try_as_plain_ram().map_err(kernel)?;
        let data = view.as_slice::<T>().map_err(kernel)?.to_vec();
        Ok(Tensor::new(tensor.shape(), data)?)
    }
    let dtype = tensor.datum_type();
    if dtype.is_tdim() {
        return copy::<i64>(&*tensor.cast_to::<i64>().map_err(kernel)?);
    }
    with_type!(dtype, DatumType, copy(tensor), Err(unknown(&dtype)))
}

fn unknown(dtype: &dyn std::fmt::Debug) -> OpError {
    OpError::Kernel(format!("{dtype:?} has no counterpart between vairun and tract"))
}

/// tract's own words, the whole chain.
pub(crate) fn kernel(error: impl Into<tract_onnx::prelude::TractError>) -> OpError {
    OpError::Kernel(format!("tract: {:#}", error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_survive_the_way_there_and_back() {
        let nan = Tensor::new(&[2, 1], vec![f32::NAN, -0.0]).unwrap();
        assert!(from_tract(&to_tract(&nan).unwrap()).unwrap().bits_eq(&nan));
        let empty = Tensor::new::<i64>(&[0, 3], vec![]).unwrap();
        assert!(from_tract(&to_tract(&empty).unwrap()).unwrap().bits_eq(&empty));
    }

    #[test]
    fn types_that_tract_lacks_are_refused() {
        let int4 = Tensor::with_dtype(DType::I4, &[1], vec![1i8]).unwrap();
        assert!(to_tract(&int4).unwrap_err().to_string().contains("no counterpart"));
        assert_eq!(datum_type(DType::BF16), None);
    }
}
