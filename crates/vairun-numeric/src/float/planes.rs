//! How a convolution reads x: as planes in which every tap of the kernel is a shift.
//!
//! A stride is taken apart: with stride s the elements of a dimension fall into s phases, and what one tap reads for
//! neighbouring outputs are neighbours within one phase. So each channel of x becomes one plane for each phase that some
//! tap reads, padding included, and the element that output `o` reads through a tap stands `o` places behind that of
//! output 0.

use std::ops::Range;

use crate::contraction::{ConvGeometry, Window};

/// One spatial dimension.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) input: usize,
    output: usize,
    pub(super) stride: usize,
    pub(super) pad: usize,
    /// The phases that are read.
    pub(super) phases: Vec<usize>,
    /// For each element of the kernel the index of its phase and how far it is shifted there.
    taps: Vec<(usize, usize)>,
    /// The largest shift.
    reach: usize,
}

impl Axis {
    /// A dimension in which every element of the result reads that of x.
    fn plain(length: usize) -> Self {
        let (phases, taps) = (vec![0], vec![(0, 0)]);
        Self { input: length, output: length, stride: 1, pad: 0, phases, taps, reach: 0 }
    }

    /// `None` where the kernel does not fit.
    fn of(window: &Window) -> Option<Self> {
        let Window { input, kernel, stride, dilation, pad_begin, .. } = *window;
        Self::new(input, window.output()?, (kernel, stride, dilation), pad_begin)
    }

    /// Of a kernel of so many elements, its stride and dilation. `None` without elements.
    pub(super) fn new(
        input: usize,
        output: usize,
        (kernel, stride, dilation): (usize, usize, usize),
        pad: usize,
    ) -> Option<Self> {
        let phase = |k: usize| k * dilation % stride;
        let mut phases: Vec<_> = (0..kernel).map(phase).collect();
        phases.sort_unstable();
        phases.dedup();
        let tap = |k: usize| Some((phases.binary_search(&phase(k)).ok()?, k * dilation / stride));
        let taps: Vec<_> = (0..kernel).map(tap).collect::<Option<_>>()?;
        let reach = taps.iter().map(|tap| tap.1).max()?;
        Some(Self { input, output, stride, pad, phases, taps, reach })
    }
}

/// The planes of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// Up to three dimensions, the missing ones first.
    pub(super) axes: [Axis; 3],
    /// Whether every pixel of the result reads the pixel of x at the same place; then there is one dimension.
    pub(super) contiguous: bool,
    pub(super) taps: usize,
}

/// Some pixels of the result, a box: parts of one row, whole rows of one layer, or whole layers. So they follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) first: [usize; 3],
    pub(super) counts: [usize; 3],
}

impl Planes {
    /// As [`Planes::over`]; in place of 1×1 kernels on neighbouring pixels there is one dimension.
    pub(super) fn new(geometry: &ConvGeometry) -> Option<Self> {
        let axes = geometry.windows.iter().map(Axis::of).collect::<Option<Vec<_>>>()?;
        let plain = |axis: &Axis| axis.stride == 1 && axis.pad == 0 && axis.input == axis.output;
        let contiguous = geometry.taps() == 1 && axes.iter().all(plain);
        let planes = match contiguous {
            true => Self::over(vec![Axis::plain(geometry.pixels())]),
            false => Self::over(axes),
        };
        Some(Self { contiguous, ..planes? })
    }

    /// `None` for more than three dimensions, or where the planes were much larger than x and the result: a kernel
    /// spread over padding.
    pub(super) fn over(given: Vec<Axis>) -> Option<Self> {
        let mut axes = [1; 3].map(Axis::plain);
        let missing = axes.len().checked_sub(given.len())?;
        axes[missing..].iter_mut().zip(given).for_each(|(axis, given)| *axis = given);
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
        let taps = axes.iter().map(|axis| axis.taps.len()).product();
        Some(Self { axes, contiguous: false, taps })
    }

    /// The dimensions of the result.
    pub(super) fn output(&self) -> [usize; 3] {
        [0, 1, 2].map(|d| self.axes[d].output)
    }

