#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::block::{Added, Columns, PANELS, TERMS, Target, block};
use super::depthwise::depthwise;
use super::left::Left;
use super::pixels::{Pieces, SLACK};
use super::planes::Planes;
use super::product::{FEW, Shared};
use super::tile::{COLUMNS, Kernels};
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
    channels: usize,
    batch: usize,
    /// Of the result.
    shape: Vec<usize>,
    kernels: Kernels,
}

/// What a task reuses from one block to the next.
#[derive(Default)]
struct Scratch {
    planes: Vec<f32>,
    panels: Vec<f32>,
    pieces: Pieces,
    shifts: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Conv {
    /// `None` for more than three spatial dimensions, or a kernel that is spread over padding many times the size of x.
    ///
    /// # Panics
    /// Where the filters are for other channels.
    pub fn new(filters: Arc<Filters>, geometry: &ConvGeometry, isa: Isa) -> Option<Self> {
        let ConvGeometry { groups, out_channels, channels, batch, .. } = *geometry;
        let terms = channels / groups * geometry.taps();
        let of = |filters: &Filters| (filters.groups, filters.out_channels, filters.terms);
        assert_eq!(of(&filters), (groups, out_channels, terms), "filters of this convolution");
        let mut planes = Planes::new(geometry)?;
        // A strip of a depthwise convolution reads beyond the end of its plane.
        planes.in_place &= matches!(filters.weights, Weights::Dense(_));
        let shape = [&[batch, out_channels][..], &geometry.output()?].concat();
        Some(Self { filters, planes, channels, batch, shape, kernels: Kernels::of(isa) })
    }

    /// The shape of the result.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Pixels of one channel of the result.
    fn pixels(&self) -> usize {
        self.planes.output().iter().product()
    }

    /// Writes the result for x, `[batch, channels, …]`, and adds `bias`, one for each output channel.
    ///
    /// # Panics
    /// Where x, `bias` or `out` have another length than their shapes.
    pub fn run(&self, x: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
        let (input, pixels) = (self.planes.input(), self.pixels());
        let Filters { groups, out_channels, .. } = *self.filters;
        assert_eq!(x.len(), self.batch * self.channels * input, "x fills its shape");
        assert_eq!(out.len(), self.batch * out_channels * pixels, "the result fills its shape");
        assert!(bias.is_none_or(|bias| bias.len() == out_channels), "a bias for each channel");
        if out.is_empty() {
            return;
        }
        let alone = self.multiplications() <= FEW || rayon::current_num_threads() == 1;
        let lefts = match &self.filters.weights {
            Weights::Dense(lefts) => lefts,
            Weights::Depthwise(weights) => {
                let channel = |(i, out): (usize, &mut [f32])| {
                    let (image, channel) = (i / out_channels, i % out_channels);
                    let source = image * self.channels + channel / (out_channels / groups);
                    let x = &x[source * input..][..input];
                    let weights = &weights[channel * self.planes.taps..][..self.planes.taps];
                    let bias = bias.map(|bias| bias[channel]);
                    depthwise(self.kernels, &self.planes, x, weights, bias, out);
                };
                return match alone {
                    true => out.chunks_exact_mut(pixels).enumerate().for_each(channel),
                    false => out.par_chunks_exact_mut(pixels).enumerate().for_each(channel),
                };
            }
        };
        let (group_in, group_out) = (self.channels / groups, out_channels / groups);
        let blocks = pixels.div_ceil(PANELS * COLUMNS);
        // Few pixels leave threads without a block: the output channels are divided too.
        let threads = if alone { 1 } else { rayon::current_num_threads() };
        let parts = threads.div_ceil(blocks * groups * self.batch).min(lefts[0].panels());
        let shared = Shared(out.as_mut_ptr());
        let task = |i: usize| {
            let (rest, part) = (i / parts, i % parts);
            let (at, number) = (rest / blocks, rest % blocks);
            let (image, group) = (at / groups, at % groups);
            let first = number * PANELS * COLUMNS;
            let left = &lefts[group];
            let task = Task {
                conv: self,
                left,
                x: &x[(image * self.channels + group * group_in) * input..][..group_in * input],
                bias: bias.map(|bias| &bias[group * group_out..][..group_out]),
                panels: left.panels() * part / parts..left.panels() * (part + 1) / parts,
                // SAFETY: the channels of the group start there.
                out: unsafe {
                    shared.get().add((image * out_channels + group * group_out) * pixels)
                },
            };
            let end = pixels.min(first + PANELS * COLUMNS);
            SCRATCH.with_borrow_mut(|scratch| task.run(first..end, scratch));
        };
        let tasks = parts * blocks * groups * self.batch;
        match alone {
            true => (0..tasks).for_each(task),
            false => (0..tasks).into_par_iter().for_each(task),
        }
    }

    fn multiplications(&self) -> usize {
        self.batch * self.filters.out_channels * self.pixels() * self.filters.terms
    }
}

/// Some pixels of some output channels of one group.
struct Task<'a> {
    conv: &'a Conv,
    left: &'a Left,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    /// Of the left operand.
    panels: Range<usize>,
    /// The first channel of the group.
    out: *mut f32,
}

