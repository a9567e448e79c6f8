use rayon::prelude::*;

use super::coordinates::Axis;
use super::pair::Pair;
use super::sample::Sample;
use crate::vector::{Loop, widest};

/// What a pixel is made from: where its four neighbours begin, and their weights.
struct Pixel<W> {
    at: [usize; 4],
    weights: [W; 4],
}

/// [`Sample::linear_channels_last`] in float32.
pub(super) fn float<T: Sample>(x: &[T], axes: &[Axis; 2], channels: usize, outside: T) -> Vec<T> {
    let weights = |v: &Pair, h: &Pair| {
        [h.to_low * v.to_low, h.to_high * v.to_low, h.to_low * v.to_high, h.to_high * v.to_high]
    };
    images(x, axes, channels, outside, weights, |x, y, pixel| widest(Float { x, y, pixel }))
}

/// [`Sample::linear_channels_last`] in integers.
pub(super) fn integer<T: Sample + Into<i32>>(
    x: &[T],
    axes: &[Axis; 2],
    channels: usize,
    outside: T,
) -> Vec<T> {
    let weights = |v: &Pair, h: &Pair| {
        let (upper, lower) = v.whole_weights();
        let (left, right) = h.whole_weights();
        [left * upper, right * upper, left * lower, right * lower]
    };
    images(x, axes, channels, outside, weights, |x, y, pixel| widest(Integer { x, y, pixel }))
}

/// The rows of all images, each by a task; `blend` makes a pixel.
fn images<T: Sample, W: Copy>(
    x: &[T],
    axes: &[Axis; 2],
    channels: usize,
    outside: T,
    weights: impl Fn(&Pair, &Pair) -> [W; 4] + Sync,
    blend: impl Fn(&[T], &mut [T], Pixel<W>) + Sync,
) -> Vec<T> {
    let (rows, columns) = (Pair::of(&axes[0]), Pair::of(&axes[1]));
    let image = axes[0].input * axes[1].input * channels;
    let images = x.len().checked_div(image).unwrap_or(0);
    let mut y = vec![outside; images * rows.len() * columns.len() * channels];
    y.par_chunks_mut((columns.len() * channels).max(1)).enumerate().for_each(|(i, y)| {
        let v = &rows[i % rows.len()];
        let row = |row: usize| (i / rows.len() * axes[0].input + row) * axes[1].input;
        let (upper, lower) = (row(v.low), row(v.high));
        for (h, y) in columns.iter().zip(y.chunks_exact_mut(channels)) {
            if v.outside || h.outside {
                continue;
            }
            let at = [upper + h.low, upper + h.high, lower + h.low, lower + h.high];
            blend(x, y, Pixel { at: at.map(|at| at * channels), weights: weights(v, h) });
        }
    });
    y
}

struct Float<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
    pixel: Pixel<f32>,
}

impl<T: Sample> Loop for Float<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (n, w) = (self.y.len(), self.pixel.weights);
        let [a, b, c, d] = self.pixel.at.map(|at| &self.x[at..][..n]);
        for (i, y) in self.y.iter_mut().enumerate() {
            let upper = w[0] * a[i].to_f32() + w[1] * b[i].to_f32();
            *y = T::from_f32(upper + w[2] * c[i].to_f32() + w[3] * d[i].to_f32());
        }
    }
}

struct Integer<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
    pixel: Pixel<i32>,
}

impl<T: Sample + Into<i32>> Loop for Integer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (n, w) = (self.y.len(), self.pixel.weights);
        let [a, b, c, d] = self.pixel.at.map(|at| &self.x[at..][..n]);
        for (i, y) in self.y.iter_mut().enumerate() {
            // The weights of 8 bits add up to 2^20 at most: nothing leaves 32 bits.
            let upper = w[0] * a[i].into() + w[1] * b[i].into();
            let sum: i32 = upper + w[2] * c[i].into() + w[3] * d[i].into();
            *y = T::from_f32((sum / (1 << 20)) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Coordinates;
    use super::*;

    fn axis(input: usize, output: usize) -> Axis {
        let scale = output as f32 / input as f32;
        Axis { input, output, scale, coordinates: Coordinates::HalfPixel }
    }

    /// Channels one after the other.
    fn planes<T: Copy>(x: &[T], channels: usize) -> Vec<T> {
        (0..channels).flat_map(|c| x[c..].iter().step_by(channels)).copied().collect()
    }

    #[test]
    fn numbers_are_those_of_planes_in_another_order() {
        let axes = [axis(3, 7), axis(5, 4)];
        let x: Vec<_> = (0..3 * 5 * 6).map(|i| ((i * 37 % 101) as f32 - 50.0) / 3.0).collect();
        let y = f32::linear_channels_last(&x, &axes, 6, 0.0);
        assert_eq!(planes(&y, 6), f32::linear(&planes(&x, 6), &axes, 0.0));
    }

    #[test]
    fn codes_are_truncated_after_whole_weights() {
        let axes = [axis(1, 1), axis(2, 4)];
        // 3/4 · 10 + 1/4 · 13 is 10.75.
        assert_eq!(u8::linear_channels_last(&[10, 13], &axes, 1, 0), [10, 10, 12, 13]);
        assert_eq!(i8::linear_channels_last(&[-10, -13], &axes, 1, 0), [-10, -10, -12, -13]);
        // A third is 341 of 1024: 84.9, and 682: 169.8.
        let thirds = [axis(1, 1), axis(2, 6)];
        assert_eq!(u8::linear_channels_last(&[0, 255], &thirds, 1, 0), [0, 0, 84, 169, 255, 255]);
    }
}
