//! How a convolution reads x: as planes in which every tap of the kernel is a shift.
//!
//! A stride is taken apart: with stride s the elements of a dimension fall into s phases, and what one tap reads for
//! neighbouring outputs are neighbours within one phase. So each channel of x becomes one plane for each phase that some
//! tap reads, padding included, and the element that output `o` reads through a tap stands `o` places behind that of
//! output 0.

use crate::contraction::{ConvGeometry, Window};

/// One spatial dimension.
#[derive(Clone, Debug)]
struct Axis {
    input: usize,
    output: usize,
    stride: usize,
    pad: usize,
    /// The phases that are read.
    phases: Vec<usize>,
    /// For each element of the kernel the index of its phase and how far it is shifted there.
    taps: Vec<(usize, usize)>,
    /// The largest shift.
    reach: usize,
}

impl Axis {
    /// A dimension that is not there.
    fn single() -> Self {
        let (phases, taps) = (vec![0], vec![(0, 0)]);
        Self { input: 1, output: 1, stride: 1, pad: 0, phases, taps, reach: 0 }
    }

    /// The place in x of place `at` of a phase.
    fn source(&self, phase: usize, at: usize) -> Option<usize> {
        (at * self.stride + phase).checked_sub(self.pad).filter(|&place| place < self.input)
    }

    /// The places of a phase, of `length`, that are no padding.
    fn inside(&self, phase: usize, length: usize) -> (usize, usize) {
        let first_from = |place: usize| place.saturating_sub(phase).div_ceil(self.stride);
        let first = first_from(self.pad).min(length);
        (first, first_from(self.pad + self.input).clamp(first, length))
    }
}

/// The planes of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// Up to three dimensions, the missing ones first.
    axes: [Axis; 3],
    /// Whether x itself is the plane.
    pub(super) in_place: bool,
    pub(super) taps: usize,
}

/// The planes of one channel as far as some pixels of the result read them.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    planes: &'a Planes,
    /// The first index of the result in each dimension.
    first: [usize; 3],
    /// The dimensions of a plane.
    lengths: [usize; 3],
}

impl Planes {
    /// `None` for more than three dimensions, or where the planes were much larger than x and the result: a kernel
    /// spread over padding.
    pub(super) fn new(geometry: &ConvGeometry) -> Option<Self> {
        let mut axes = [Axis::single(), Axis::single(), Axis::single()];
        let missing = axes.len().checked_sub(geometry.windows.len())?;
        for (axis, window) in axes[missing..].iter_mut().zip(&geometry.windows) {
            let mut phases: Vec<_> =
                (0..window.kernel).map(|k| k * window.dilation % window.stride).collect();
            phases.sort_unstable();
            phases.dedup();
            let tap = |k: usize| {
                let (at, phase) =
                    (k * window.dilation / window.stride, k * window.dilation % window.stride);
                Some((phases.binary_search(&phase).ok()?, at))
            };
            let taps: Vec<_> = (0..window.kernel).map(tap).collect::<Option<_>>()?;
            *axis = Axis {
                input: window.input,
                output: window.output()?,
                stride: window.stride,
                pad: window.pad_begin,
                reach: taps.iter().map(|tap| tap.1).max()?,
                phases,
                taps,
            };
        }
        let plain =
            |window: &Window| window.stride == 1 && window.pad_begin == 0 && window.pad_end == 0;
        let in_place = geometry.windows.iter().all(plain);
        let product = |of: &dyn Fn(&Axis) -> Option<usize>| {
            axes.iter().try_fold(1usize, |n, axis| n.checked_mul(of(axis)?))
        };
        let held =
            product(&|axis| axis.output.checked_add(axis.reach)?.checked_mul(axis.phases.len()))?;
        let given =
            product(&|axis| Some(axis.input))?.checked_add(product(&|axis| Some(axis.output))?)?;
        if held > given.checked_mul(8)?.checked_add(1 << 16)? {
            return None;
        }
        Some(Self { axes, in_place, taps: geometry.taps() })
    }

    /// Whether every pixel of the result reads the pixel of x at the same place.
    pub(super) fn contiguous(&self) -> bool {
        self.in_place && self.taps == 1
    }

    /// The dimensions of the result.
    pub(super) fn output(&self) -> [usize; 3] {
        [0, 1, 2].map(|d| self.axes[d].output)
    }

