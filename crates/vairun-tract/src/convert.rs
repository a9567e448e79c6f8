//! Tensors of vairun and of tract, each from the other.

use std::sync::Arc;

use tract_onnx::prelude::{Datum, DatumType, Tensor as TractTensor};
use vairun_ops::OpError;
use vairun_tensor::{Buffer, DType, Element, Tensor, bf16, f16};

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

/// The type that tract computes in; `None` for types that it lacks (float8, 4-bit …).
///
/// float16 and bfloat16 are computed in float32 and rounded once at the end, as everywhere in vairun: tract lacks one of
/// them and rounds each step in the other.
pub(crate) fn datum_type(dtype: DType) -> Option<DatumType> {
    fn of<T: Datum>() -> Option<DatumType> {
        Some(T::datum_type())
    }
    match dtype {
        DType::F16 | DType::BF16 => of::<f32>(),
        dtype => with_type!(dtype, DType, of(), None),
    }
}

/// `tensor`, which tract computed in float32, in the type that its operator's first input has.
pub(crate) fn narrowed(tensor: Tensor, dtype: DType) -> Result<Tensor, OpError> {
    fn each<T: Element>(tensor: &Tensor, round: fn(f32) -> T) -> Result<Tensor, OpError> {
        let rounded = tensor.as_slice::<f32>()?.iter().map(|&x| round(x)).collect();
        Ok(Tensor::new(tensor.shape(), rounded)?)
    }
    if tensor.dtype() != DType::F32 {
        return Ok(tensor);
    }
    match dtype {
        DType::F16 => each(&tensor, f16::from_f32),
        DType::BF16 => each(&tensor, bf16::from_f32),
        _ => Ok(tensor),
    }
}

/// The same type in vairun.
///
/// # Errors
/// A type that vairun has not.
pub(crate) fn dtype(datum: DatumType) -> Result<DType, OpError> {
    fn of<T: Element>() -> Result<DType, OpError> {
        Ok(T::DTYPE)
    }
    with_type!(datum, DatumType, of(), Err(unknown(&datum)))
}

/// A tensor of tract as the elements of a tensor of vairun, without a copy.
#[derive(Debug)]
struct Held(Arc<TractTensor>);

impl Buffer for Held {
    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        Arc::get_mut(&mut self.0).map(TractTensor::as_bytes_mut)
    }

    fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// The same elements for tract: none are copied where tract made them, else all of them once.
///
/// # Errors
/// A type that tract lacks.
pub(crate) fn to_tract(tensor: &Tensor) -> Result<Arc<TractTensor>, OpError> {
    fn copy<T: Element + Datum + Copy>(tensor: &Tensor) -> Result<Arc<TractTensor>, OpError> {
        let copy = TractTensor::from_shape(tensor.shape(), tensor.as_slice::<T>()?);
        Ok(copy.map_err(kernel)?.into())
    }
    fn widened<T: Element + Copy + Into<f32>>(
        tensor: &Tensor,
    ) -> Result<Arc<TractTensor>, OpError> {
        let wide: Vec<f32> = tensor.as_slice::<T>()?.iter().map(|&x| x.into()).collect();
        Ok(TractTensor::from_shape(tensor.shape(), &wide).map_err(kernel)?.into())
    }
    let dtype = tensor.dtype();
    match dtype {
        DType::F16 => return widened::<f16>(tensor),
        DType::BF16 => return widened::<bf16>(tensor),
        _ => {}
    }
    // A reshaped or retyped tensor shares its elements with one of another shape or type.
    let same = |held: &&Held| {
        held.0.shape() == tensor.shape() && Some(held.0.datum_type()) == datum_type(dtype)
    };
    if let Some(held) = tensor.as_buffer::<Held>().filter(same) {
        return Ok(Arc::clone(&held.0));
    }
    with_type!(dtype, DType, copy(tensor), Err(unknown(&dtype)))
}

/// The same elements from tract, in place where that can be. Dimensions (`TDim`) become int64.
///
/// # Errors
/// A type that no operator of the table gives.
pub(crate) fn from_tract(tensor: Arc<TractTensor>) -> Result<Tensor, OpError> {
    fn copy<T: Element + Datum + Copy>(tensor: &TractTensor) -> Result<Tensor, OpError> {
        let view = tensor.try_as_plain_ram().map_err(kernel)?;
        let data = view.as_slice::<T>().map_err(kernel)?.to_vec();
        Ok(Tensor::new(tensor.shape(), data)?)
    }
    if tensor.datum_type().is_tdim() {
        return copy::<i64>(&*tensor.cast_to::<i64>().map_err(kernel)?);
    }
    let datum = tensor.datum_type();
    if let Ok(dtype) = dtype(datum)
        && let Ok(held) =
            Tensor::from_buffer(dtype, tensor.shape(), Arc::new(Held(Arc::clone(&tensor))))
    {
        return Ok(held);
    }
    // bools, and tensors without elements, which have no address.
    with_type!(datum, DatumType, copy(&tensor), Err(unknown(&datum)))
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
        let there_and_back = |tensor: &Tensor| from_tract(to_tract(tensor).unwrap()).unwrap();
        for tensor in [
            Tensor::new(&[2, 1], vec![f32::NAN, -0.0]).unwrap(),
            Tensor::new::<i64>(&[0, 3], vec![]).unwrap(),
            Tensor::vector(vec![true, false]),
        ] {
            assert!(there_and_back(&tensor).bits_eq(&tensor), "{tensor:?}");
        }
    }

    #[test]
    fn halves_go_there_as_float32() {
        let widened = from_tract(to_tract(&Tensor::scalar(f16::from_f32(1.5))).unwrap()).unwrap();
        assert!(widened.bits_eq(&Tensor::scalar(1.5f32)));
        assert_eq!(datum_type(DType::BF16), datum_type(DType::F32));
    }

    #[test]
    fn what_tract_made_goes_back_without_a_copy_and_is_written_only_when_nobody_reads_it() {
        let made = to_tract(&Tensor::vector(vec![1f32, 2.])).unwrap();
        let mut tensor = from_tract(Arc::clone(&made)).unwrap();
        assert!(Arc::ptr_eq(&made, &to_tract(&tensor).unwrap()));
        tensor.make_mut::<f32>().unwrap()[0] = 3.;
        assert_eq!(made.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap(), [1., 2.]);
        let reshaped = tensor.reshaped(&[2, 1]).unwrap();
        assert_eq!(to_tract(&reshaped).unwrap().shape(), [2, 1]);
    }

    #[test]
    fn types_that_tract_lacks_are_refused() {
        let int4 = Tensor::with_dtype(DType::I4, &[1], vec![1i8]).unwrap();
        assert!(to_tract(&int4).unwrap_err().to_string().contains("no counterpart"));
        assert_eq!(datum_type(DType::I4), None);
    }
}
