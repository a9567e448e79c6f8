//! Where the pixels of a task lie: rows of codes for each tap, as they are stored and, where asked for, as words.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::tile::PIXELS;
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::weights::Element;

/// Codes behind a row that a step may read.
const SLACK: usize = 8;

/// How taps read x.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) element: Element,
    /// Channels of x, of all groups.
    pub(super) channels: usize,
    /// Taps that are read as one row.
    pub(super) run: usize,
    pub(super) zero: i32,
    /// Whether a block wants words of bytes.
    pub(super) widen: bool,
}

/// Rows of one task; kept for the next one, so that the memory is.
#[derive(Default)]
pub(super) struct Scratch {
    /// Pixels of x without gaps.
    dense: Vec<u8>,
    /// The same pixels as words.
    words: Vec<i16>,
    /// Runs that lie partly outside of x, and one of zero points.
    patches: Vec<u8>,
    patch_words: Vec<i16>,
    stored_rows: Vec<*const u8>,
    word_rows: Vec<*const i16>,
}

/// Tile `i` of `pixels` pixels: tiles are of nearly one size.
pub(super) fn tile(pixels: usize, i: usize) -> Range<usize> {
    let tiles = pixels.div_ceil(PIXELS);
    pixels * i / tiles..pixels * (i + 1) / tiles
}

impl Scratch {
    /// Finds the rows of `pixels` pixels of the result from `first` on, `[tile, tap, pixel of the tile]`.
    ///
    /// # Safety
    /// `x` is an image that `rows` may read, with 4 bytes behind it; the CPU has AVX2.
    pub(super) unsafe fn fill(
        &mut self,
        shape: &Shape,
        rows: &Rows,
        x: Image,
        first: usize,
        pixels: usize,
    ) {
        let table = &rows.table[first * rows.taps..][..pixels * rows.taps];
        let inside = || table.iter().copied().filter(|&at| at != Rows::PADDING);
        let start = inside().min().unwrap_or(0) as usize;
        let count = inside().max().map_or(0, |last| last as usize + 1 - start);
        // SAFETY: the pixels are of x.
        let x = unsafe { self.band(shape, x, start, count) };
        self.patch(shape, table, start, x);
        self.point(shape, table, pixels, start, x);
    }

    /// The rows of tile `i` of `pixels` pixels.
    pub(super) fn rows(&self, taps: usize, pixels: Range<usize>) -> (&[*const u8], &[*const i16]) {
        let range = pixels.start * taps..pixels.end * taps;
        let words = if self.word_rows.is_empty() { &[] } else { &self.word_rows[range.clone()] };
        (&self.stored_rows[range], words)
    }

    /// `count` pixels of x, without gaps where runs need that, and their words.
    ///
    /// # Safety
    /// The pixels are of x, with 4 bytes behind them.
    unsafe fn band(&mut self, shape: &Shape, x: Image, start: usize, count: usize) -> Band {
        let bytes = shape.element.bytes();
        let pixel = shape.channels * bytes;
        let mut band = Band {
            stored: (x.start + start * x.stride) as *const u8,
            stride: x.stride,
            words: std::ptr::null(),
        };
        // SAFETY: pixels of x.
        unsafe {
            if shape.run > 1 && x.stride != pixel {
                self.dense.clear();
                for i in 0..count {
                    self.dense.extend_from_slice(std::slice::from_raw_parts(
                        band.stored.add(i * x.stride),
                        pixel,
                    ));
                }
                self.dense.extend([0; 2 * SLACK]);
                band = Band { stored: self.dense.as_ptr(), stride: pixel, ..band };
            }
            if shape.widen {
                let codes = if count == 0 { 0 } else { (count - 1) * band.stride + pixel };
                widen(std::slice::from_raw_parts(band.stored, codes), &mut self.words);
                band.words = self.words.as_ptr();
            }
        }
        band
    }