    /// Elements of one channel of x.
    pub(super) fn input(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// How many planes a channel has.
    fn phases(&self) -> usize {
        self.axes.iter().map(|axis| axis.phases.len()).product()
    }

    /// Pixels of an area whose planes take no more than about `held` elements of each channel.
    pub(super) fn pixels_within(&self, held: usize) -> usize {
        let [_, rows, columns] = &self.axes;
        let held = held / self.phases();
        match held.checked_div(columns.output + columns.reach).unwrap_or(0) {
            0 => held.saturating_sub(columns.reach).max(1),
            height => height.saturating_sub(rows.reach).max(1) * columns.output,
        }
    }

    /// All pixels, in areas of about so many: of parts of a row, of whole rows, or of whole layers.
    pub(super) fn areas(&self, pixels: usize) -> Vec<Area> {
        /// Parts of a row begin where a vector does.
        const STEP: usize = 16;
        let mut sizes = [1; 3];
        let mut left = pixels.max(1);
        for (size, axis) in sizes.iter_mut().zip(&self.axes).rev() {
            let parts = axis.output.div_ceil(left.max(1));
            *size = axis.output.div_ceil(parts);
            left /= axis.output;
        }
        if sizes[2] < self.axes[2].output {
            sizes[2] = sizes[2].next_multiple_of(STEP);
        }
        let parts =
            |d: usize| (0..self.axes[d].output).step_by(sizes[d]).map(move |at| (d, at, sizes[d]));
        let span = |(d, at, size): (usize, usize, usize)| (at, size.min(self.axes[d].output - at));
        let mut areas = Vec::new();
        for z in parts(0).map(span) {
            for y in parts(1).map(span) {
                areas.extend(
                    parts(2)
                        .map(span)
                        .map(|x| Area { first: [z.0, y.0, x.0], counts: [z.1, y.1, x.1] }),
                );
            }
        }
        areas
    }
}

/// The elements of a row of a phase that are no padding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) end: usize,
    /// What stands at `first` in the row of x.
    pub(super) from: usize,
}

/// The planes of one channel as far as an area of the result reads them.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) planes: &'a Planes,
    pub(super) area: Area,
    /// The dimensions of a plane.
    pub(super) lengths: [usize; 3],
    /// For each phase of the last dimension.
    pub(super) spans: Vec<Span>,
    /// How far each tap is shifted.
    pub(super) shifts: Vec<usize>,
    /// Elements from the planes of one channel to those of the next: no power of two, which would crowd in a cache.
    pub(super) step: usize,
}

impl<'a> Part<'a> {
    pub(super) fn new(planes: &'a Planes, area: Area) -> Self {
        /// Elements of a cache line.
        const LINE: usize = 16;
        let lengths = [0, 1, 2].map(|d| area.counts[d] + planes.axes[d].reach);
        let held = planes.phases() * lengths.iter().product::<usize>();
        let step = (held.div_ceil(LINE) | 1) * LINE;
        let mut part = Self { planes, area, lengths, spans: vec![], shifts: vec![], step };
        part.spans = planes.axes[2].phases.iter().map(|&phase| part.span(phase)).collect();
        part.shifts = part.shifts();
        part
    }

    fn span(&self, phase: usize) -> Span {
        let (axis, offset, length) = (&self.planes.axes[2], self.area.first[2], self.lengths[2]);
        // The first place that reads x from `place` of the padded row on.
        let from =
            |place: usize| place.saturating_sub(phase).div_ceil(axis.stride).saturating_sub(offset);
        let first = from(axis.pad).min(length);
        let end = from(axis.pad + axis.input).clamp(first, length);
        let from = ((offset + first) * axis.stride + phase).saturating_sub(axis.pad);
        Span { first, end, from }
    }

    fn shifts(&self) -> Vec<usize> {
        let [z, y, x] = &self.planes.axes;
        let plane = self.lengths.iter().product::<usize>();
        let mut shifts = Vec::with_capacity(self.planes.taps);
        for &(z_phase, z_shift) in &z.taps {
            for &(y_phase, y_shift) in &y.taps {
                for &(x_phase, x_shift) in &x.taps {
                    let phase = (z_phase * y.phases.len() + y_phase) * x.phases.len() + x_phase;
                    let shift = (z_shift * self.lengths[1] + y_shift) * self.lengths[2] + x_shift;
                    shifts.push(phase * plane + shift);
                }
            }
        }
        shifts
    }

    /// The pixels of the result.
    pub(super) fn pixels(&self) -> Range<usize> {
        let Area { first: [z, y, x], counts } = self.area;
        let [_, height, width] = self.planes.output();
        let first = (z * height + y) * width + x;
        first..first + counts.iter().product::<usize>()
    }

    /// For each row of the area where its first pixel reads through a tap without shift, and which pixel of the result
    /// that is.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let Self { area: Area { counts, .. }, lengths, .. } = *self;
        let first = self.pixels().start;
        (0..counts[0] * counts[1]).map(move |row| {
            let place = row / counts[1] * lengths[1] + row % counts[1];
            (place * lengths[2], first + row * counts[2])
        })
    }
}
