//! Means of the numbers of codes, channels last, added in the order of [`crate::pool`].

use rayon::prelude::*;

use super::dispatch::on;
use super::elementwise::{Grid, Stored};
use super::isa::Isa;
use super::rows::Rows;
use crate::vector::Loop;

/// Sums that run side by side over an image, as in [`crate::pool::mean_of_rows`].
const SUMS: usize = 8;

/// Calls `each` with every image of `pixels · channels` codes, room for sums that each thread has once, and its means.
fn each_image<T: Sync, S: Clone + Send + Sync>(
    x: &[T],
    (pixels, channels): (usize, usize),
    out: &mut [f32],
    sums: Vec<S>,
    each: impl Fn(&[T], &mut [S], &mut [f32]) + Sync,
) {
    if pixels * channels == 0 {
        return;
    }
    let images = x.par_chunks_exact(pixels * channels).zip(out.par_chunks_exact_mut(channels));
    images.for_each_init(|| sums.clone(), |sums, (x, out)| each(x, sums, out));
}

struct Image<'a, T> {
    x: &'a [T],
    channels: usize,
    grid: Grid,
    sums: &'a mut [f32],
    out: &'a mut [f32],
}

impl<T: Stored> Loop for Image<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, channels, grid, sums, out } = self;
        sums.fill(0.0);
        for (pixel, x) in x.chunks_exact(channels).enumerate() {
            let sums = &mut sums[pixel % SUMS * channels..][..channels];
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += grid.real(x.widen()));
        }
        let count = (x.len() / channels) as f32;
        for (c, out) in out.iter_mut().enumerate() {
            let [s0, s1, s2, s3, s4, s5, s6, s7]: [f32; SUMS] =
                std::array::from_fn(|lane| sums[lane * channels + c]);
            *out = (((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))) / count;
        }
    }
}

/// The mean of each channel of each image of `pixels` pixels.
pub fn mean_of_images<T: Stored>(
    isa: Isa,
    x: &[T],
    (pixels, channels): (usize, usize),
    grid: Grid,
    out: &mut [f32],
) {
    each_image(x, (pixels, channels), out, vec![0f32; SUMS * channels], |x, sums, out| {
        on(isa, Image { x, channels, grid, sums, out });
    });
}

struct Exact<'a, T> {
    x: &'a [T],
    channels: usize,
    grid: Grid,
    sums: &'a mut [f64],
    out: &'a mut [f32],
}

impl<T: Stored> Loop for Exact<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, channels, grid, sums, out } = self;
        sums.fill(0.0);
        for x in x.chunks_exact(channels) {
            let add = |(sum, &x): (&mut f64, &T)| *sum += f64::from(grid.real(x.widen()));
            sums.iter_mut().zip(x).for_each(add);
        }
        let count = (x.len() / channels) as f64;
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = (*sum / count) as f32);
    }
}

/// So many numbers of codes up to `reach` apart from zero are added by float64 without rounding, whatever their order:
/// each is a multiple of the last digit of the least one, which has 24 of them, and no sum has more than 53.
pub fn exact_pixels(reach: i64) -> usize {
    (1 << 28) / reach.max(1) as usize
}

/// The mean of each channel of each image of `pixels` pixels, [`exact_pixels`] at most: the exact sum of its numbers, divided
/// in float64 and rounded to float32, as ONNX's `ReduceMean` has it here.
pub fn exact_mean_of_images<T: Stored>(
    isa: Isa,
    x: &[T],
    (pixels, channels): (usize, usize),
    grid: Grid,
    out: &mut [f32],
) {
    each_image(x, (pixels, channels), out, vec![0f64; channels], |x, sums, out| {
        on(isa, Exact { x, channels, grid, sums, out });
    });
}

struct Counted<'a, T> {
    x: &'a [T],
    channels: usize,
    zero: i32,
    ratio: f32,
    sums: &'a mut [i32],
    out: &'a mut [f32],
}

impl<T: Stored> Loop for Counted<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, channels, zero, ratio, sums, out } = self;
        sums.fill(0);
        for x in x.chunks_exact(channels) {
            let add = |(sum, &x): (&mut i32, &T)| *sum = sum.wrapping_add(x.widen() - zero);
            sums.iter_mut().zip(x).for_each(add);
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = *sum as f32 * ratio);
    }
}

/// `f32(Σ (x - zero)) · ratio` of each channel of each image of `pixels` pixels, the sum exact modulo 2^32: as
/// [`crate::qlinear::global_average_pool`] before it rounds.
pub fn scaled_sums_of_images<T: Stored>(
    isa: Isa,
    x: &[T],
    (pixels, channels): (usize, usize),
    (zero, ratio): (i32, f32),
    out: &mut [f32],
) {
    each_image(x, (pixels, channels), out, vec![0i32; channels], |x, sums, out| {
        on(isa, Counted { x, channels, zero, ratio, sums, out });
    });
}

/// Pixels of one task.
const TASK: usize = 64;

struct Pixels<'a, T> {
    x: &'a [T],
    rows: &'a [u32],
    counts: &'a [usize],
    channels: usize,
    grid: Grid,
    out: &'a mut [f32],
}

