//! Depthwise convolution of bytes with AVX2: columns of the kernel that neighbours share.
//!
//! The rows of a column are taken three at a time, as four bytes of a lane: the first, the second, the third and the
//! second again. `vpmaddubsw` adds two products in 16 bits; so that these never saturate, the weight of the second row
//! is split between its two places. What is interleaved once serves every pixel of a tile whose window holds the column.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use super::depthwise::{channel, in_tasks, store_crossed};
use super::finish::finish;
use super::sources::{SLACK, inside};
use crate::kernel::finish::{Finish, LANES};
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::tile::Target;

/// Rows whose codes share a lane.
const TOGETHER: usize = 3;
/// Bytes of the weights of a column and [`TOGETHER`] of its rows: two registers.
const WEIGHTS: usize = 4 * LANES;
/// Pixels of a tile at most.
const PIXELS: usize = 4;
/// Tiles whose sums are finished together.
const TILES: usize = 4;
/// Sums of two products with codes up to 255 fit 16 bits where the weights of one sign come to so much.
const LIMIT: i16 = 128;

/// The weights of a depthwise convolution, and where it reads.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Packed {
    channels: usize,
    /// Columns of the kernel, and from one pixel to the next.
    run: usize,
    stride: usize,
    /// Parts of [`TOGETHER`] rows.
    parts: usize,
    /// `[blocks of LANES channels, parts, columns, 2 registers, 8 channels, 4 places]`
    weights: Vec<i8>,
    tiles: Vec<Tile>,
    /// Of each tile `[parts, columns, TOGETHER]`: pixels of x.
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

/// The weights of three rows as four places; `None` where a sum of two products could saturate.
fn split([first, second, third]: [i16; TOGETHER]) -> Option<[i8; 4]> {
    let (room, most): (fn(i16) -> i16, _) = match second >= 0 {
        true => (|beside| LIMIT - beside.max(0), i8::MAX.into()),
        false => (|beside| LIMIT + beside.min(0), -i16::from(i8::MIN)),
    };
    let part = second.abs().min(room(first)).min(most) * second.signum();
    let rest = second - part;
    (rest.abs() <= room(third)).then_some(())?;
    let byte = |w: i16| i8::try_from(w).ok();
    Some([byte(first)?, byte(part)?, byte(third)?, byte(rest)?])
}

impl Packed {
    /// `weights` are `[taps, channels]`; `None` where neighbours share too little, or a sum of products could saturate.
    pub(in crate::kernel) fn new(
        weights: &[i16],
        channels: usize,
        rows: &Rows,
        zero: i32,
    ) -> Option<Self> {
        let (run, stride) = (rows.run, rows.stride);
        if !matches!((run, stride), (3 | 5 | 7, 1 | 2)) || channels == 0 {
            return None;
        }
        let parts = (rows.taps / run).div_ceil(TOGETHER);
        let tiles = tiles(rows)?;
        let places = tiles.iter().flat_map(|tile| places(rows, tile)).collect();
        let weight = |row: usize, column: usize, c: usize| match row * run < rows.taps {
            true => weights.get((row * run + column) * channels + c).copied().unwrap_or(0),
            false => 0,
        };
        let mut packed = vec![];
        for block in (0..channels).step_by(LANES) {
            for (part, column) in (0..parts).flat_map(|p| (0..run).map(move |column| (p, column))) {
                for c in (0..LANES).map(|i| block + channel(i)) {
                    let of =
                        |i| if c < channels { weight(TOGETHER * part + i, column, c) } else { 0 };
                    packed.extend(split([of(0), of(1), of(2)])?);
                }
            }
        }
        let zeros = vec![zero as u8; channels + SLACK];
        Some(Self { channels, run, stride, parts, weights: packed, tiles, places, zeros })
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
                for tiles in tiles.chunks(TILES) {
                    let count = tiles.iter().map(|tile| self.rows(tile.pixels)).sum();
                    self.tiles(parameters, tiles, &rows[..count], target);
                    rows = &rows[count..];
                    let pixels = tiles.iter().map(|tile| tile.pixels).sum::<usize>();
                    target.start = target.start.wrapping_add(pixels * target.stride);
                }
            }
        });
    }

    /// How many places a tile has.
    fn rows(&self, pixels: usize) -> usize {
        self.parts * columns(self.run, self.stride, pixels) * TOGETHER
    }

    /// Where the rows of the columns lie: sixteen bytes from any channel on may be read there.
    ///
    /// # Safety
    /// As [`Packed::image`].
    #[target_feature(enable = "avx2")]
    unsafe fn point(&self, scratch: &mut Scratch, x: Image, tiles: &[Tile]) {
        let (first, last) = (tiles[0], tiles[tiles.len() - 1]);
        let places = &self.places[first.places..last.places + self.rows(last.pixels)];
        let mut start = x.start as *const u8;
        if !self.channels.is_multiple_of(LANES) {
            let inside = inside(places);
            let before = inside.start * self.channels;
            // SAFETY: these pixels are of x.
            let codes = unsafe {
                std::slice::from_raw_parts(start.add(before), inside.len() * self.channels)
            };
            scratch.codes.resize((codes.len() + SLACK).max(scratch.codes.len()), 0);
            scratch.codes[..codes.len()].copy_from_slice(codes);
            start = scratch.codes.as_ptr().wrapping_sub(before);
        }
        scratch.rows.resize(places.len().max(scratch.rows.len()), std::ptr::null());
        // Numbers of 32 bits: their products are one instruction.
        let (zeros, stride) = (self.zeros.as_ptr(), self.channels as u32);
        for (row, &at) in scratch.rows.iter_mut().zip(places) {
            let inside = start.wrapping_add((u64::from(at) * u64::from(stride)) as usize);
            *row = if at == Rows::PADDING { zeros } else { inside };
        }
    }

    /// Up to [`TILES`] tiles.
    ///
    /// # Safety
    /// The CPU has AVX2; sixteen bytes from any channel on are readable in the rows of the tiles; the target is writable.
    #[target_feature(enable = "avx2")]
    unsafe fn tiles(
        &self,
        parameters: &Finish,
        tiles: &[Tile],
        rows: &[*const u8],
        target: Target,
    ) {
        let mut sums = [0i32; TILES * PIXELS * LANES];
        let block = self.parts * self.run * WEIGHTS;
        for (i, weights) in self.weights.chunks_exact(block).enumerate() {
            let first = i * LANES;
            let (mut at, mut rest) = (0, rows);
            for tile in tiles {
                let (rows, others) = rest.split_at(self.rows(tile.pixels));
                rest = others;
                let sums = &mut sums[at * LANES..][..tile.pixels * LANES];
                let columns = Columns { rows, weights, first, parts: self.parts };
                // SAFETY: as the caller promises.
                unsafe { columns.sums([self.run, self.stride, tile.pixels], sums) };
                at += tile.pixels;
            }
            let channels = LANES.min(target.channels - first);
            let start = target.start.wrapping_add(first * parameters.output().bytes());
            let target = Target { start, channels, ..target };
            // SAFETY: as the caller promises.
            unsafe { finish(&parameters.from(first), target, &sums[..at * LANES]) };
        }
    }
}

