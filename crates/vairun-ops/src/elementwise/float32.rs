//! float32 in the vectors of the CPU.

use vairun_numeric::float::{self, Binary, Other, Unary};
use vairun_tensor::{DType, Tensor};

use crate::common::broadcast::Runs;
use crate::common::number::Number;
use crate::elementwise::{binary, map};
use crate::error::OpError;

/// [`binary::combine`], by `kernel` where the numbers are float32 and one of the tensors has the shape of the result.
pub(crate) fn combine<T: Number>(
    kernel: Option<Binary>,
    a: Tensor,
    b: Tensor,
    f: impl Fn(T, T) -> T,
) -> Result<Tensor, OpError> {
    let float32 = a.dtype() == DType::F32 && b.dtype() == DType::F32;
    let Some(kernel) = kernel.filter(|_| float32) else { return binary::combine(a, b, f) };
    let fits = [holds(&a, &b), holds(&b, &a)];
    match fits {
        [true, true] if a.is_shared() && !b.is_shared() => into(kernel, b, &a, true),
        [true, _] => into(kernel, a, &b, false),
        [false, true] => into(kernel, b, &a, true),
        [false, false] => binary::combine(a, b, f),
    }
}

/// Whether `b` broadcasts to the shape of `a`.
fn holds(a: &Tensor, b: &Tensor) -> bool {
    let (a, b) = (a.shape(), b.shape());
    b.len() <= a.len() && a[a.len() - b.len()..].iter().zip(b).all(|(a, &b)| *a == b || b == 1)
}

/// Elements that a short row is repeated to.
const ROW: usize = 512;

fn into(kernel: Binary, mut x: Tensor, y: &Tensor, swapped: bool) -> Result<Tensor, OpError> {
    let shape = x.shape().to_vec();
    let runs = Runs::new(&shape, [&shape, y.shape()]);
    let (x_mut, y, len) = (x.make_mut::<f32>()?, y.as_slice::<f32>()?, runs.len);
    if let Some(row) = runs.row().filter(|&row| (1..ROW / 2).contains(&row)) {
        let rows = y[..row].repeat(ROW / row);
        for x in x_mut.chunks_mut(rows.len()) {
            float::binary(kernel, x, Other::Each(&rows[..x.len()]), swapped);
        }
        return Ok(x);
    }
    runs.for_each(|[i, j]| {
        let y = if runs.step[1] == 1 { Other::Each(&y[j..j + len]) } else { Other::One(y[j]) };
        float::binary(kernel, &mut x_mut[i..i + len], y, swapped);
    });
    Ok(x)
}

/// [`map::map`], by `kernel` where the numbers are float32.
pub(crate) fn map<T: Number>(
    kernel: Option<Unary>,
    mut x: Tensor,
    f: impl Fn(T) -> T,
) -> Result<Tensor, OpError> {
    let Some(kernel) = kernel.filter(|_| x.dtype() == DType::F32) else { return map::map(x, f) };
    float::unary(kernel, x.make_mut::<f32>()?);
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    /// Numbers of all magnitudes, none of them NaN.
    fn tensor_of(shape: &[usize], seed: u32) -> Tensor {
        let number = |i: u32| f32::from_bits(i.wrapping_mul(2_654_435_761).wrapping_add(seed));
        let count = shape.iter().product::<usize>() as u32;
        let numbers = (0..count).map(number).map(|x| if x.is_nan() { 1.5 } else { x });
        floats(shape, &numbers.collect::<Vec<_>>())
    }

    #[test]
    fn any_broadcast_gives_what_the_plain_loop_gives() {
        let shapes: [(&[usize], &[usize]); 12] = [
            (&[], &[]),
            (&[5], &[]),
            (&[2, 3], &[3]),
            (&[700, 3], &[3]),
            (&[2, 600], &[600]),
            (&[2, 3, 4, 5], &[3, 1, 1]),
            (&[2, 3, 4, 5], &[1, 3, 1, 5]),
            (&[2, 3, 4, 5], &[2, 1, 1, 1]),
            (&[2, 3, 4, 5], &[2, 3, 4, 5]),
            (&[0, 3], &[3]),
            (&[2, 1], &[1, 2]),
            (&[1, 2], &[2, 1, 1]),
        ];
        for (first, second) in shapes {
            for (a, b) in [(first, second), (second, first)] {
                for held in 0..4 {
                    let (a, b) = (tensor_of(a, 1), tensor_of(b, 77));
                    let expected = binary::compare(&a, &b, |a: &f32, b: &f32| a - b).unwrap();
                    let keep =
                        ((held & 1 == 1).then(|| a.clone()), (held & 2 == 2).then(|| b.clone()));
                    let y = combine::<f32>(Some(Binary::Subtract), a, b, |a, b| a - b).unwrap();
                    assert!(y.bits_eq(&expected), "{first:?} and {second:?}");
                    drop(keep);
                }
            }
        }
    }

    #[test]
    fn the_operands_stay_what_they_are() {
        let (a, b) = (count_up(&[3]), floats(&[], &[2.0]));
        let y = combine::<f32>(Some(Binary::Multiply), a.clone(), b, |a, b| a * b).unwrap();
        assert_tensor(&y, &floats(&[3], &[0.0, 2.0, 4.0]));
        assert_tensor(
            &map::<f32>(Some(Unary::Negative), a.clone(), |x| -x).unwrap(),
            &floats(&[3], &[-0.0, -1.0, -2.0]),
        );
        assert_tensor(&a, &count_up(&[3]));
    }
}
