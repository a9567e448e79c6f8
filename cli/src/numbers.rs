use vairun::tensor::{Carrier, Element};
use vairun::{DType, Tensor};

/// The elements as f64; `None` for strings and for floats of 8 and 4 bits, whose carriers are raw bits.
pub(crate) fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    fn cast<T: Element + Copy>(tensor: &Tensor, to: fn(T) -> f64) -> Option<Vec<f64>> {
        Some(tensor.as_slice::<T>().ok()?.iter().map(|&x| to(x)).collect())
    }
    if matches!(tensor.dtype().bits(), Some(4 | 8)) && tensor.dtype().is_float() {
        return None;
    }
    match tensor.dtype().carrier() {
        Carrier::Bool => cast::<bool>(tensor, |x| f64::from(u8::from(x))),
        Carrier::I8 => cast::<i8>(tensor, f64::from),
        Carrier::I16 => cast::<i16>(tensor, f64::from),
        Carrier::I32 => cast::<i32>(tensor, f64::from),
        Carrier::I64 => cast::<i64>(tensor, |x| x as f64),
        Carrier::U8 => cast::<u8>(tensor, f64::from),
        Carrier::U16 => cast::<u16>(tensor, f64::from),
        Carrier::U32 => cast::<u32>(tensor, f64::from),
        Carrier::U64 => cast::<u64>(tensor, |x| x as f64),
        Carrier::F16 => cast::<vairun::tensor::f16>(tensor, f64::from),
        Carrier::BF16 => cast::<vairun::tensor::bf16>(tensor, f64::from),
        Carrier::F32 => cast::<f32>(tensor, f64::from),
        Carrier::F64 => cast::<f64>(tensor, |x| x),
        Carrier::String => None,
    }
}

/// Bytes of one element in a file, packed types as the fraction that they are.
pub(crate) fn file_bytes(dtype: DType, elements: usize) -> u64 {
    dtype.bits().map_or(0, |bits| (elements as u64 * bits as u64).div_ceil(8))
}
