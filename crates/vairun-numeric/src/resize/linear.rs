use std::cell::RefCell;

use rayon::prelude::*;

use super::coordinates::Axis;
use super::pair::Pair;
use super::sample::Sample;
use crate::vector::{Loop, widest};

/// Elements of a task where threads share the work.
const TASK: usize = 1 << 14;

/// Interpolates row-major blocks of two axes (rows, columns), or three (planes, rows, columns), linearly along all of
/// them at once:
///
/// `(1-dx)(1-dy)·x11 + dx(1-dy)·x12 + (1-dx)dy·x21 + dx·dy·x22`
///
/// in float32 and in this order of operations, which is onnxruntime's; one direction after the other rounds differently.
/// With three axes the weight of the plane is the third factor, and the nearer plane comes first. What lies outside of
/// the input becomes `outside`.
pub(super) fn linear<T: Sample>(x: &[T], axes: &[Axis], outside: T) -> Vec<T> {
    let (plan, outer) = (Plan::new(axes), axes.iter().map(|axis| axis.input).product::<usize>());
    let (width, rows) = (plan.low.len(), plan.planes.len() * plan.rows.len());
    let blocks = x.len().checked_div(outer).unwrap_or(0);
    let mut y = vec![outside; blocks * rows * width];
    let task = TASK.div_ceil(width.max(1)).max(1);
    y.par_chunks_mut((task * width).max(1)).enumerate().for_each(|(i, y)| {
        with_lines(plan.taps, width, |lines, sum| {
            widest(Task { x, y, first: i * task, plan: &plan, lines, sum, outside });
        });
    });
    y
}

/// What depends on the axes alone.
struct Plan {
    planes: Vec<Pair>,
    rows: Vec<Pair>,
    /// The neighbours of each column, and their weights.
    low: Vec<u32>,
    high: Vec<u32>,
    to_low: Vec<f32>,
    to_high: Vec<f32>,
    /// Columns outside of the input.
    outside: Vec<usize>,
    /// Rows of x that a row of the result is made from.
    taps: usize,
    /// Planes, rows and columns of x.
    input: [usize; 3],
}

impl Plan {
    fn new(axes: &[Axis]) -> Self {
        let [before @ .., rows, columns] = axes else { unreachable!("two axes or three") };
        let pairs = Pair::of(columns);
        let one = Pair::of(&Axis { input: 1, output: 1, scale: 1.0, ..*rows });
        let index = |i: usize| i as u32;
        Self {
            planes: before.first().map_or(one, Pair::of),
            rows: Pair::of(rows),
            low: pairs.iter().map(|pair| index(pair.low)).collect(),
            high: pairs.iter().map(|pair| index(pair.high)).collect(),
            to_low: pairs.iter().map(|pair| pair.to_low).collect(),
            to_high: pairs.iter().map(|pair| pair.to_high).collect(),
            outside: (0..pairs.len()).filter(|&i| pairs[i].outside).collect(),
            taps: if before.is_empty() { 2 } else { 4 },
            input: [before.first().map_or(1, |axis| axis.input), rows.input, columns.input],
        }
    }

    /// The rows of x that row `i` of the result is made from, with the weights of row and plane; `None` outside.
    #[inline(always)]
    fn taps(&self, i: usize) -> Option<[(usize, f32, f32); 4]> {
        let row = &self.rows[i % self.rows.len()];
        let i = i / self.rows.len();
        let (block, plane) = (i / self.planes.len(), &self.planes[i % self.planes.len()]);
        if row.outside || plane.outside && self.taps == 4 {
            return None;
        }
        let at = |plane: usize, row| (block * self.input[0] + plane) * self.input[1] + row;
        // Without planes there is nothing to weight them with.
        let near = if self.taps == 4 { plane.to_low } else { 1.0 };
        Some([
            (at(plane.low, row.low), row.to_low, near),
            (at(plane.low, row.high), row.to_high, near),
            (at(plane.high, row.low), row.to_low, plane.to_high),
            (at(plane.high, row.high), row.to_high, plane.to_high),
        ])
    }
}

