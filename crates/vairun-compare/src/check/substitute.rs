//! A golden tensor in the place of one that the model made.

use vairun_tensor::{Carrier, DType, Dequantized, Element, Tensor, bf16, f16};

use crate::measure::lanes;

/// What consumers are given instead of `made`: the golden's elements in the type of `made`, on the same grid. `None`
/// where they are the same, or cannot take its place.
///
/// The grid must stay: without it a contraction would be computed in floats. Numbers that are not on it have no codes,
/// and the contraction finds that out.
pub(crate) fn substitute(made: &Tensor, want: &Tensor) -> Option<Tensor> {
    if made.shape() != want.shape() {
        return None;
    }
    let like = cast(want, made.dtype())?;
    if made.bits_eq(&like) {
        return None;
    }
    Some(match made.dequantized() {
        None => like,
        Some(Dequantized { scale, zero_point, axis, .. }) => {
            like.with_dequantized(Dequantized::on_grid(scale.clone(), zero_point.clone(), *axis))
        }
    })
}

/// The same numbers in another type; `None` where one does not fit it, or there is no such conversion.
pub fn cast(tensor: &Tensor, dtype: DType) -> Option<Tensor> {
    if tensor.dtype() == dtype {
        return Some(tensor.clone());
    }
    if tensor.dtype().carrier() == dtype.carrier() && dtype.is_integer() {
        return tensor.retyped(dtype).ok();
    }
    match dtype.carrier() {
        Carrier::F32 => floats(tensor, dtype, |x| Some(x as f32)),
        Carrier::F64 => floats(tensor, dtype, Some),
        Carrier::F16 => floats(tensor, dtype, |x| Some(f16::from_f64(x))),
        Carrier::BF16 => floats(tensor, dtype, |x| Some(bf16::from_f64(x))),
        Carrier::I8 => integers(tensor, dtype, |x| i8::try_from(x).ok()),
        Carrier::U8 if dtype.is_integer() => integers(tensor, dtype, |x| u8::try_from(x).ok()),
        Carrier::I16 => integers(tensor, dtype, |x| i16::try_from(x).ok()),
        Carrier::U16 => integers(tensor, dtype, |x| u16::try_from(x).ok()),
        Carrier::I32 => integers(tensor, dtype, |x| i32::try_from(x).ok()),
        Carrier::U32 => integers(tensor, dtype, |x| u32::try_from(x).ok()),
        Carrier::I64 => integers(tensor, dtype, Some),
        _ => None,
    }
}

fn floats<T: Element>(
    tensor: &Tensor,
    dtype: DType,
    f: impl Fn(f64) -> Option<T>,
) -> Option<Tensor> {
    let data = lanes::to_f64(tensor)?.into_iter().map(f).collect::<Option<Vec<T>>>()?;
    Tensor::with_dtype(dtype, tensor.shape(), data).ok()
}

fn integers<T: Element>(
    tensor: &Tensor,
    dtype: DType,
    f: impl Fn(i64) -> Option<T>,
) -> Option<Tensor> {
    floats(tensor, dtype, |x| if x == x.trunc() { f(x as i64) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_codes_take_the_place_of_codes_in_floats() {
        let made = Tensor::vector(vec![1f32, 2.0]);
        let want = Tensor::vector(vec![1i8, 3]);
        assert!(substitute(&made, &want).unwrap().bits_eq(&Tensor::vector(vec![1f32, 3.0])));
        assert!(substitute(&made, &Tensor::vector(vec![1i8, 2])).is_none(), "the same");
        assert!(substitute(&made, &Tensor::vector(vec![1i8])).is_none(), "another shape");
    }

    #[test]
    fn the_grid_stays() {
        let grid = || Dequantized::on_grid(Tensor::scalar(0.5f32), Tensor::scalar(0i32), None);
        let made = Tensor::vector(vec![1f32]).with_dequantized(grid());
        let other = substitute(&made, &Tensor::vector(vec![1.5f32])).unwrap();
        assert_eq!(other.codes().unwrap().as_slice::<i8>().unwrap(), [3]);
        let beside = substitute(&made, &Tensor::vector(vec![1.25f32])).unwrap();
        assert!(beside.codes().is_none());
    }

    #[test]
    fn a_number_that_does_not_fit_takes_no_place() {
        let made = Tensor::vector(vec![1i8]);
        assert!(substitute(&made, &Tensor::vector(vec![300i32])).is_none());
        assert!(substitute(&made, &Tensor::vector(vec![1.5f32])).is_none());
        assert!(substitute(&made, &Tensor::vector(vec![f32::NAN])).is_none());
    }
}
