use super::requantize::{requantize, saturated};
use crate::linear::{Affine, Code, Grid};
use crate::pool::{Pool, sum};
use crate::spread::Spread;

/// `QLinearAveragePool`: `y = saturate(round_half_even(f32(mean / sy) + zy))`, the mean that of `f32(sx · (x - zx))`,
/// added from the first element of a window to the last.
///
/// With `include_padding` every window counts its whole length, what `ceil_mode` adds to the last one included.
///
/// Source: `contrib_ops/cpu/quantization/qlinear_pool.cc` of onnxruntime 1.28.
pub fn average_pool<C: Code>(
    (x, x_grid): (&[C], Grid),
    pool: &Pool,
    include_padding: bool,
    (y, (low, high)): (Grid, (i32, i32)),
) -> Vec<C> {
    let real = |x: &C| x_grid.scale * (x.widen() - x_grid.zero_point) as f32;
    let sums = sum(&x.iter().map(real).collect::<Vec<f32>>(), pool);
    let counts: Vec<f32> = match include_padding {
        true => vec![
            pool.axes.iter().map(|axis| axis.kernel).product::<usize>() as f32;
            pool.output_len()
        ],
        false => pool.counts(false).into_iter().map(|count| count as f32).collect(),
    };
    let (low, high, zero_point) = (low as f32, high as f32, y.zero_point as f32);
    let code = |(sum, count): (&f32, &f32)| {
        C::narrow(saturated(sum / count / y.scale + zero_point, low, high))
    };
    sums.iter().zip(counts.iter().cycle()).map(code).collect()
}

/// `QLinearGlobalAveragePool` of rows of `length` codes:
/// `y = saturate(round_half_even(f32(Σ(x - zx)) · f32(sx / f32(length · sy))) + zy)`.
///
/// Source: `core/mlas/lib/qlgavgpool.cpp` of onnxruntime 1.28.
pub fn global_average_pool<C: Code>(
    (x, x_grid): (&[C], Grid),
    length: usize,
    (y, (low, high)): (Grid, (i32, i32)),
) -> Vec<C> {
    if length == 0 {
        return Vec::new();
    }
    let ratio = x_grid.scale / (y.scale * length as f32);
    let sum = |row: &[C]| row.iter().map(|x| x.widen() - x_grid.zero_point).sum();
    let sums: Vec<i32> = x.chunks_exact(length).map(sum).collect();
    requantize(&sums, &[Affine::new(ratio, y.zero_point, low, high)], Spread::Tensor)
}

/// `QLinearReduceMean` of rows of `length` codes: `y = saturate(round_half_even(f32(mean / sy)) + zy)`, the mean
/// `f32(f32(f32(Σ(x - zx)) · sx) / length)`: dequantize, take the mean, quantize, with an exact sum. Without codes the
/// mean is NaN, and its code the least one.
///
/// Source: the specification of the operator; no runtime computes it.
pub fn reduce_mean<C: Code>(
    (x, x_grid): (&[C], Grid),
    (rows, length): (usize, usize),
    y: Affine,
) -> Vec<C> {
    let mean = |row: &[C]| {
        let sum: i64 = row.iter().map(|x| i64::from(x.widen() - x_grid.zero_point)).sum();
        y.code(sum as f32 * x_grid.scale / length as f32 / y.scale())
    };
    match length {
        0 => vec![mean(&[]); rows],
        _ => x.chunks_exact(length).map(mean).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PoolAxis;

    const U8: (i32, i32) = (0, 255);

    fn grid(scale: f32, zero_point: i32) -> Grid {
        Grid { scale, zero_point }
    }

    fn pool(pad_end: usize) -> Pool {
        let axis = PoolAxis {
            input: 3,
            output: 2,
            kernel: 2,
            stride: 2,
            dilation: 1,
            pad_begin: 0,
            pad_end,
        };
        Pool { planes: 1, axes: vec![axis] }
    }

    #[test]
    fn the_mean_takes_its_zero_point_before_rounding() {
        // Means of 1.5 and 4; 1.5 + 1 rounds to the even 2.
        let y = average_pool::<u8>((&[1, 2, 4], grid(1.0, 0)), &pool(1), false, (grid(1.0, 1), U8));
        assert_eq!(y, [2, 5]);
    }

    #[test]
    fn what_ceil_mode_adds_counts_with_the_padding() {
        let y = average_pool::<u8>((&[1, 3, 4], grid(1.0, 0)), &pool(0), true, (grid(1.0, 0), U8));
        assert_eq!(y, [2, 2]);
    }

    #[test]
    fn the_global_mean_takes_its_zero_point_after_rounding() {
        let y = global_average_pool::<u8>((&[1, 2, 2, 3], grid(1.0, 0)), 2, (grid(1.0, 1), U8));
        assert_eq!(y, [3, 3]);
        assert!(global_average_pool::<u8>((&[], grid(1.0, 0)), 0, (grid(1.0, 1), U8)).is_empty());
    }

    #[test]
    fn a_reduced_mean_is_dequantized_and_quantized_again() {
        let y = Affine::new(0.5, 1, 0, 255);
        assert_eq!(reduce_mean::<u8>((&[3, 5, 1, 2], grid(1.0, 1)), (2, 2), y), [7, 2]);
        assert_eq!(reduce_mean::<u8>((&[], grid(1.0, 1)), (2, 0), y), [0, 0]);
    }
}
