//! The codes of paired sites as tensors.

use vairun_tensor::{Carrier, DType, Tensor};

use super::facts::Facts;
use super::layout::integers;
use super::search::Pair;

/// The codes of a site there, in its order.
pub(super) fn there_codes(there: &Facts) -> Vec<i64> {
    integers(&there.codes).unwrap_or_default()
}

/// Integers of any width, exactly.
pub(super) fn integers_exactly(tensor: &Tensor) -> Option<Vec<i64>> {
    match tensor.dtype().carrier() {
        Carrier::I64 => Some(tensor.as_slice::<i64>().ok()?.to_vec()),
        _ => integers(tensor),
    }
}

/// The codes here and `want`, in the shape here where that is possible, else in the shape there.
pub(super) fn in_one_shape(
    pair: &Pair,
    here: &Facts,
    there: &Facts,
    want: &[i64],
) -> Option<(Tensor, Tensor)> {
    let tensor = |shape: &[usize], codes: Vec<i64>| {
        let narrow =
            codes.into_iter().map(|code| code.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
        Tensor::new(shape, narrow.collect()).ok()
    };
    match pair.layout.to_here(want) {
        Some(want) => Some((
            tensor(here.codes.shape(), integers(&here.codes)?)?,
            tensor(here.codes.shape(), want)?,
        )),
        None => {
            let got = pair.layout.to_there(&here.codes)?;
            Some((tensor(there.codes.shape(), got)?, tensor(there.codes.shape(), want.to_vec())?))
        }
    }
}

/// Codes in the type of `like`, kept within its range.
pub(super) fn in_type_of(like: &Tensor, codes: &[i64]) -> Option<Tensor> {
    let dtype = like.dtype();
    let (low, high) = dtype.integer_range()?;
    let clamped = codes.iter().map(|&code| i128::from(code).clamp(low, high));
    let shape = like.shape();
    match dtype.carrier() {
        Carrier::I8 => {
            Tensor::with_dtype(dtype, shape, clamped.map(|code| code as i8).collect()).ok()
        }
        Carrier::U8 => {
            Tensor::with_dtype(dtype, shape, clamped.map(|code| code as u8).collect()).ok()
        }
        Carrier::I16 => {
            Tensor::with_dtype(dtype, shape, clamped.map(|code| code as i16).collect()).ok()
        }
        Carrier::U16 => {
            Tensor::with_dtype(dtype, shape, clamped.map(|code| code as u16).collect()).ok()
        }
        Carrier::I32 => {
            Tensor::with_dtype(DType::I32, shape, clamped.map(|code| code as i32).collect()).ok()
        }
        _ => None,
    }
}