/// Tiles of a task at least.
const TASK: usize = 16;

/// Columns of x that some pixels side by side read.
const fn columns(run: usize, stride: usize, pixels: usize) -> usize {
    (pixels - 1) * stride + run
}

/// Pixels side by side whose windows share columns; `None` where they are too few.
fn tiles(rows: &Rows) -> Option<Vec<Tile>> {
    let window = |pixel: usize| &rows.table[pixel * rows.taps..][..rows.taps];
    let follows = |pixel: usize| {
        let pairs = window(pixel - 1).chunks(rows.run).zip(window(pixel).chunks(rows.run));
        pairs
            .into_iter()
            .all(|(before, here)| before[rows.stride..] == here[..rows.run - rows.stride])
    };
    let parts = (rows.taps / rows.run).div_ceil(TOGETHER);
    let (mut tiles, mut places) = (Vec::<Tile>::new(), 0);
    for pixel in 0..rows.pixels() {
        match tiles.last_mut() {
            Some(tile) if tile.pixels < PIXELS && follows(pixel) => tile.pixels += 1,
            last => {
                let count = |tile: &mut Tile| columns(rows.run, rows.stride, tile.pixels);
                places += last.map_or(0, |tile| parts * count(tile) * TOGETHER);
                tiles.push(Tile { first: pixel, pixels: 1, places });
            }
        }
    }
    (2 * tiles.len() <= rows.pixels()).then_some(tiles)
}

/// Where a tile reads, `[parts, columns, TOGETHER]`; a row that the kernel does not have is read as padding.
fn places(rows: &Rows, tile: &Tile) -> Vec<u32> {
    let height = rows.taps / rows.run;
    let place = |row: usize, column: usize| {
        // The first pixel whose window holds the column, and the column in that window.
        let pixel = column.saturating_sub(rows.run - 1).div_ceil(rows.stride);
        let tap = row * rows.run + column - pixel * rows.stride;
        match row < height {
            true => rows.table[(tile.first + pixel) * rows.taps + tap],
            false => Rows::PADDING,
        }
    };
    let columns = columns(rows.run, rows.stride, tile.pixels);
    let parts = (0..height).step_by(TOGETHER);
    let of_part =
        |part: usize| (0..columns).flat_map(move |c| (part..part + TOGETHER).map(move |r| (r, c)));
    parts.flat_map(of_part).map(|(row, column)| place(row, column)).collect()
}

/// What a tile reads, for the channels from `first` on.
#[derive(Clone, Copy)]
struct Columns<'a> {
    /// `[parts, columns, TOGETHER]`
    rows: &'a [*const u8],
    /// `[parts, columns of the kernel, 2 registers, 8 channels, 4 places]`
    weights: &'a [i8],
    first: usize,
    parts: usize,
}

