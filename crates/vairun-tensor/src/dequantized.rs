use std::sync::OnceLock;

use vairun_numeric::codes::{Codes, codes};
use vairun_numeric::linear::Grid;
use vairun_numeric::spread::Spread;

use crate::tensor::Tensor;

/// Where a tensor of real numbers came out of a dequantizer: `value = (codes - zero_point) · scale`.
///
/// It is carried beside the numbers so that a contraction of two dequantized operands can be computed exactly in
/// integers. Operators that only move elements may carry it on ([`Tensor::on_grid_of`]); all others drop it.
///
/// The codes are given ([`Dequantized::new`]), or found from the numbers when [`Tensor::codes`] is first asked for them
/// ([`Dequantized::on_grid`]): most consumers of a dequantizer never ask.
#[derive(Clone, Debug)]
pub struct Dequantized {
    /// f32: one element, or one for each index of `axis`.
    pub scale: Tensor,
    /// i32: as `scale`.
    pub zero_point: Tensor,
    /// The dimension that `scale` runs along; `None`: one scale for the whole tensor.
    pub axis: Option<usize>,
    codes: OnceLock<Option<Tensor>>,
}

impl Dequantized {
    /// From integers in the shape of the tensor.
    pub fn new(codes: Tensor, scale: Tensor, zero_point: Tensor, axis: Option<usize>) -> Self {
        Self { scale, zero_point, axis, codes: OnceLock::from(Some(codes)) }
    }

    /// For numbers on a grid whose codes are not at hand.
    pub fn on_grid(scale: Tensor, zero_point: Tensor, axis: Option<usize>) -> Self {
        Self { scale, zero_point, axis, codes: OnceLock::new() }
    }

    /// The codes of `numbers`, which this stands beside.
    pub(crate) fn codes_of(&self, numbers: &Tensor) -> Option<&Tensor> {
        self.codes.get_or_init(|| self.find(numbers)).as_ref()
    }

    /// The same beside the same numbers in another shape; `None` where the axis is lost.
    pub(crate) fn reshaped(&self, from: &[usize], to: &[usize]) -> Option<Self> {
        let axis = match self.axis {
            None => None,
            Some(axis) => Some(moved_axis(axis, from, to)?),
        };
        let codes = match self.codes.get() {
            Some(Some(codes)) => OnceLock::from(Some(codes.reshaped(to).ok()?)),
            _ => OnceLock::new(),
        };
        Some(Self { axis, codes, scale: self.scale.clone(), zero_point: self.zero_point.clone() })
    }

    fn find(&self, numbers: &Tensor) -> Option<Tensor> {
        let (scales, zero_points) =
            (self.scale.as_slice::<f32>().ok()?, self.zero_point.as_slice::<i32>().ok()?);
        let (spread, count) = match self.axis {
            Some(axis) if scales.len().max(zero_points.len()) > 1 => {
                let count = *numbers.shape().get(axis)?;
                (Spread::axis(numbers.shape(), axis), count)
            }
            _ => (Spread::Tensor, 1),
        };
        let grids = zip_one_for_all(scales, zero_points, count)?;
        let shape = numbers.shape();
        let made = match codes(numbers.as_slice().ok()?, &grids, spread)? {
            Codes::I8(codes) => Tensor::new(shape, codes),
            Codes::U8(codes) => Tensor::new(shape, codes),
            Codes::I16(codes) => Tensor::new(shape, codes),
            Codes::U16(codes) => Tensor::new(shape, codes),
            Codes::I32(codes) => Tensor::new(shape, codes),
        };
        Some(made.expect("one code for each number"))
    }
}

/// `count` pairs; a list of one element stands for as many as needed.
fn zip_one_for_all(scales: &[f32], zero_points: &[i32], count: usize) -> Option<Vec<Grid>> {
    let fits = |n| n == 1 || n == count;
    (fits(scales.len()) && fits(zero_points.len())).then(|| {
        let grid = |i| Grid {
            scale: scales[i % scales.len()],
            zero_point: zero_points[i % zero_points.len()],
        };
        (0..count).map(grid).collect()
    })
}

