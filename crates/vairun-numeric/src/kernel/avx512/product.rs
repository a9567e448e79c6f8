//! Products with AVX-512 VNNI: up to sixty-four output channels at once.
//!
//! The rows of a task are found as with AVX2, those of a pixel side by side: tiles of any size then follow each other.

#![allow(unsafe_code)]

use std::cell::RefCell;

use super::tile::{pixels_of, run};
use crate::kernel::dispatch::in_parts;
use crate::kernel::finish::{Finish, LANES};
use crate::kernel::gather::places::{Places, Tiles};
use crate::kernel::gather::sources::{Cost, Scratch, Shape};
use crate::kernel::product::{Image, Placed, placed};
use crate::kernel::rows::Rows;
use crate::kernel::tile::{Target, Tile};
use crate::kernel::weights::{BLOCK, Weights};

/// Pixels of the result that one task computes at most.
const TASK: usize = 96;
/// Pixels of a task at least, where threads want some.
const LEAST: usize = 14;

/// The weights of a product.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Packed {
    shape: Shape,
    /// Of each group, the taps of a line as one.
    groups: Vec<Weights>,
    blocks: Vec<Placed>,
}

impl Packed {
    /// `groups` have `channels` channels of x each.
    pub(in crate::kernel) fn new(
        groups: Vec<Weights>,
        channels: usize,
        rows: &Rows,
        zero: i32,
    ) -> Self {
        let out = groups[0].out_channels;
        let (vectors, blocks) = (out.div_ceil(LANES), out.div_ceil(BLOCK));
        let cost = Cost { step: vectors + blocks, line: 2 * blocks };
        let shape = Shape::new(&groups, channels, rows, zero, cost);
        let lines = rows.taps() / shape.run;
        let blocks = placed(&groups);
        let groups = groups.into_iter().map(|weights| weights.in_lines(lines)).collect();
        Self { shape, groups, blocks }
    }

    /// Whether a run reads the table of rows: their places are not all that it takes.
    pub(in crate::kernel) fn reads_rows(&self) -> bool {
        self.shape.panel.is_some()
    }

    /// Where a product of these weights reads x.
    pub(in crate::kernel) fn places(&self, rows: &Rows) -> Places {
        self.shape.places(rows, 1)
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// The CPU has what [`crate::kernel::Isa::Avx512`] names; `x` is an image that `rows` may read, with 4 bytes behind it;
    /// the places are those of `rows`; the target starts at its first pixel and is writable for all of them.
    pub(in crate::kernel) unsafe fn image(
        &self,
        (rows, places): (&Rows, &Places),
        finish: &Finish,
        x: Image,
        target: Target,
    ) {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        let pixels = rows.pixels();
        let start = target.start as usize;
        let work =
            rows.reads() * self.shape.channels * finish.channels() / self.groups.len() / LANES;
        let sizes = [pixels, self.blocks.len()];
        in_parts(work, sizes, [pixels.div_ceil(TASK), LEAST], |pixels, blocks| {
            let start = (start + pixels.start * target.stride) as *mut u8;
            SCRATCH.with_borrow_mut(|scratch| {
                // SAFETY: as the caller promises.
                unsafe { scratch.fill(&self.shape, (rows, places), x, pixels.clone()) };
                let rows = scratch.stored(pixels.len() * places.lines);
                for placed in &self.blocks[blocks] {
                    // SAFETY: as the caller promises; no two tasks write the same channels of the same pixels.
                    unsafe { self.block(finish, placed, rows, Target { start, ..target }) };
                }
            });
        });
    }

    /// Computes a block of the pixels that read `rows`.
    ///
    /// # Safety
    /// As [`Packed::image`]; the target starts at the first of the pixels.
    unsafe fn block(&self, finish: &Finish, placed: &Placed, rows: &[*const u8], target: Target) {
        let &Placed { group, first, channel } = placed;
        let weights = &self.groups[group];
        let (lines, channels) = (weights.taps, BLOCK.min(weights.out_channels - first));
        let start = target.start.wrapping_add(channel * finish.output().bytes());
        let offset = group * self.shape.channels / self.groups.len() * weights.element.bytes();
        // Tiles of nearly one size: none is left with a single pixel.
        let tiles = Tiles::of(rows.len() / lines, pixels_of(channels.div_ceil(LANES)));
        let larger = tiles.start(tiles.larger());
        let (more, fewer) = rows.split_at(larger * lines);
        let next = start.wrapping_add(larger * target.stride);
        for (rows, start, pixels) in
            [(more, start, tiles.size(0)), (fewer, next, tiles.size(tiles.larger()))]
        {
            let tile = Tile {
                element: weights.element,
                rows,
                offset,
                pixels,
                taps: lines,
                steps: weights.steps,
                weights: weights.block(first),
                finish: finish.from(channel),
            };
            // SAFETY: the rows are those of the tiles, readable for their steps; the rest as the caller promises.
            unsafe { run(&tile, Target { start, channels, ..target }) };
        }
    }
}