/// Rows of x whose neighbours have been gathered for each column of the result: the lower ones, then the upper ones.
struct Lines {
    /// The rows; `usize::MAX` where none has been.
    rows: Vec<usize>,
    numbers: Vec<f32>,
    width: usize,
}

thread_local! {
    /// The memory of lines and sums.
    static SPACE: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Lends room for `count` lines and a row of sums.
fn with_lines(count: usize, width: usize, task: impl FnOnce(&mut Lines, &mut [f32])) {
    let (mut numbers, mut sum) = SPACE.take();
    numbers.resize(2 * count * width, 0.0);
    sum.resize(width, 0.0);
    let mut lines = Lines { rows: vec![usize::MAX; count], numbers, width };
    task(&mut lines, &mut sum);
    SPACE.set((lines.numbers, sum));
}

impl Lines {
    /// Where row `wanted[k]` has been gathered to; lines that `wanted` does not name make room.
    #[inline(always)]
    fn line<T: Sample>(&mut self, x: &[T], plan: &Plan, wanted: &[usize], k: usize) -> usize {
        if let Some(line) = self.rows.iter().position(|&row| row == wanted[k]) {
            return line;
        }
        let free = self.rows.iter().position(|row| !wanted.contains(row));
        let line = free.expect("as many lines as rows are wanted");
        self.rows[line] = wanted[k];
        let columns = plan.input[2];
        let x = &x[wanted[k] * columns..][..columns];
        let (low, high) =
            self.numbers[2 * line * self.width..][..2 * self.width].split_at_mut(self.width);
        gather(low, x, &plan.low);
        gather(high, x, &plan.high);
        line
    }

    #[inline(always)]
    fn neighbours(&self, line: usize) -> (&[f32], &[f32]) {
        self.numbers[2 * line * self.width..][..2 * self.width].split_at(self.width)
    }
}

#[inline(always)]
fn gather<T: Sample>(line: &mut [f32], x: &[T], places: &[u32]) {
    line.iter_mut().zip(places).for_each(|(line, &i)| *line = x[i as usize].to_f32());
}

/// Rows of the result from `first` on.
struct Task<'a, T> {
    x: &'a [T],
    y: &'a mut [T],
    first: usize,
    plan: &'a Plan,
    lines: &'a mut Lines,
    sum: &'a mut [f32],
    outside: T,
}

impl<T: Sample> Loop for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Task { x, y, first, plan, lines, sum, outside } = self;
        for (i, y) in y.chunks_exact_mut(plan.low.len().max(1)).enumerate() {
            let Some(taps) = plan.taps(first + i) else { continue };
            let wanted = taps.map(|(row, ..)| row);
            for (k, &(_, row, plane)) in taps[..plan.taps].iter().enumerate() {
                let line = lines.line(x, plan, &wanted[..plan.taps], k);
                add(sum, plan, lines.neighbours(line), (row, plane), k == 0);
            }
            y.iter_mut().zip(&*sum).for_each(|(y, &sum)| *y = T::from_f32(sum));
            plan.outside.iter().for_each(|&i| y[i] = outside);
        }
    }
}

