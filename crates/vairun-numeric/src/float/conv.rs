#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::block::{LINES, TERMS, Target};
use super::depthwise::{PLANES_HELD, Window, depthwise};
use super::fill::{fill, pack};
use super::left::Left;
use super::pixels::{Pieces, SLACK};
use super::planes::{Area, Part, Planes};
use super::product::{FEW, Shared};
use super::strips::{self, Factor, Source, Strips};
use super::tile::COLUMNS;
use super::vector::Kernels;
use crate::contraction::ConvGeometry;
use crate::kernel::Isa;

/// The weights of a convolution, packed.
#[derive(Clone, Debug)]
pub struct Filters {
    weights: Weights,
    groups: usize,
    out_channels: usize,
    /// Of one output channel.
    terms: usize,
}

#[derive(Clone, Debug)]
enum Weights {
    /// One for each group.
    Dense(Vec<Left>),
    /// `[out_channels, taps]`: a group has one channel of x.
    Depthwise(Vec<f32>),
}

/// Output channels of a group up to which each is computed for itself where a group has one channel of x.
const DEPTHWISE: usize = 2;

impl Filters {
    /// Packs `weights`, `[out_channels, channels / groups, taps]`.
    ///
    /// # Panics
    /// Where the weights do not fill their shape.
    pub fn new(weights: &[f32], geometry: &ConvGeometry) -> Self {
        let ConvGeometry { groups, out_channels, channels, .. } = *geometry;
        let (per_group, terms) = (out_channels / groups, channels / groups * geometry.taps());
        assert_eq!(weights.len(), out_channels * terms, "the weights fill their shape");
        let depthwise = groups > 1 && channels == groups && per_group <= DEPTHWISE;
        let weights = match depthwise {
            true => Weights::Depthwise(weights.to_vec()),
            false => {
                let of = |group: usize| &weights[group * per_group * terms..][..per_group * terms];
                let pack = |group| Left::new(of(group), per_group, terms);
                Weights::Dense((0..groups).map(pack).collect())
            }
        };
        Self { weights, groups, out_channels, terms }
    }
}

/// A convolution, ready to run.
#[derive(Clone, Debug)]
pub struct Conv {
    filters: Arc<Filters>,
    planes: Planes,
    areas: Vec<Area>,
    /// Whether pixels are packed.
    packs: bool,
    channels: usize,
    batch: usize,
    /// Of the result.
    shape: Vec<usize>,
    kernels: Kernels,
}

/// What a task reuses from one area to the next.
#[derive(Default)]
struct Scratch {
    planes: Vec<f32>,
    panels: Vec<f32>,
    places: Vec<usize>,
    strips: Strips,
    pieces: Pieces,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Elements of the planes of all channels of a pass: they stay in the second cache.
const HELD: usize = 48 << 10;

/// Pixels of an area at most, and at least where there are so many.
const PIXELS: Range<usize> = 256..1024;

/// Pixels of an area that are packed: their panels stay in the second cache, as those of half as many do beside what
/// else is read.
const PACKED: usize = 256;

/// Areas that several threads share.
const SHARED: usize = 8;

impl Conv {
    /// `None` for more than three spatial dimensions, x of no pixels, or a kernel that is spread over padding many times
    /// the size of x.
    ///
    /// # Panics
    /// Where the filters are for other channels.
    pub fn new(filters: Arc<Filters>, geometry: &ConvGeometry, isa: Isa) -> Option<Self> {
        let ConvGeometry { groups, out_channels, channels, batch, .. } = *geometry;
        let terms = channels / groups * geometry.taps();
        let of = |filters: &Filters| (filters.groups, filters.out_channels, filters.terms);
        assert_eq!(of(&filters), (groups, out_channels, terms), "filters of this convolution");
        let planes = Planes::new(geometry).filter(|planes| planes.input() > 0)?;
        let shape = [&[batch, out_channels][..], &geometry.output()?].concat();
        let all = batch * groups * planes.output().iter().product::<usize>();
        let channels_held = pass(planes.taps, terms).div_ceil(planes.taps).max(1);
        let within = planes
            .pixels_within(HELD / channels_held)
            .min((all / SHARED).clamp(PIXELS.start, PIXELS.end));
        let (pixels, packs) = match filters.weights {
            Weights::Depthwise(_) => (planes.pixels_within(PLANES_HELD), false),
            Weights::Dense(_) if planes.contiguous => (PACKED / 2, false),
            Weights::Dense(_) => match packs(&planes, within, out_channels / groups) {
                true => (within.min(PACKED), true),
                false => (within, false),
            },
        };
        let areas = planes.areas(pixels);
        let kernels = Kernels::of(isa);
        Some(Self { filters, planes, areas, packs, channels, batch, shape, kernels })
    }

    /// The shape of the result.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Pixels of one channel of the result.
    fn pixels(&self) -> usize {
        self.planes.output().iter().product()
    }