    /// Copies the runs that are not in a row in x; patch 0 has zero points alone.
    fn patch(&mut self, shape: &Shape, table: &[u32], start: usize, x: Band) {
        let pixel = shape.channels * shape.element.bytes();
        let length = shape.patch();
        self.patches.clear();
        let zero = (shape.zero as i16).to_le_bytes();
        let zeros = |count| zero.into_iter().take(shape.element.bytes()).cycle().take(count);
        self.patches.extend(zeros(length));
        for run in table.chunks_exact(shape.run).filter(|run| is_broken(run)) {
            for &at in run {
                match at {
                    Rows::PADDING => self.patches.extend(zeros(pixel)),
                    at => {
                        // SAFETY: a pixel of the band.
                        let codes =
                            unsafe { std::slice::from_raw_parts(x.pixel(at, start), pixel) };
                        self.patches.extend_from_slice(codes);
                    }
                }
            }
            self.patches.resize(self.patches.len().next_multiple_of(length), 0);
        }
        if shape.widen {
            // SAFETY: the CPU has AVX2, as the caller of `fill` promises.
            unsafe { widen(&self.patches, &mut self.patch_words) };
        }
    }

    /// Writes the rows.
    fn point(&mut self, shape: &Shape, table: &[u32], pixels: usize, start: usize, x: Band) {
        let runs = table.len() / shape.run / pixels;
        let length = shape.patch();
        self.stored_rows.clear();
        self.stored_rows.resize(pixels * runs, std::ptr::null());
        self.word_rows.clear();
        if shape.has_words() {
            self.word_rows.resize(pixels * runs, std::ptr::null());
        }
        let mut patch = 0;
        for i in 0..pixels.div_ceil(PIXELS) {
            let range = tile(pixels, i);
            for pixel in range.clone() {
                for run in 0..runs {
                    let taps = &table[(pixel * runs + run) * shape.run..][..shape.run];
                    let place = range.start * runs + run * range.len() + pixel - range.start;
                    let source = match taps[0] {
                        _ if is_broken(taps) => {
                            patch += 1;
                            Source::Patch(patch * length)
                        }
                        Rows::PADDING => Source::Patch(0),
                        at => Source::Pixel((at as usize - start) * x.stride),
                    };
                    self.set(shape, place, source, x);
                }
            }
        }
    }

    fn set(&mut self, shape: &Shape, place: usize, source: Source, x: Band) {
        let bytes = match source {
            // SAFETY: a pixel of the band, or a patch.
            Source::Pixel(at) => unsafe { x.stored.add(at) },
            Source::Patch(at) => self.patches[at..].as_ptr(),
        };
        self.stored_rows[place] = bytes;
        if !shape.has_words() {
            return;
        }
        self.word_rows[place] = match (shape.element, source) {
            (Element::Word, _) => bytes.cast(),
            // SAFETY: the words of the pixel.
            (Element::Byte, Source::Pixel(at)) => unsafe { x.words.add(at) },
            (Element::Byte, Source::Patch(at)) => self.patch_words[at..].as_ptr(),
        };
    }
}

impl Shape {
    /// Bytes of a patch.
    fn patch(&self) -> usize {
        (self.run * self.channels + SLACK) * self.element.bytes()
    }

    fn has_words(&self) -> bool {
        self.widen || self.element == Element::Word
    }
}

/// Pixels of x that a task reads.
#[derive(Clone, Copy)]
struct Band {
    stored: *const u8,
    /// Bytes from one pixel to the next; words, of the words.
    stride: usize,
    words: *const i16,
}

impl Band {
    fn pixel(&self, at: u32, start: usize) -> *const u8 {
        self.stored.wrapping_add((at as usize - start) * self.stride)
    }
}

enum Source {
    /// Bytes into the band.
    Pixel(usize),
    /// Bytes into the patches.
    Patch(usize),
}

/// Whether a run is neither pixels in a row nor all outside.
fn is_broken(run: &[u32]) -> bool {
    let in_a_row = |pair: &[u32]| match pair[0] {
        Rows::PADDING => pair[1] == Rows::PADDING,
        at => pair[1] == at + 1,
    };
    !run.windows(2).all(in_a_row)
}

/// Bytes as words, with [`SLACK`] behind them.
#[target_feature(enable = "avx2")]
fn widen(bytes: &[u8], words: &mut Vec<i16>) {
    words.resize(bytes.len() + SLACK, 0);
    let (whole, rest) = bytes.as_chunks::<16>();
    for (to, from) in words.chunks_exact_mut(16).zip(whole) {
        // SAFETY: sixteen bytes and sixteen words.
        unsafe {
            let codes = _mm256_cvtepu8_epi16(_mm_loadu_si128(from.as_ptr().cast()));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), codes);
        }
    }
    let done = 16 * whole.len();
    words[done..].iter_mut().zip(rest).for_each(|(to, &from)| *to = from.into());
}