/// Adds the lower, then the upper neighbours of every column, the weight of a column times that of the row, times that
/// of the plane.
#[inline(always)]
fn add(
    sum: &mut [f32],
    plan: &Plan,
    (low, high): (&[f32], &[f32]),
    (row, plane): (f32, f32),
    first: bool,
) {
    let n = sum.len();
    let (low, high) = (&low[..n], &high[..n]);
    let (to_low, to_high) = (&plan.to_low[..n], &plan.to_high[..n]);
    let lower = |i: usize| to_low[i] * row * plane * low[i];
    let upper = |i: usize| to_high[i] * row * plane * high[i];
    if first {
        // A sum that starts with 0 would lose the sign of -0.
        (0..n).for_each(|i| sum[i] = lower(i) + upper(i));
    } else {
        (0..n).for_each(|i| sum[i] = sum[i] + lower(i) + upper(i));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Coordinates, Sample};
    use super::*;

    /// The definition, one element after the other.
    fn plain<T: Sample>(x: &[T], axes: &[Axis], outside: T) -> Vec<T> {
        let one = Axis { input: 1, output: 1, scale: 1.0, coordinates: Coordinates::HalfPixel };
        let [planes, rows, columns] = match *axes {
            [rows, columns] => [one, rows, columns],
            [planes, rows, columns] => [planes, rows, columns],
            _ => unreachable!(),
        };
        let mut y = Vec::new();
        for x in x.chunks(planes.input * rows.input * columns.input) {
            for plane in Pair::of(&planes) {
                for row in Pair::of(&rows) {
                    for column in Pair::of(&columns) {
                        if plane.outside || row.outside || column.outside {
                            y.push(outside);
                            continue;
                        }
                        let at = |p: usize, r: usize, c: usize| {
                            x[(p * rows.input + r) * columns.input + c].to_f32()
                        };
                        let sides =
                            |pair: &Pair| [(pair.low, pair.to_low), (pair.high, pair.to_high)];
                        let mut terms = Vec::new();
                        for (p, a) in sides(&plane) {
                            for (r, b) in sides(&row) {
                                for (c, d) in sides(&column) {
                                    terms.push(match axes.len() {
                                        2 => d * b * at(p, r, c),
                                        _ => d * b * a * at(p, r, c),
                                    });
                                }
                            }
                        }
                        terms.truncate(if axes.len() == 2 { 4 } else { 8 });
                        y.push(T::from_f32(terms.into_iter().reduce(|a, b| a + b).unwrap()));
                    }
                }
            }
        }
        y
    }

    fn axis(input: usize, output: usize, coordinates: Coordinates) -> Axis {
        Axis { input, output, scale: output as f32 / input as f32, coordinates }
    }

    /// Numbers without a pattern.
    fn numbers(count: usize) -> Vec<f32> {
        let mix = |i: usize| (i as u32 + 1).wrapping_mul(2_654_435_761);
        (0..count).map(|i| (mix(i) as i32 as f32) * 1e-7).collect()
    }

    #[test]
    fn rows_in_vectors_have_the_bits_of_the_definition() {
        let modes = [
            Coordinates::HalfPixel,
            Coordinates::HalfPixelSymmetric,
            Coordinates::PytorchHalfPixel,
            Coordinates::AlignCorners,
            Coordinates::Asymmetric,
            Coordinates::TfCropAndResize { start: 0.3, end: 1.2 },
            Coordinates::TfCropAndResize { start: -0.4, end: 0.6 },
        ];
        let lengths = [(1, 1), (1, 3), (3, 6), (5, 3), (7, 16), (33, 66), (40, 13), (8, 8)];
        for coordinates in modes {
            for rows in lengths {
                for columns in lengths {
                    let axes = [rows, columns].map(|(i, o)| axis(i, o, coordinates));
                    let x = numbers(3 * rows.0 * columns.0);
                    let bits = |y: Vec<f32>| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                    let y = linear(&x, &axes, 9.5);
                    assert_eq!(bits(y), bits(plain(&x, &axes, 9.5)), "{axes:?}");
                    let codes: Vec<_> = x.iter().map(|&x| x as i8).collect();
                    assert_eq!(linear(&codes, &axes, 9), plain(&codes, &axes, 9), "{axes:?}");
                    let axes = [axis(2, 3, coordinates), axes[0], axes[1]];
                    let x = numbers(2 * 2 * rows.0 * columns.0);
                    let y = linear(&x, &axes, 9.5);
                    assert_eq!(bits(y), bits(plain(&x, &axes, 9.5)), "{axes:?}");
                }
            }
        }
    }

    #[test]
    fn work_for_several_threads_is_cut_between_rows() {
        let axes = [axis(90, 180, Coordinates::HalfPixel), axis(70, 140, Coordinates::HalfPixel)];
        let x: Vec<u8> = numbers(3 * 90 * 70).iter().map(|&x| x as i32 as u8).collect();
        assert_eq!(linear(&x, &axes, 0), plain(&x, &axes, 0));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        let empty = axis(2, 0, Coordinates::HalfPixel);
        assert!(linear(&[1f32, 2., 3., 4.], &[empty, empty], 0.).is_empty());
        assert!(linear::<u8>(&[], &[axis(2, 4, Coordinates::HalfPixel); 2], 0).is_empty());
    }
}
