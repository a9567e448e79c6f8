//! Depthwise convolution with AVX2: columns of the kernel that neighbours share.
//!
//! What is interleaved once serves every pixel of a tile whose window holds the column. The rows of a column are taken in
//! one of two forms:
//!
//! - up to three as four bytes of a lane: the first, the second, the third and the second again. `vpmaddubsw` adds two
//!   products in 16 bits; so that these never saturate, the weight of the second row is split between its two places;
//! - two after two as words of a lane, where there are more of them, weights so large that no split helps, or codes of 16
//!   bits.

#![allow(unsafe_code)]

mod block;
mod tile;

use std::cell::RefCell;
use std::ops::Range;

use self::block::Block;
use self::tile::{PIXELS, Source, columns};
use super::depthwise::in_tasks;
use super::finish::finish;
use crate::kernel::finish::{Finish, LANES};
use crate::kernel::gather::sources::{Lines, SLACK, grow, inside};
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::tile::Target;
use crate::kernel::weights::Element;

/// Tiles of a task at most.
const TASK: usize = 16;
/// Tiles whose sums are finished together.
const TILES: usize = 4;

/// The weights of a depthwise convolution, and where it reads.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Packed {
    element: Element,
    channels: usize,
    /// Columns of the kernel, and from one pixel to the next; its rows.
    run: usize,
    stride: usize,
    height: usize,
    /// Of [`LANES`] channels each.
    blocks: Vec<Block>,
    tiles: Vec<Tile>,
    /// Of each tile `[columns, height]`: pixels of x.
    places: Vec<u32>,
    /// A pixel of zero points.
    zeros: Vec<u8>,
}

/// Some pixels side by side.
#[derive(Clone, Copy, Debug)]
struct Tile {
    first: usize,
    pixels: usize,
    /// Where its places start.
    places: usize,
}

/// Memory that tasks keep.
#[derive(Default)]
struct Scratch {
    /// Pixels of x with room behind them.
    codes: Vec<u8>,
    rows: Vec<*const u8>,
}