    /// Elements of one channel of x.
    pub(super) fn input(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// What the pixels from `first` to before `end` read.
    pub(super) fn part(&self, first: usize, end: usize) -> Part<'_> {
        let [_, rows, columns] = self.output();
        let (top, bottom) = (first / columns, (end - 1) / columns);
        let mut start = [top / rows, 0, 0];
        let mut counts = [bottom / rows - top / rows + 1, rows, columns];
        if counts[0] == 1 {
            (start[1], counts[1]) = (top % rows, bottom - top + 1);
        }
        let mut lengths = [0, 1, 2].map(|d| counts[d] + self.axes[d].reach);
        if self.in_place {
            (start, lengths) = ([0; 3], [0, 1, 2].map(|d| self.axes[d].input));
        }
        Part { planes: self, first: start, lengths }
    }
}

impl Part<'_> {
    fn plane(&self) -> usize {
        self.lengths.iter().product()
    }

    /// Elements of the planes of one channel.
    pub(super) fn channel(&self) -> usize {
        self.planes.axes.iter().map(|axis| axis.phases.len()).product::<usize>() * self.plane()
    }

    /// How many pixels of the result from this one on read side by side.
    pub(super) fn run(&self, pixel: usize) -> usize {
        let [_, rows, columns] = self.planes.output();
        match (self.lengths[2] == columns, self.lengths[1] == rows) {
            (true, true) => usize::MAX,
            (true, false) => rows * columns - pixel % (rows * columns),
            (false, _) => columns - pixel % columns,
        }
    }

    /// From one row of a plane to the next.
    pub(super) fn row(&self) -> usize {
        self.lengths[2]
    }

    /// Where a pixel of the result reads through a tap without shift.
    pub(super) fn place(&self, pixel: usize) -> usize {
        let [_, rows, columns] = self.planes.output();
        let at = [pixel / (rows * columns), pixel / columns % rows, pixel % columns];
        let at = [0, 1, 2].map(|d| at[d] - self.first[d]);
        (at[0] * self.lengths[1] + at[1]) * self.lengths[2] + at[2]
    }

    /// How far each tap is shifted.
    pub(super) fn taps(&self, shifts: &mut Vec<usize>) {
        shifts.clear();
        let [z, y, x] = &self.planes.axes;
        let plane = self.plane();
        for &(z_phase, z_shift) in &z.taps {
            for &(y_phase, y_shift) in &y.taps {
                for &(x_phase, x_shift) in &x.taps {
                    let phase = (z_phase * y.phases.len() + y_phase) * x.phases.len() + x_phase;
                    let shift = (z_shift * self.lengths[1] + y_shift) * self.lengths[2] + x_shift;
                    shifts.push(phase * plane + shift);
                }
            }
        }
    }

    /// Fills the planes of one channel of x.
    pub(super) fn fill(&self, x: &[f32], to: &mut [f32]) {
        let [z, y, _] = &self.planes.axes;
        let mut rows = to.chunks_exact_mut(self.lengths[2]);
        for &z_phase in &z.phases {
            for &y_phase in &y.phases {
                for x_phase in 0..self.planes.axes[2].phases.len() {
                    for at_z in 0..self.lengths[0] {
                        for at_y in 0..self.lengths[1] {
                            let Some(to) = rows.next() else { return };
                            let source = z
                                .source(z_phase, self.first[0] + at_z)
                                .zip(y.source(y_phase, self.first[1] + at_y));
                            match source {
                                Some((z, at)) => self.fill_row(x, z * y.input + at, x_phase, to),
                                None => to.fill(0.0),
                            }
                        }
                    }
                }
            }
        }
    }

    /// One row of a phase, from row `row` of x.
    #[inline]
    fn fill_row(&self, x: &[f32], row: usize, phase: usize, to: &mut [f32]) {
        let axis = &self.planes.axes[2];
        let phase = axis.phases[phase];
        let (first, end) = axis.inside(phase, to.len());
        to[..first].fill(0.0);
        to[end..].fill(0.0);
        if first == end {
            return;
        }
        let x = &x[row * axis.input..][..axis.input];
        let from = &x[first * axis.stride + phase - axis.pad..];
        let to = &mut to[first..end];
        match axis.stride {
            1 => to.copy_from_slice(&from[..to.len()]),
            2 => {
                // In pairs, which the compiler does in vectors; the last may have no partner.
                let pairs = from.chunks_exact(2);
                let rest = pairs.remainder().first();
                pairs.map(|pair| pair[0]).chain(rest.copied()).zip(to).for_each(|(x, to)| *to = x);
            }
            stride => from.iter().step_by(stride).zip(to).for_each(|(&x, to)| *to = x),
        }
    }
}