    /// The result for x, `[batch, channels, …]`; `bias` is added, one for each output channel.
    ///
    /// # Panics
    /// Where x or `bias` have another length than their shapes.
    pub fn result(&self, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let length = self.shape.iter().product();
        let mut result = Vec::with_capacity(length);
        self.run(x, bias, &mut result.spare_capacity_mut()[..length]);
        // SAFETY: every pixel of every channel has been written.
        unsafe { result.set_len(length) };
        result
    }

    fn run(&self, x: &[f32], bias: Option<&[f32]>, out: &mut [MaybeUninit<f32>]) {
        let Filters { out_channels, ref weights, .. } = *self.filters;
        assert_eq!(x.len(), self.batch * self.channels * self.planes.input(), "x fills its shape");
        assert!(bias.is_none_or(|bias| bias.len() == out_channels), "a bias for each channel");
        if out.is_empty() {
            return;
        }
        let multiplications = self.batch * out_channels * self.pixels() * self.filters.terms;
        let alone = multiplications <= FEW || rayon::current_num_threads() == 1;
        let parts: Vec<_> = self.areas.iter().map(|&area| Part::new(&self.planes, area)).collect();
        match weights {
            Weights::Depthwise(weights) => self.depthwise(&parts, weights, x, bias, out, alone),
            Weights::Dense(lefts) => self.dense(&parts, lefts, x, bias, out, alone),
        }
    }

    fn depthwise(
        &self,
        parts: &[Part],
        weights: &[f32],
        x: &[f32],
        bias: Option<&[f32]>,
        out: &mut [MaybeUninit<f32>],
        alone: bool,
    ) {
        let Filters { groups, out_channels, .. } = *self.filters;
        let (input, taps) = (self.planes.input(), self.planes.taps);
        let channel = |(i, out): (usize, &mut [MaybeUninit<f32>])| {
            let (image, channel) = (i / out_channels, i % out_channels);
            let source = image * self.channels + channel / (out_channels / groups);
            let (x, weights) = (&x[source * input..][..input], &weights[channel * taps..][..taps]);
            let window = Window::Sum(weights, bias.map(|bias| bias[channel]));
            depthwise(self.kernels, parts, x, window, out);
        };
        let pixels = self.pixels();
        match alone {
            true => out.chunks_exact_mut(pixels).enumerate().for_each(channel),
            false => out.par_chunks_exact_mut(pixels).enumerate().for_each(channel),
        }
    }

    fn dense(
        &self,
        parts: &[Part],
        lefts: &[Left],
        x: &[f32],
        bias: Option<&[f32]>,
        out: &mut [MaybeUninit<f32>],
        alone: bool,
    ) {
        let Filters { groups, out_channels, .. } = *self.filters;
        let (group_in, group_out) = (self.channels / groups, out_channels / groups);
        let (input, pixels) = (self.planes.input(), self.pixels());
        // Few areas leave threads without one: the output channels are divided too.
        let threads = if alone { 1 } else { rayon::current_num_threads() };
        let shares = threads.div_ceil(parts.len() * groups * self.batch).min(lefts[0].panels());
        let shared = Shared(out.as_mut_ptr().cast());
        let task = |i: usize| {
            let (rest, share) = (i / shares, i % shares);
            let (at, number) = (rest / parts.len(), rest % parts.len());
            let (image, group) = (at / groups, at % groups);
            let left = &lefts[group];
            let panels = left.panels() * share / shares..left.panels() * (share + 1) / shares;
            let bias = bias.map(|bias| &bias[group * group_out..][..group_out]);
            let task = Task {
                part: &parts[number],
                packs: self.packs,
                x: &x[(image * self.channels + group * group_in) * input..][..group_in * input],
                factor: Factor { kernels: self.kernels, left, panels, bias },
                // SAFETY: the channels of the group start there.
                start: unsafe {
                    shared.get().add((image * out_channels + group * group_out) * pixels)
                },
                step: pixels,
            };
            SCRATCH.with_borrow_mut(|scratch| task.run(scratch));
        };
        let tasks = shares * parts.len() * groups * self.batch;
        match alone {
            true => (0..tasks).for_each(task),
            false => (0..tasks).into_par_iter().for_each(task),
        }
    }
}

/// An area of some output channels of one group.
struct Task<'a> {
    part: &'a Part<'a>,
    /// Whether pixels are packed.
    packs: bool,
    x: &'a [f32],
    factor: Factor<'a>,
    /// The first pixel of the first channel of the group in the result.
    start: *mut f32,
    /// From one channel of the result to the next.
    step: usize,
}

/// Panels of the left operand up to which packing pixels costs more than it saves.
const UNPACKED: usize = 4;

/// Panels of pixels of a strip that is read in place.
const AT_ONCE: usize = 4;

/// What packing a panel of pixels costs, in rows of weights that could be multiplied with it.
const PACKING: usize = 8;

