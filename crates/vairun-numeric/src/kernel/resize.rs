//! Linear interpolation of the numbers of codes, channels last, with the bits of [`crate::resize::Sample::linear`].

use rayon::prelude::*;

use super::dispatch::on;
use super::elementwise::{Grid, Stored};
use super::isa::Isa;
use crate::resize::{Bilinear, Pair};
use crate::vector::Loop;

/// Rows of one task: neighbours share the rows that they are made from.
const TASK: usize = 16;

/// Interpolates images of codes, `[rows, columns, channels]`, and gives each row of numbers to `then` with its part of
/// `out`.
///
/// # Panics
/// Where x or `out` are not as many images of the lengths that `bilinear` names.
pub fn interpolate_codes<C: Stored, T: Send>(
    isa: Isa,
    (x, channels, grid): (&[C], usize, Grid),
    bilinear: &Bilinear,
    out: &mut [T],
    then: impl Fn(&[f32], &mut [T]) + Sync,
) {
    let (rows, columns) = (Pair::of(&bilinear.rows), Pair::of(&bilinear.columns));
    let [input, output] = [bilinear.columns.input, columns.len()].map(|width| width * channels);
    if output * rows.len() == 0 {
        return;
    }
    let images = x.len() / (bilinear.rows.input * input);
    assert_eq!(x.len(), images * bilinear.rows.input * input, "whole images");
    assert_eq!(out.len(), images * rows.len() * output, "as many images");
    let bands = out.par_chunks_mut(TASK * output).enumerate();
    bands.for_each_init(Lines::default, |lines, (band, out)| {
        lines.rows = [usize::MAX; 2];
        for (i, out) in out.chunks_exact_mut(output).enumerate() {
            let i = band * TASK + i;
            let (image, pair) = (i / rows.len(), &rows[i % rows.len()]);
            let neighbours = [pair.low, pair.high].map(|row| image * bilinear.rows.input + row);
            lines.fetch(neighbours, |row, line| {
                line.resize(input, 0.0);
                on(isa, Numbers { x: &x[row * input..][..input], grid, out: line });
            });
            lines.result.resize(output, 0.0);
            let Lines { rows: held, numbers, result } = &mut *lines;
            let [upper, lower] = neighbours.map(|row| match held[0] == row {
                true => &numbers[0][..],
                false => &numbers[1][..],
            });
            let outside = bilinear.outside;
            on(isa, Row { upper, lower, pair, columns: &columns, channels, outside, out: result });
            then(result, out);
        }
    });
}

/// The numbers of up to two rows of x, and a row of the result.
#[derive(Default)]
struct Lines {
    /// Which rows.
    rows: [usize; 2],
    numbers: [Vec<f32>; 2],
    result: Vec<f32>,
}

impl Lines {
    /// Has `make` fill lines with those of the wanted rows that are not here.
    fn fetch(&mut self, wanted: [usize; 2], make: impl Fn(usize, &mut Vec<f32>)) {
        for row in wanted {
            if !self.rows.contains(&row) {
                let free = usize::from(wanted.contains(&self.rows[0]));
                self.rows[free] = row;
                make(row, &mut self.numbers[free]);
            }
        }
    }
}

struct Numbers<'a, C> {
    x: &'a [C],
    grid: Grid,
    out: &'a mut [f32],
}

impl<C: Stored> Loop for Numbers<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, grid, out } = self;
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = grid.real(x.widen()));
    }
}

/// A row of the result, from the two rows of x around it.
struct Row<'a> {
    upper: &'a [f32],
    lower: &'a [f32],
    pair: &'a Pair,
    columns: &'a [Pair],
    channels: usize,
    outside: f32,
    out: &'a mut [f32],
}

impl<'a> Loop for Row<'a> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { upper, lower, pair: v, columns, channels, outside, out } = self;
        for (h, out) in columns.iter().zip(out.chunks_exact_mut(channels)) {
            if v.outside || h.outside {
                out.fill(outside);
                continue;
            }
            // The products of the weights come first: onnxruntime's order, in which linear.rs goes too.
            let to_upper = [h.to_low * v.to_low, h.to_high * v.to_low];
            let to_lower = [h.to_low * v.to_high, h.to_high * v.to_high];
            let at = |line: &'a [f32], column: usize| &line[column * channels..][..channels];
            let upper = [at(upper, h.low), at(upper, h.high)];
            blend(out, (upper, to_upper), ([at(lower, h.low), at(lower, h.high)], to_lower));
        }
    }
}

/// A pixel of its neighbours in two rows, and their weights.
#[inline(always)]
fn blend(
    out: &mut [f32],
    ([a, b], upper): ([&[f32]; 2], [f32; 2]),
    ([c, d], lower): ([&[f32]; 2], [f32; 2]),
) {
    let n = out.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    for i in 0..n {
        out[i] = upper[0] * a[i] + upper[1] * b[i] + lower[0] * c[i] + lower[1] * d[i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::{Axis, Coordinates, Sample};

    fn axis((input, output): (usize, usize), coordinates: Coordinates) -> Axis {
        Axis { input, output, scale: output as f32 / input as f32, coordinates }
    }

    #[test]
    fn rows_of_codes_have_the_bits_of_planes_of_numbers() {
        let modes = [
            Coordinates::HalfPixel,
            Coordinates::AlignCorners,
            Coordinates::Asymmetric,
            Coordinates::TfCropAndResize { start: -0.4, end: 0.7 },
        ];
        let grid = Grid { scale: 0.037, zero: 101 };
        for coordinates in modes {
            for (lengths, channels) in
                [([(1, 1), (3, 7)], 5), ([(5, 3), (4, 4)], 16), ([(9, 40), (2, 5)], 3)]
            {
                let [rows, columns] = lengths.map(|lengths| axis(lengths, coordinates));
                let bilinear = Bilinear { rows, columns, outside: 9.5 };
                let pixels = rows.input * columns.input;
                let x: Vec<u8> = (0..2 * pixels * channels).map(|i| (i * 97 % 251) as u8).collect();
                let at = |image: usize, c: usize, p: usize| x[(image * pixels + p) * channels + c];
                let planes = (0..2).flat_map(|n| (0..channels).map(move |c| (n, c)));
                let planes = planes.flat_map(|(n, c)| (0..pixels).map(move |p| at(n, c, p)));
                let planes: Vec<f32> = planes.map(|code| grid.real(code.into())).collect();
                let expected = f32::linear(&planes, &[rows, columns], 9.5);
                let size = rows.output * columns.output;
                for isa in Isa::available() {
                    let mut y = vec![0f32; 2 * size * channels];
                    let copy = |numbers: &[f32], out: &mut [f32]| out.copy_from_slice(numbers);
                    interpolate_codes(isa, (&x, channels, grid), &bilinear, &mut y, copy);
                    for (i, y) in y.iter().enumerate() {
                        let (pixel, c) = (i / channels, i % channels);
                        let (image, place) = (pixel / size, pixel % size);
                        let expected = expected[(image * channels + c) * size + place];
                        assert_eq!(y.to_bits(), expected.to_bits(), "{bilinear:?} {isa} {i}");
                    }
                }
            }
        }
    }
}