impl Packed {
    /// `weights` are `[taps, channels]`; `None` where neighbours share too little, or there are no loops for the kernel.
    pub(in crate::kernel) fn new(
        (element, weights): (Element, &[i16]),
        channels: usize,
        rows: &Rows,
        zero: i32,
    ) -> Option<Self> {
        let (run, stride) = (rows.run, rows.stride);
        if channels == 0 || stride >= run {
            return None;
        }
        let block = |first| Block::new((element, weights), [channels, first], [run, stride]);
        let blocks = (0..channels).step_by(LANES).map(block).collect::<Option<_>>()?;
        let tiles = tiles(rows)?;
        let places = tiles.iter().flat_map(|tile| places(rows, tile)).collect();
        let zeros = element.repeated(zero, channels + SLACK);
        let height = rows.taps / run;
        Some(Self { element, channels, run, stride, height, blocks, tiles, places, zeros })
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// The CPU has AVX2; `x` is an image that the rows may read, without gaps; the target starts at the first pixel of
    /// the result and is writable for all of them.
    pub(in crate::kernel) unsafe fn image(&self, finish: &Finish, x: Image, target: Target) {
        let start = target.start as usize;
        in_tasks(self.tiles.len(), TASK, self.places.len() * self.channels, |range| {
            let start = (start + self.tiles[range.start].first * target.stride) as *mut u8;
            // SAFETY: as the caller promises; no two tasks write the same pixels.
            unsafe { self.task(finish, x, range, Target { start, ..target }) };
        });
    }

    /// Computes some tiles.
    ///
    /// # Safety
    /// As [`Packed::image`]; the target starts at the first of the pixels.
    unsafe fn task(&self, parameters: &Finish, x: Image, tiles: Range<usize>, target: Target) {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        let tiles = &self.tiles[tiles];
        SCRATCH.with_borrow_mut(|scratch| {
            // SAFETY: as the caller promises.
            unsafe {
                self.point(scratch, x, tiles);
                let (mut rows, mut target) = (&scratch.rows[..], target);
                let mut sums = [0; TILES * PIXELS * LANES];
                for tiles in tiles.chunks(TILES) {
                    rows = self.tiles(parameters, tiles, (rows, &mut sums), target);
                    let pixels = tiles.iter().map(|tile| tile.pixels).sum::<usize>();
                    target.start = target.start.wrapping_add(pixels * target.stride);
                }
            }
        });
    }

    /// How many places a tile has.
    fn rows(&self, tile: &Tile) -> usize {
        columns(self.run, self.stride, tile.pixels) * self.height
    }

    /// Where the rows of the columns lie: sixteen codes from any channel on may be read there.
    ///
    /// # Safety
    /// As [`Packed::image`].
    #[target_feature(enable = "avx2")]
    unsafe fn point(&self, scratch: &mut Scratch, x: Image, tiles: &[Tile]) {
        let (first, last) = (&tiles[0], &tiles[tiles.len() - 1]);
        let places = &self.places[first.places..last.places + self.rows(last)];
        let mut start = x.start as *const u8;
        let pixel = self.channels * self.element.bytes();
        let beyond = self.channels.next_multiple_of(LANES) - self.channels;
        if beyond * self.element.bytes() > x.behind {
            let inside = inside(places);
            let before = inside.start * pixel;
            // SAFETY: these pixels are of x.
            let codes =
                unsafe { std::slice::from_raw_parts(start.add(before), inside.len() * pixel) };
            grow(&mut scratch.codes, codes.len() + SLACK * self.element.bytes());
            scratch.codes[..codes.len()].copy_from_slice(codes);
            start = scratch.codes.as_ptr().wrapping_sub(before);
        }
        let lines = Lines { table: places, start: 0, stride: pixel };
        lines.point(start, self.zeros.as_ptr(), &mut scratch.rows);
    }

    /// Up to [`TILES`] tiles, for whose sums there is room; gives the rows behind theirs.
    ///
    /// # Safety
    /// The CPU has AVX2; sixteen codes from any channel on are readable in the rows of the tiles; the target is writable.
    unsafe fn tiles<'a>(
        &self,
        parameters: &Finish,
        tiles: &[Tile],
        (rows, sums): (&'a [*const u8], &mut [i32]),
        target: Target,
    ) -> &'a [*const u8] {
        let (rows, behind) = rows.split_at(tiles.iter().map(|tile| self.rows(tile)).sum());
        for (i, block) in self.blocks.iter().enumerate() {
            let first = i * LANES;
            let (mut at, mut start) = (0, rows.as_ptr());
            for tile in tiles {
                let source = Source { rows: start, height: self.height, first };
                let sums = &mut sums[at * LANES..(at + tile.pixels) * LANES];
                // SAFETY: the rows are those of the tile; the rest as the caller promises.
                unsafe { block.forms[tile.pixels - 1](block, source, sums) };
                start = start.wrapping_add(self.rows(tile));
                at += tile.pixels;
            }
            let channels = LANES.min(target.channels - first);
            let start = target.start.wrapping_add(first * parameters.output().bytes());
            let target = Target { start, channels, ..target };
            // SAFETY: as the caller promises.
            unsafe { finish(&parameters.from(first), target, &sums[..at * LANES]) };
        }
        behind
    }
}

/// Pixels side by side whose windows share columns; `None` where they are too few.
fn tiles(rows: &Rows) -> Option<Vec<Tile>> {
    let window = |pixel: usize| rows.table[pixel * rows.taps..][..rows.taps].chunks(rows.run);
    let shared = rows.run - rows.stride;
    let follows = |pixel: usize| {
        let mut lines = window(pixel - 1).zip(window(pixel));
        lines.all(|(before, here)| before[rows.stride..] == here[..shared])
    };
    let (mut tiles, mut places) = (Vec::<Tile>::new(), 0);
    for pixel in 0..rows.pixels() {
        match tiles.last_mut() {
            Some(tile) if tile.pixels < PIXELS && follows(pixel) => tile.pixels += 1,
            last => {
                let columns = last.map_or(0, |tile| columns(rows.run, rows.stride, tile.pixels));
                places += columns * rows.taps / rows.run;
                tiles.push(Tile { first: pixel, pixels: 1, places });
            }
        }
    }
    (2 * tiles.len() <= rows.pixels()).then_some(tiles)
}

/// Where a tile reads, `[columns, height]`.
fn places(rows: &Rows, tile: &Tile) -> impl Iterator<Item = u32> {
    let &Tile { first, pixels, .. } = tile;
    (0..columns(rows.run, rows.stride, pixels)).flat_map(move |column| {
        // The first pixel whose window holds the column, and the column in that window.
        let pixel = column.saturating_sub(rows.run - 1).div_ceil(rows.stride);
        let window = &rows.table[(first + pixel) * rows.taps..][..rows.taps];
        window.iter().skip(column - pixel * rows.stride).step_by(rows.run).copied()
    })
}