/// The dimension of `to` that is `axis` of `from`: as long, and after as many elements.
fn moved_axis(axis: usize, from: &[usize], to: &[usize]) -> Option<usize> {
    let length = *from.get(axis)?;
    let before = |shape: &[usize]| shape.iter().product::<usize>();
    (0..to.len()).find(|&i| to[i] == length && before(&to[..i]) == before(&from[..axis]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    fn on_grid(shape: &[usize], values: &[f32], scales: &[f32], axis: Option<usize>) -> Tensor {
        let scale = Tensor::vector(scales.to_vec());
        let zero_point = Tensor::vector(vec![0i32]);
        let values = Tensor::new(shape, values.to_vec()).unwrap();
        values.with_dequantized(Dequantized::on_grid(scale, zero_point, axis))
    }

    #[test]
    fn codes_are_found_in_the_narrowest_type() {
        let t = on_grid(&[3], &[0.5, -1.0, 63.5], &[0.5], None);
        assert_eq!(t.codes().unwrap().as_slice::<i8>().unwrap(), [1, -2, 127]);
        let t = on_grid(&[1], &[100.0], &[0.5], None);
        assert_eq!(t.codes().unwrap().dtype(), DType::U8);
    }

    #[test]
    fn codes_are_found_along_an_axis() {
        let t = on_grid(&[2, 2], &[0.5, 3.0, 1.0, -3.0], &[0.5, 3.0], Some(1));
        assert_eq!(t.codes().unwrap().as_slice::<i8>().unwrap(), [1, 1, 2, -1]);
    }

    #[test]
    fn numbers_beside_the_grid_have_no_codes() {
        assert!(on_grid(&[1], &[0.3], &[0.5], None).codes().is_none());
        assert!(on_grid(&[1], &[0.5], &[0.5, 0.5, 0.5], Some(0)).codes().is_none(), "3 scales");
    }

    #[test]
    fn given_codes_are_the_codes() {
        let codes = Tensor::vector(vec![7u8]);
        let one = (Tensor::scalar(1f32), Tensor::scalar(0i32));
        let t = Tensor::vector(vec![7f32]).with_dequantized(Dequantized::new(
            codes.clone(),
            one.0,
            one.1,
            None,
        ));
        assert!(t.codes().unwrap().same_storage(&codes));
        assert!(t.reshaped(&[1, 1]).unwrap().codes().unwrap().same_storage(&codes));
    }

    #[test]
    fn writing_drops_the_grid() {
        let mut t = on_grid(&[1], &[0.5], &[0.5], None);
        t.make_mut::<f32>().unwrap()[0] = 0.3;
        assert!(t.codes().is_none() && t.dequantized().is_none());
    }

    #[test]
    fn the_axis_survives_a_reshape_that_keeps_it() {
        let t = on_grid(&[1, 2, 2], &[0.5, 1.0, 3.0, -3.0], &[0.5, 3.0], Some(1));
        let kept = t.reshaped(&[2, 2, 1]).unwrap();
        assert_eq!(kept.dequantized().unwrap().axis, Some(0));
        assert_eq!(kept.codes().unwrap().as_slice::<i8>().unwrap(), [1, 2, 1, -1]);
        assert!(t.reshaped(&[4]).unwrap().dequantized().is_none());
    }

    #[test]
    fn moved_elements_keep_the_grid() {
        let t = on_grid(&[1, 2], &[0.5, 3.0], &[0.5, 3.0], Some(1));
        let moved = Tensor::new(&[2, 1], vec![0.5f32, 3.0]).unwrap().on_grid_of(&t, Some(0));
        assert_eq!(moved.codes().unwrap().as_slice::<i8>().unwrap(), [1, 1]);
    }
}
