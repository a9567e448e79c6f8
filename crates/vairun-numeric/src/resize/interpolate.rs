use rayon::prelude::*;

use super::taps::Taps;
use crate::vector::{Loop, widest};

/// Elements of a task where threads share the work.
const TASK: usize = 1 << 14;

/// Interpolates along one axis of a row-major array of shape `[outer, taps' input, inner]`: the weighted sum of the
/// elements that each output is made from, in their order. Outputs outside of the input, see [`fill_outside`], are made
/// from the elements at its ends.
pub fn interpolate(x: &[f32], outer: usize, inner: usize, taps: &Taps) -> Vec<f32> {
    let input = x.len().checked_div(outer * inner).unwrap_or(0);
    let block = taps.outputs() * inner;
    let mut y = vec![0.0; outer * block];
    if y.is_empty() {
        return y;
    }
    let blocks = TASK.div_ceil(block);
    let tasks = y.par_chunks_mut(blocks * block).zip(x.par_chunks(blocks * input * inner));
    tasks.for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(block).zip(x.chunks_exact(input * inner)) {
            match inner {
                1 => line(x, y, taps),
                _ => widest(Rows { x, y, inner, taps }),
            }
        }
    });
    y
}

/// Neighbours side by side.
fn line(x: &[f32], y: &mut [f32], taps: &Taps) {
    for (i, y) in y.iter_mut().enumerate() {
        let products = taps.of(i).map(|(at, weight)| x[at] * weight);
        *y = match taps.divisor(i) {
            1.0 => products.fold(0.0, |sum, product| sum + product),
            divisor => products.fold(0.0, |sum, product| sum + product / divisor),
        };
    }
}

/// Neighbours in rows.
struct Rows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    inner: usize,
    taps: &'a Taps,
}

impl Loop for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Rows { x, y, inner, taps } = self;
        for (i, y) in y.chunks_exact_mut(inner).enumerate() {
            let divisor = taps.divisor(i);
            for (at, weight) in taps.of(i) {
                let row = &x[at * inner..][..inner];
                match divisor {
                    1.0 => y.iter_mut().zip(row).for_each(|(y, x)| *y += x * weight),
                    _ => y.iter_mut().zip(row).for_each(|(y, x)| *y += x * weight / divisor),
                }
            }
        }
    }
}

/// Puts `value` where outputs lie outside of the input along an axis of an array of shape `[outer, length, inner]`.
pub fn fill_outside<T: Copy>(y: &mut [T], inner: usize, outside: &[bool], value: T) {
    let rows = y.chunks_exact_mut(inner.max(1)).zip(outside.iter().cycle());
    rows.filter(|(_, outside)| **outside).for_each(|(row, _)| row.fill(value));
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Coordinates, Kernel, Sample};
    use super::*;

    fn axis(input: usize, output: usize, coordinates: Coordinates) -> Axis {
        Axis { input, output, scale: output as f32 / input as f32, coordinates }
    }

    #[test]
    fn lines_stay_lines() {
        let grow = axis(3, 5, Coordinates::AlignCorners);
        let taps = Taps::new(&grow, Kernel::Linear, false, false);
        assert_eq!(interpolate(&[0., 2., 4.], 1, 1, &taps), [0., 1., 2., 3., 4.]);
        let two = [0., 10., 2., 12., 4., 14.];
        assert_eq!(interpolate(&two, 1, 2, &taps), [0., 10., 1., 11., 2., 12., 3., 13., 4., 14.]);
    }

    #[test]
    fn both_directions_at_once_agree_with_one_after_the_other_where_nothing_is_rounded() {
        let (rows, columns) =
            (axis(2, 4, Coordinates::HalfPixel), axis(3, 6, Coordinates::HalfPixel));
        let x = [1., 2., 3., 4., 5., 6.];
        let along = |axis: &Axis| Taps::new(axis, Kernel::Linear, false, false);
        let after = interpolate(&interpolate(&x, 2, 1, &along(&columns)), 1, 6, &along(&rows));
        assert_eq!(f32::linear(&x, &[rows, columns], 0.), after);
    }

    #[test]
    fn a_shrinking_axis_is_smoothed_where_asked() {
        let shrink = axis(4, 2, Coordinates::HalfPixel);
        let smooth = Taps::new(&shrink, Kernel::Linear, true, false);
        let x = [0., 0., 1., 1.];
        // Weights 1/8 3/8 3/8 1/8 around each output, the border repeated.
        assert_eq!(interpolate(&x, 1, 1, &smooth), [0.125, 0.875]);
        let sharp = Taps::new(&shrink, Kernel::Linear, false, false);
        assert_eq!(interpolate(&x, 1, 1, &sharp), [0., 1.]);
    }

    #[test]
    fn what_lies_outside_takes_the_given_value() {
        let crop = axis(3, 3, Coordinates::TfCropAndResize { start: 0.5, end: 1.5 });
        let taps = Taps::new(&crop, Kernel::Linear, false, false);
        let mut y = interpolate(&[1., 2., 3.], 1, 1, &taps);
        fill_outside(&mut y, 1, &crop.outside(), 7.);
        assert_eq!(y, [2., 3., 7.]);
        let one = axis(1, 1, Coordinates::HalfPixel);
        assert_eq!(f32::linear(&[1., 2., 3.], &[one, crop], 7.), [2., 3., 7.]);
        let mut rows = [1, 2, 3, 4];
        fill_outside(&mut rows, 2, &[false, true], 0);
        assert_eq!(rows, [1, 2, 0, 0]);
    }

    #[test]
    fn blocks_of_several_tasks_are_those_of_one() {
        let taps = Taps::new(
            &axis(40, 90, Coordinates::HalfPixel),
            Kernel::Cubic { a: -0.75 },
            false,
            true,
        );
        let x: Vec<_> = (0..400 * 40 * 2).map(|i| (i * 31 % 257) as f32).collect();
        let all = interpolate(&x, 400, 2, &taps);
        let one = x.chunks(80).flat_map(|x| interpolate(x, 1, 2, &taps)).collect::<Vec<_>>();
        assert_eq!(all, one);
    }
}
