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
mod merged;
mod pack;
pub(super) mod pairs;
mod panel;
pub(super) mod pool;
mod sources;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use self::pack::Block;
use self::panel::Panel;
use self::sources::{Scratch, Shape, Tiles};
use self::tile::PIXELS;
use super::dispatch::{alone, in_parts};
use super::finish::{Finish, LANES};
use super::product::Image;
use super::rows::Rows;
use super::tile::Target;
use super::weights::{Element, Weights};

/// Channels below which all taps are read as one row.
const FEW: usize = 16;

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
    /// Rows that a pixel reads.
    taps: usize,
    blocks: Vec<Placed>,
}

/// A block and its place.
#[derive(Clone, Debug)]
struct Placed {
    block: Block,
    /// Codes from the start of a pixel to the group's channels.
    offset: usize,
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
        let element = groups[0].element;
        let few = groups.len() == 1 && rows.taps > 1 && (1..FEW).contains(&channels);
        let panel = few.then(|| Panel::new(element, channels, rows, zero));
        let (taps, terms) = match few {
            true => (1, rows.taps * channels),
            false => (rows.taps, channels),
        };
        let mut places = vec![];
        let mut first = 0;
        for (group, weights) in groups.iter().enumerate() {
            let of_group = (0..weights.out_channels).step_by(LANES);
            places.extend(of_group.map(|at| (group, weights, first, at)));
            first += weights.out_channels;
        }
        let place = |&(group, weights, first, at): &(usize, &Weights, usize, usize)| Placed {
            block: Block::new(weights, at, taps, terms, dot),
            offset: group * channels,
            first: first + at,
            channels: LANES.min(weights.out_channels - at),
        };
        let blocks: Vec<_> = match alone(first * taps * terms) {
            true => places.iter().map(place).collect(),
            false => places.par_iter().map(place).collect(),
        };
        let widen = element == Element::Byte && blocks.iter().any(|placed| placed.block.is_wide());
        let shape = Shape { element, channels: groups.len() * channels, zero, widen, panel };
        Self { shape, taps, blocks }
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// The CPU has AVX2, and AVX-VNNI if it was packed for that; `x` is an image that `rows` may read, with 4 bytes behind it; the target starts at its first
    /// pixel and is writable for all of them.
    pub(super) unsafe fn image(&self, rows: &Rows, finish: &Finish, x: Image, target: Target) {
        let (pixels, blocks) = (rows.pixels(), self.blocks.len());
        let work = rows.table.len() * self.shape.channels * blocks;
        let codes = match self.shape.panel {
            Some(_) => rows.table.len() * self.shape.channels,
            None => rows.input * self.shape.channels,
        };
        let start = target.start as usize;
        in_parts(work, [pixels, blocks], [bands(pixels, codes), PIXELS], |pixels, blocks| {
            let start = (start + pixels.start * target.stride) as *mut u8;
            // SAFETY: as the caller promises; no two tasks write the same channels of the same pixels.
            unsafe { self.run(rows, finish, x, pixels, blocks, Target { start, ..target }) };
        });
    }

    /// Computes some pixels and blocks of the result.
    ///
    /// # Safety
    /// As [`Packed::image`]; the target starts at the first of the pixels.
    unsafe fn run(
        &self,
        rows: &Rows,
        finish: &Finish,
        x: Image,
        pixels: Range<usize>,
        blocks: Range<usize>,
        target: Target,
    ) {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        SCRATCH.with_borrow_mut(|scratch| {
            // SAFETY: as the caller promises.
            unsafe {
                scratch.fill(&self.shape, rows, x, pixels.start, pixels.len());
                let mut sums = [[0; PIXELS * LANES]; TILES];
                let sums = sums.as_flattened_mut();
                for placed in &self.blocks[blocks] {
                    self.block(placed, finish, (scratch, &mut *sums), pixels.len(), target);
                }
            }
        });
    }

    /// `sums` is room for those of [`TILES`] tiles.
    ///
    /// # Safety
    /// As [`Packed::run`].
    unsafe fn block(
        &self,
        placed: &Placed,
        finish: &Finish,
        (scratch, sums): (&mut Scratch, &mut [i32]),
        pixels: usize,
        target: Target,
    ) {
        let part = finish.from(placed.first);
        let start = target.start.wrapping_add(placed.first * finish.output().bytes());
        let forms = tile::forms(self.shape.element, &placed.block);
        let tiles = Tiles::of(pixels);
        for first in (0..tiles.count).step_by(TILES) {
            let begin = tiles.start(first);
            let mut at = begin;
            for i in first..tiles.count.min(first + TILES) {
                let end = tiles.start(i + 1);
                let sources = scratch.rows(self.taps, at..end, placed.offset);
                let sums = &mut sums[(at - begin) * LANES..(end - begin) * LANES];
                // SAFETY: the rows are those that the block was packed for; the CPU as the caller promises.
                unsafe { tile::sums(forms, &placed.block, sources, sums) };
                at = end;
            }
            let start = start.wrapping_add(begin * target.stride);
            let target = Target { start, stride: target.stride, channels: placed.channels };
            // SAFETY: as the caller promises.
            unsafe { finish::finish(&part, target, &sums[..(at - begin) * LANES]) };
        }
    }
}
