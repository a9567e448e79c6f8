//! Linear interpolation of the numbers of codes, channels last, with the bits of [`crate::resize::Sample::linear`].

use rayon::prelude::*;

use super::dispatch::on;
use super::elementwise::{Grid, Stored};
use super::isa::Isa;
use crate::resize::{Bilinear, Pair};
use crate::vector::Loop;

/// Rows of one task: neighbours share the rows that they are made from.
const TASK: usize = 16;

/// A [`Bilinear`] with the neighbours and weights of all rows and columns.
#[derive(Clone, Debug)]
pub struct Interpolation {
    rows: Vec<Pair>,
    columns: Vec<Pair>,
    /// Rows and columns of x.
    input: [usize; 2],
    outside: f32,
}

impl Interpolation {
    /// Of the axes.
    pub fn new(bilinear: &Bilinear) -> Self {
        let Bilinear { rows, columns, outside } = *bilinear;
        let input = [rows.input, columns.input];
        Self { rows: Pair::of(&rows), columns: Pair::of(&columns), input, outside }
    }

    /// Whether all weights are finite: those of a region that is none are not.
    pub fn is_finite(&self) -> bool {
        let finite = |pair: &Pair| pair.to_low.is_finite() && pair.to_high.is_finite();
        self.rows.iter().chain(&self.columns).all(finite)
    }

    /// Whether a pixel lies outside of the input.
    pub fn any_outside(&self) -> bool {
        self.rows.iter().chain(&self.columns).any(|pair| pair.outside)
    }
}

/// Interpolates images of codes, `[rows, columns, channels]`, and gives each row of numbers to `then` with its part of
/// `out`.
///
/// # Panics
/// Where x or `out` are not as many images of the lengths that the interpolation is for.
pub fn interpolate_codes<C: Stored, T: Send>(
    isa: Isa,
    (x, channels, grid): (&[C], usize, Grid),
    interpolation: &Interpolation,
    out: &mut [T],
    then: impl Fn(&[f32], &mut [T]) + Sync,
) {
    let Interpolation { rows, columns, input: [height, width], outside } = interpolation;
    let [input, output] = [*width, columns.len()].map(|width| width * channels);
    if output * rows.len() == 0 {
        return;
    }
    let images = x.len() / (height * input);
    assert_eq!(x.len(), images * height * input, "whole images");
    assert_eq!(out.len(), images * rows.len() * output, "as many images");
    let bands = out.par_chunks_mut(TASK * output).enumerate();
    bands.for_each_init(Lines::default, |lines, (band, out)| {
        lines.rows = [usize::MAX; 2];
        for (i, out) in out.chunks_exact_mut(output).enumerate() {
            let i = band * TASK + i;
            let (image, pair) = (i / rows.len(), &rows[i % rows.len()]);
            let neighbours = [pair.low, pair.high].map(|row| image * height + row);
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
            let outside = *outside;
            on(isa, Row { upper, lower, pair, columns, channels, outside, out: result });
            then(result, out);
        }
    });
}

/// Numbers truncated to integers of 8 bits, from `-offset` to `255 - offset`, each stored as so much more.
///
/// # Panics
/// Where there are not as many results.
pub fn truncate(isa: Isa, offset: i32, x: &[f32], out: &mut [u8]) {
    struct All<'a>(i32, &'a [f32], &'a mut [u8]);
    impl Loop for All<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            let Self(offset, x, out) = self;
            for (out, &x) in out.iter_mut().zip(x) {
                *out = (x as i32).saturating_add(offset).clamp(0, 255) as u8;
            }
        }
    }
    assert_eq!(x.len(), out.len(), "as many results");
    on(isa, All(offset, x, out));
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
                    let interpolation = Interpolation::new(&bilinear);
                    interpolate_codes(isa, (&x, channels, grid), &interpolation, &mut y, copy);
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

    #[test]
    fn a_region_that_is_none_has_no_weights() {
        let of = |coordinates| {
            let axis = axis((4, 8), coordinates);
            Interpolation::new(&Bilinear { rows: axis, columns: axis, outside: 0.0 })
        };
        let region = |start, end| of(Coordinates::TfCropAndResize { start, end });
        let [whole, beyond] = [of(Coordinates::HalfPixel), region(-3.0, 1.5)];
        assert!(whole.is_finite() && !whole.any_outside());
        assert!(beyond.is_finite() && beyond.any_outside());
        assert!(!region(f32::NAN, 1.0).is_finite());
        assert!(!region(f32::INFINITY, f32::INFINITY).is_finite());
    }

    #[test]
    fn integers_are_truncated_towards_0_and_saturate() {
        let x = [-129.5, -128.9, -1.5, -0.5, 0.5, 1.5, 127.9, 255.9, 256.5, 1e30];
        for isa in Isa::available() {
            for (offset, want) in [
                (0, [0, 0, 0, 0, 0, 1, 127, 255, 255, 255]),
                (128, [0, 0, 127, 128, 128, 129, 255, 255, 255, 255]),
            ] {
                let mut out = [9; 10];
                truncate(isa, offset, &x, &mut out);
                assert_eq!(out, want, "{isa}");
            }
        }
    }
}
