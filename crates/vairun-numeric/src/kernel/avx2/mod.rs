//! Products with AVX2, and AVX-VNNI where the CPU has it.
//!
//! A task is some pixels of the result times some blocks of sixteen output channels. Its rows are found once; block
//! after block then goes over its tiles, so that the weights of a block stay in the nearest cache.

#![allow(unsafe_code)]

mod codes;
pub(super) mod columns;
pub(super) mod depthwise;
pub(super) mod elementwise;
mod finish;
mod half;
mod merged;
mod pack;
pub(super) mod pairs;
pub(super) mod pool;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use self::pack::Block;
use self::tile::{Form, PIXELS, Sources};
use super::dispatch::{alone, in_parts};
use super::finish::{Finish, LANES};
use super::gather::places::Places;
use super::gather::sources::{Cost, Scratch, Shape};
use super::product::Image;
use super::rows::Rows;
use super::tile::Target;
use super::weights::{Element, Weights};

/// Codes that a task reads at most, so that they, and their words, stay in the second cache.
const BAND: usize = 1 << 16;
/// Pixels of a task at least and at most.
const TASK: [usize; 2] = [120, 960];
/// Tiles whose sums are finished together.
const TILES: usize = 8;

/// Into how many bands the pixels are cut at least; all pixels read `codes` codes.
fn bands(pixels: usize, codes: usize) -> usize {
    pixels.div_ceil((BAND / codes.div_ceil(pixels).max(1)).clamp(TASK[0], TASK[1]))
}

/// The weights of a product.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    shape: Shape,
    blocks: Vec<Placed>,
}

/// A block and its place.
#[derive(Clone, Debug)]
struct Placed {
    block: Block,
    forms: &'static [Form; PIXELS],
    /// The first output channel.
    first: usize,
    channels: usize,
}

impl Packed {
    /// `groups` have `channels` channels of x each. With `dot`, bytes are multiplied by AVX-VNNI.
    pub(super) fn new(
        groups: &[Weights],
        channels: usize,
        rows: &Rows,
        zero: i32,
        dot: bool,
    ) -> Self {
        let blocks = groups[0].out_channels.div_ceil(LANES);
        let cost = Cost { step: 8 * blocks, line: 3 * blocks };
        let shape = Shape::new(groups, channels, rows, zero, cost);
        let (lines, terms) = (rows.taps / shape.run, shape.run * channels);
        let element = groups[0].element;
        let mut places = vec![];
        let mut first = 0;
        for (group, weights) in groups.iter().enumerate() {
            let of_group = (0..weights.out_channels).step_by(LANES);
            places.extend(of_group.map(|at| (group, weights, first, at)));
            first += weights.out_channels;
        }
        let place = |&(group, weights, first, at): &(usize, &Weights, usize, usize)| {
            let block = Block::new(weights, at, [lines, terms, group * channels], dot);
            let forms = tile::forms(element, &block);
            let channels = LANES.min(weights.out_channels - at);
            Placed { block, forms, first: first + at, channels }
        };
        let blocks: Vec<_> = match alone(first * lines * terms) {
            true => places.iter().map(place).collect(),
            false => places.par_iter().map(place).collect(),
        };
        let widen = element == Element::Byte && blocks.iter().any(|placed| placed.block.is_wide());
        let shape = if widen { shape.widened() } else { shape };
        Self { shape, blocks }
    }

    /// Whether a run reads the table of rows: their places are not all that it takes.
    pub(super) fn reads_rows(&self) -> bool {
        self.shape.panel.is_some()
    }

    /// Where a product of these weights reads x.
    pub(super) fn places(&self, rows: &Rows) -> Places {
        self.shape.places(rows, PIXELS)
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// The CPU has AVX2, and AVX-VNNI if it was packed for that; `x` is an image that `rows` may read, with 4 bytes behind
    /// it; the places are those of `rows`; the target starts at its first pixel and is writable for all of them.
    pub(super) unsafe fn image(
        &self,
        (rows, places): (&Rows, &Places),
        finish: &Finish,
        x: Image,
        target: Target,
    ) {
        let work = rows.reads() * self.shape.channels * self.blocks.len();
        let codes = match self.shape.panel {
            Some(_) => rows.reads() * self.shape.channels,
            None => rows.input * self.shape.channels,
        };
        let sizes = [places.tiles.count, self.blocks.len()];
        let start = target.start as usize;
        in_parts(work, sizes, [bands(rows.pixels(), codes), 1], |tiles, blocks| {
            let first = places.tiles.start(tiles.start);
            let target = Target { start: (start + first * target.stride) as *mut u8, ..target };
            // SAFETY: as the caller promises; no two tasks write the same channels of the same pixels.
            unsafe { self.run((rows, places), finish, x, (tiles, blocks), target) };
        });
    }

    /// Computes some tiles and blocks of the result.
    ///
    /// # Safety
    /// As [`Packed::image`]; the target starts at the first of the pixels.
    unsafe fn run(
        &self,
        (rows, places): (&Rows, &Places),
        finish: &Finish,
        x: Image,
        (tiles, blocks): (Range<usize>, Range<usize>),
        target: Target,
    ) {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        SCRATCH.with_borrow_mut(|scratch| {
            // SAFETY: as the caller promises.
            unsafe {
                scratch.fill(&self.shape, (rows, places), x, tiles.clone());
                let mut sums = [0; TILES * PIXELS * LANES];
                for placed in &self.blocks[blocks] {
                    let (stored, words) = scratch.rows();
                    let sources = (Sources { stored, words }, &mut sums[..]);
                    placed.run(finish, places, sources, tiles.clone(), target);
                }
            }
        });
    }
}

impl Placed {
    /// Computes some tiles, whose rows are `sources`; `sums` is room for those of [`TILES`] tiles.
    ///
    /// # Safety
    /// As [`Packed::run`].
    unsafe fn run(
        &self,
        finish: &Finish,
        places: &Places,
        (mut sources, sums): (Sources, &mut [i32]),
        tiles: Range<usize>,
        target: Target,
    ) {
        let part = finish.from(self.first);
        let mut start = target.start.wrapping_add(self.first * finish.output().bytes());
        for first in tiles.clone().step_by(TILES) {
            let mut pixels = 0;
            for tile in first..tiles.end.min(first + TILES) {
                let size = places.tiles.size(tile);
                // SAFETY: the rows are those that the block was packed for; there is room for the sums of so many tiles;
                // the CPU as the caller promises.
                unsafe {
                    let sums = &mut sums[pixels * LANES..(pixels + size) * LANES];
                    self.forms[size - 1](&self.block, sources, sums.as_mut_ptr());
                }
                sources.stored = sources.stored.wrapping_add(size * places.lines);
                sources.words = sources.words.wrapping_add(size * places.lines);
                pixels += size;
            }
            let target = Target { start, stride: target.stride, channels: self.channels };
            // SAFETY: as the caller promises.
            unsafe { finish::finish(&part, target, &sums[..pixels * LANES]) };
            start = start.wrapping_add(pixels * target.stride);
        }
    }
}