/// Panels of the left operand up to which packing pixels costs more than it saves.
const UNPACKED: usize = 4;

impl Task<'_> {
    fn run(&self, pixels: Range<usize>, scratch: &mut Scratch) {
        let whole = pixels.len() / COLUMNS * COLUMNS;
        if self.conv.planes.contiguous()
            && self.panels.len() <= UNPACKED
            && whole > 0
            && self.left.terms > 0
        {
            let middle = pixels.start + whole;
            self.unpacked(pixels.start..middle);
            if middle < pixels.end {
                self.packed(middle..pixels.end, scratch);
            }
        } else {
            self.packed(pixels, scratch);
        }
    }

    /// Whole panels of pixels that lie in x side by side.
    fn unpacked(&self, pixels: Range<usize>) {
        let step = self.conv.planes.input();
        for terms in blocks(self.left.terms, TERMS) {
            let x = &self.x[terms.start * step + pixels.start..];
            let count = pixels.len();
            let columns = Columns { start: x.as_ptr(), step, panel: COLUMNS, count };
            // SAFETY: x holds all pixels of a term.
            unsafe { self.block(terms, columns, pixels.start) };
        }
    }

    fn packed(&self, pixels: Range<usize>, scratch: &mut Scratch) {
        let planes = &self.conv.planes;
        let taps = planes.taps;
        let part = planes.part(pixels.start, pixels.end);
        let Scratch { planes: plane_buffer, panels, pieces, shifts } = scratch;
        let size = if taps < TERMS { TERMS / taps * taps } else { TERMS };
        let panel = size.min(self.left.terms) * COLUMNS + SLACK;
        part.taps(shifts);
        pieces.set(&part, pixels.clone(), panel);
        let count = pixels.len();
        grow(panels, count.div_ceil(COLUMNS) * panel);
        let mut filled = 0..0;
        for terms in blocks(self.left.terms, size) {
            let channels = terms.start / taps..terms.end.div_ceil(taps);
            if !planes.in_place && filled != channels {
                self.fill(&part, channels.clone(), plane_buffer);
                filled = channels.clone();
            }
            let (x, step) = match planes.in_place {
                true => (&self.x[channels.start * planes.input()..], planes.input()),
                false => (plane_buffer.as_slice(), part.channel()),
            };
            let (mut channel, mut tap) = (0, terms.start % taps);
            for at in 0..terms.len() {
                let x = &x[channel * step + shifts[tap]..];
                // SAFETY: the panels hold `size` terms, and slack.
                unsafe { pieces.copy(x, panels.as_mut_ptr().add(at * COLUMNS)) };
                tap += 1;
                if tap == taps {
                    (channel, tap) = (channel + 1, 0);
                }
            }
            let columns = Columns { start: panels.as_ptr(), step: COLUMNS, panel, count };
            // SAFETY: whole panels have just been packed.
            unsafe { self.block(terms, columns, pixels.start) };
        }
    }

    fn fill(&self, part: &super::planes::Part, channels: Range<usize>, planes: &mut Vec<f32>) {
        let (input, size) = (self.conv.planes.input(), part.channel());
        // Behind the last plane, whole pieces may be read.
        grow(planes, channels.len() * size + SLACK);
        for (channel, to) in channels.zip(planes.chunks_exact_mut(size)) {
            part.fill(&self.x[channel * input..][..input], to);
        }
    }

    /// # Safety
    /// `columns` are readable; they are the pixels from `first` on.
    unsafe fn block(&self, terms: Range<usize>, columns: Columns, first: usize) {
        let added = self.bias.map_or(Added::None, Added::Rows);
        // SAFETY: as the caller promises; no other task writes these channels of these pixels.
        unsafe {
            let target = Target { start: self.out.add(first), step: self.conv.pixels() };
            block(self.conv.kernels, self.left, self.panels.clone(), terms, columns, target, added);
        }
    }
}

/// Parts of `size`; one empty part of nothing, whose sums are zeros.
fn blocks(terms: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let count = terms.div_ceil(size).max(1);
    (0..count).map(move |i| i * size..terms.min((i + 1) * size))
}

/// Makes room; what stands in it is of no account.
pub(super) fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
}