impl<T: Stored> Loop for Pixels<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, rows, counts, channels, grid, out } = self;
        let taps = rows.len() / counts.len();
        let pixels = out.chunks_exact_mut(channels).zip(rows.chunks_exact(taps));
        for ((out, rows), &count) in pixels.zip(counts) {
            out.fill(0.0);
            for &at in rows.iter().filter(|&&at| at != Rows::PADDING) {
                let x = &x[at as usize * channels..][..channels];
                out.iter_mut().zip(x).for_each(|(out, &x)| *out += grid.real(x.widen()));
            }
            out.iter_mut().for_each(|out| *out /= count as f32);
        }
    }
}

/// The mean of each window: its numbers from the first to the last, divided by the count of its pixel of the result.
pub fn means_of_windows<T: Stored>(
    isa: Isa,
    (rows, counts): (&Rows, &[usize]),
    x: &[T],
    channels: usize,
    grid: Grid,
    out: &mut [f32],
) {
    let (input, output) = (rows.input * channels, rows.pixels() * channels);
    if output == 0 {
        return;
    }
    for (x, out) in x.chunks_exact(input).zip(out.chunks_exact_mut(output)) {
        let tasks =
            out.par_chunks_mut(TASK * channels).zip(rows.table.par_chunks(TASK * rows.taps));
        tasks.zip(counts.par_chunks(TASK)).for_each(|((out, rows), counts)| {
            on(isa, Pixels { x, rows, counts, channels, grid, out });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Pool, PoolAxis, mean, mean_of_rows};

    /// Codes of two images of 3 channels and 5 × 7 pixels, channels last, and their numbers row-major.
    fn images(grid: Grid) -> (Vec<u8>, Vec<f32>) {
        let x: Vec<u8> = (0..2 * 35 * 3u32).map(|i| (i * 97 % 251) as u8).collect();
        let at = |i: usize| i / 105 * 105 + i % 35 * 3 + i % 105 / 35;
        let numbers = (0..x.len()).map(|i| grid.real(x[at(i)].into())).collect();
        (x, numbers)
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn images_are_added_as_rows_are() {
        let grid = Grid { scale: 0.1, zero: 77 };
        let (x, numbers) = images(grid);
        for isa in Isa::available() {
            let mut out = [0f32; 6];
            mean_of_images(isa, &x, (35, 3), grid, &mut out);
            assert_eq!(bits(&out), bits(&mean_of_rows(&numbers, 6, 35)));
        }
    }

    #[test]
    fn sums_of_codes_are_those_of_the_operator() {
        let (x, _) = images(Grid { scale: 1.0, zero: 0 });
        let at = |i: usize| i / 105 * 105 + i % 35 * 3 + i % 105 / 35;
        let rows: Vec<u8> = (0..x.len()).map(|i| x[at(i)]).collect();
        let grid = |scale, zero_point| crate::linear::Grid { scale, zero_point };
        let (from, to) = (grid(0.1, 77), grid(0.13, 5));
        let want = crate::qlinear::global_average_pool::<u8>((&rows, from), 35, (to, (0, 255)));
        for isa in Isa::available() {
            let mut out = [0f32; 6];
            scaled_sums_of_images(isa, &x, (35, 3), (77, 0.1 / (0.13 * 35.0)), &mut out);
            let codes = out.map(|x| (x.round_ties_even() + 5.0).clamp(0.0, 255.0) as u8);
            assert_eq!(codes[..], want);
        }
    }

    #[test]
    fn exact_means_do_not_depend_on_the_order() {
        let grid = Grid { scale: 0.017, zero: 93 };
        let (x, numbers) = images(grid);
        for isa in Isa::available() {
            let mut out = [0f32; 6];
            exact_mean_of_images(isa, &x, (35, 3), grid, &mut out);
            for (numbers, mean) in numbers.chunks(35).zip(out) {
                let backwards = numbers.iter().rev().map(|&x| f64::from(x)).sum::<f64>();
                assert_eq!(mean, (backwards / 35.0) as f32, "{isa}");
            }
        }
        assert_eq!((exact_pixels(256), exact_pixels(0)), (1 << 20, 1 << 28));
    }

    #[test]
    fn windows_are_added_as_pools_are() {
        use crate::contraction::{ConvGeometry, Window};
        let grid = Grid { scale: 0.1, zero: 77 };
        let (x, numbers) = images(grid);
        let axis = |input, output| PoolAxis {
            input,
            output,
            kernel: 3,
            stride: 2,
            dilation: 1,
            pad_begin: 1,
            pad_end: 1,
        };
        let pool = Pool { planes: 6, axes: vec![axis(5, 3), axis(7, 4)] };
        let window = |input| Window {
            input,
            kernel: 3,
            stride: 2,
            dilation: 1,
            pad_begin: 1,
            pad_end: 1,
            output_padding: 0,
        };
        let windows = vec![window(5), window(7)];
        let geometry = ConvGeometry { batch: 1, channels: 1, out_channels: 1, groups: 1, windows };
        let rows = Rows::conv(&geometry).unwrap();
        for padding in [false, true] {
            let want = mean(&numbers, &pool, padding);
            let counts = pool.counts(padding);
            let mut out = vec![0f32; 72];
            means_of_windows(Isa::best(), (&rows, &counts), &x, 3, grid, &mut out);
            let at = |i: usize| i / 36 * 36 + i % 12 * 3 + i % 36 / 12;
            let got: Vec<f32> = (0..72).map(|i| out[at(i)]).collect();
            assert_eq!(bits(&got), bits(&want));
        }
    }
}
