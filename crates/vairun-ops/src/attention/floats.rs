//! Tensors of any float type as float32 and back.

use vairun_tensor::{Element, bf16, f16};

use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;

/// The elements in float32.
pub(super) fn widened(x: &Tensor, name: &str) -> Result<Vec<f32>, OpError> {
    with_float!(x.dtype(), name, T => {
        Ok(x.as_slice::<T>()?.iter().map(|x| x.to_f64() as f32).collect())
    })
}

/// float32 elements as a tensor of `dtype`.
pub(super) fn narrowed(x: Vec<f32>, shape: &[usize], dtype: DType) -> Result<Tensor, OpError> {
    fn each<T: Number + Element>(x: Vec<f32>, shape: &[usize]) -> Result<Tensor, OpError> {
        Ok(Tensor::new(shape, x.into_iter().map(|x| T::from_f64(x.into())).collect())?)
    }
    if dtype == DType::F32 {
        return Ok(Tensor::new(shape, x)?);
    }
    with_float!(dtype, "Q", T => each::<T>(x, shape))
}

/// Rounding to the halves; the other types are computed in float32.
pub(super) fn rounding(dtype: DType) -> Option<fn(f32) -> f32> {
    match dtype {
        DType::F16 => Some(|x| f16::from_f32(x).to_f32()),
        DType::BF16 => Some(|x| bf16::from_f32(x).to_f32()),
        _ => None,
    }
}