/// Adds the products of a column of x, where there is such a one, to the sums of the pixels whose windows hold it.
macro_rules! add_columns {
    ($self:ident, $sums:ident, $part:ident; $($column:literal)*) => {{$(
        if $column < columns(RUN, STRIDE, PIXELS) {
            let row = ($part * columns(RUN, STRIDE, PIXELS) + $column) * TOGETHER;
            let codes = interleaved($self.rows.as_ptr().add(row), $self.first);
            for pixel in 0..PIXELS {
                if $column >= pixel * STRIDE && $column < pixel * STRIDE + RUN {
                    let w = ($part * RUN + $column - pixel * STRIDE) * WEIGHTS;
                    let w = $self.weights.as_ptr().add(w).cast::<__m256i>();
                    for half in 0..2 {
                        let w = _mm256_loadu_si256(w.add(half));
                        let words = _mm256_maddubs_epi16(codes[half], w);
                        let product = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
                        $sums[pixel][half] = _mm256_add_epi32($sums[pixel][half], product);
                    }
                }
            }
        }
    )*}};
}

impl Columns<'_> {
    /// The sums `[pixels, LANES]`, for a kernel of so many columns and so many of them from one pixel to the next.
    ///
    /// # Safety
    /// The CPU has AVX2; sixteen bytes from channel `first` on are readable in the rows.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn sums(self, [run, stride, pixels]: [usize; 3], out: &mut [i32]) {
        // SAFETY: as the caller promises.
        unsafe {
            match (run, stride) {
                (3, 1) => self.of_pixels::<3, 1>(pixels, out),
                (3, _) => self.of_pixels::<3, 2>(pixels, out),
                (5, 1) => self.of_pixels::<5, 1>(pixels, out),
                (5, _) => self.of_pixels::<5, 2>(pixels, out),
                (_, 1) => self.of_pixels::<7, 1>(pixels, out),
                _ => self.of_pixels::<7, 2>(pixels, out),
            }
        }
    }

    /// # Safety
    /// As [`Columns::sums`].
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn of_pixels<const RUN: usize, const STRIDE: usize>(
        self,
        pixels: usize,
        out: &mut [i32],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match pixels {
                1 => self.of::<RUN, STRIDE, 1>(out),
                2 => self.of::<RUN, STRIDE, 2>(out),
                3 => self.of::<RUN, STRIDE, 3>(out),
                _ => self.of::<RUN, STRIDE, PIXELS>(out),
            }
        }
    }

    /// # Safety
    /// As [`Columns::sums`].
    #[target_feature(enable = "avx2")]
    unsafe fn of<const RUN: usize, const STRIDE: usize, const PIXELS: usize>(
        self,
        out: &mut [i32],
    ) {
        let Self { rows, weights, parts, .. } = self;
        assert_eq!(rows.len(), parts * columns(RUN, STRIDE, PIXELS) * TOGETHER);
        assert_eq!(weights.len(), parts * RUN * WEIGHTS);
        let mut sums = [[_mm256_setzero_si256(); 2]; PIXELS];
        for part in 0..parts {
            // SAFETY: the rows and weights hold so many columns of so many parts; the rows as the caller promises.
            unsafe { add_columns!(self, sums, part; 0 1 2 3 4 5 6 7 8 9 10 11 12) };
        }
        for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(LANES)) {
            store_crossed(sums, out);
        }
    }
}

/// The codes of three rows as four bytes of each of sixteen channels, in two registers ([`channel`]).
///
/// # Safety
/// The CPU has AVX2; there are three rows, sixteen bytes are readable in each from `first` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn interleaved(rows: *const *const u8, first: usize) -> [__m256i; 2] {
    // SAFETY: as the caller promises.
    let row = |i: usize| unsafe { _mm_loadu_si128((*rows.add(i)).add(first).cast()) };
    let [a, b, c] = [0, 1, 2].map(|i| _mm256_cvtepu8_epi16(row(i)));
    let b = _mm256_slli_epi16::<8>(b);
    let (ab, cb) = (_mm256_or_si256(a, b), _mm256_or_si256(c, b));
    [_mm256_unpacklo_epi16(ab, cb), _mm256_unpackhi_epi16(ab, cb)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_split_so_that_no_sum_of_two_products_saturates() {
        let extremes = [-128, -127, -100, -65, -1, 0, 1, 64, 100, 127i16];
        for rows in
            extremes.iter().flat_map(|&a| extremes.map(|b| extremes.map(|c| [a, b, c]))).flatten()
        {
            let Some(places) = split(rows) else {
                assert!(rows.iter().map(|w| w.abs()).sum::<i16>() > 2 * LIMIT, "{rows:?}");
                continue;
            };
            let places = places.map(i16::from);
            assert_eq!([places[0], places[1] + places[3], places[2]], rows);
            for pair in places.chunks(2) {
                let of_sign = |sign: i16| pair.iter().map(|w| (w * sign).max(0)).sum::<i16>();
                assert!(of_sign(1) <= LIMIT && of_sign(-1) <= LIMIT, "{rows:?} {places:?}");
            }
        }
    }
}