impl Task<'_> {
    fn run(&self, scratch: &mut Scratch) {
        match self.part.planes.contiguous {
            true => self.contiguous(scratch),
            false => self.through_planes(scratch),
        }
    }

    fn through_planes(&self, scratch: &mut Scratch) {
        let (part, taps) = (self.part, self.part.planes.taps);
        let input = part.planes.input();
        let Scratch { planes, panels, places, strips, pieces } = scratch;
        let all = self.factor.left.terms;
        let panel = pass(taps, all) * COLUMNS + SLACK;
        if self.packs {
            let pixels = part.pixels();
            pieces.set(part, panel);
            grow(panels, pixels.len().div_ceil(COLUMNS) * panel);
            strips.clear();
            strips.packed(panel, pixels.start, pixels.len());
        } else {
            strips.set(part, AT_ONCE);
        }
        let mut filled = 0..0;
        for terms in passes(all, pass(taps, all)) {
            let channels = terms.start / taps..terms.end.div_ceil(taps);
            if filled != channels {
                // Behind the last plane, a whole panel may be read.
                grow(planes, channels.len() * part.step + COLUMNS);
                fill(part, 0.0, &self.x[channels.start * input..channels.end * input], planes);
                filled = channels.clone();
            }
            places.clear();
            let starts = (0..channels.len()).map(|channel| channel * part.step);
            let all = starts.flat_map(|start| part.shifts.iter().map(move |shift| start + shift));
            places.extend(all.skip(terms.start % taps).take(terms.len()));
            if !self.packs {
                let source = Source { start: planes.as_ptr(), places, panel: COLUMNS };
                // SAFETY: the planes hold what the area reads through every tap, and a panel behind.
                unsafe { self.multiply(strips, terms, source) };
                continue;
            }
            let source = Source { start: panels.as_ptr(), places: &LINES[..terms.len()], panel };
            // SAFETY: the panels hold the terms of a pass, and slack.
            unsafe {
                pieces.copy(planes, places, panels.as_mut_ptr());
                self.multiply(strips, terms, source);
            }
        }
    }

    /// One tap, which reads x where the result is.
    fn contiguous(&self, scratch: &mut Scratch) {
        let (first, count) = (self.part.area.first[2], self.part.area.counts[2]);
        let step = self.part.planes.input();
        let Scratch { panels, places, strips, .. } = scratch;
        let rest = count % COLUMNS;
        // What is read pixel by pixel needs no room behind it.
        let last = count - if rest <= strips::FEW { rest } else { 0 };
        let in_place = match self.factor.panels.len() <= UNPACKED {
            true => 0..count / COLUMNS * COLUMNS,
            false => 0..0,
        };
        let packed = in_place.end..last;
        for terms in passes(self.factor.left.terms, TERMS) {
            let x = &self.x[terms.start * step + first..];
            places.clear();
            places.extend((0..terms.len()).map(|term| term * step));
            let source = Source { start: x.as_ptr(), places, panel: COLUMNS };
            strips.clear();
            // Many rows read the same pixels while they are in the first cache.
            let several = self.factor.left.rows < AT_ONCE || self.factor.kernels.are_long();
            let at_once = if several { AT_ONCE } else { 1 };
            strips.add(0, first, in_place.len(), at_once);
            if last < count {
                strips.add(last, first + last, count - last, 1);
            }
            // SAFETY: x holds all pixels of a term.
            unsafe { self.multiply(strips, terms.clone(), source) };
            if packed.is_empty() {
                continue;
            }
            let panel = terms.len() * COLUMNS;
            grow(panels, packed.len().div_ceil(COLUMNS) * panel);
            pack(x, step, packed.clone(), panel, panels);
            strips.clear();
            strips.packed(panel, first + packed.start, packed.len());
            let source = Source { start: panels.as_ptr(), places: &LINES[..terms.len()], panel };
            // SAFETY: whole panels have just been packed.
            unsafe { self.multiply(strips, terms, source) };
        }
    }

    /// # Safety
    /// As [`Strips::multiply`]; the pixels are those of the area.
    unsafe fn multiply(&self, strips: &Strips, terms: Range<usize>, source: Source) {
        let target = Target { start: self.start, step: self.step };
        // SAFETY: as the caller promises; no other task writes these channels of these pixels.
        unsafe { strips.multiply(&self.factor, terms, source, target) };
    }
}

/// Whether packing costs less than what panels compute beyond the ends of rows, and what their loads cost that do not
/// begin with a line of the cache.
fn packs(planes: &Planes, pixels: usize, rows: usize) -> bool {
    let areas = planes.areas(pixels);
    let mut strips = Strips::default();
    strips.set(&Part::new(planes, areas[0]), 1);
    let packed = areas[0].counts.iter().product::<usize>().div_ceil(COLUMNS);
    packed * (rows + PACKING) <= strips.panels() * (rows + rows / 10)
}

/// Terms of a pass: all taps of its channels where a kernel has fewer than [`TERMS`].
fn pass(taps: usize, terms: usize) -> usize {
    terms.min(if taps < TERMS { TERMS / taps * taps } else { TERMS })
}

/// Parts of `size`; one empty part of nothing, whose sums are zeros.
fn passes(terms: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let count = terms.div_ceil(size.max(1)).max(1);
    (0..count).map(move |i| i * size..terms.min((i + 1) * size))
}

/// Makes room; what stands in it is of no account.
pub(super) fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}
