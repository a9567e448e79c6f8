//! Where the pixels of a task lie: rows of codes for each tap, as they are stored and, where asked for, as words.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::panel::Panel;
use super::tile::{PIXELS, Sources};
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::weights::Element;

/// Codes behind a row that a step may read.
pub(super) const SLACK: usize = 16;

/// How taps read x.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) element: Element,
    /// Channels of x, of all groups.
    pub(super) channels: usize,
    pub(super) zero: i32,
    /// Whether a block wants words of bytes.
    pub(super) widen: bool,
    /// Where there are few channels: all taps are copied side by side.
    pub(super) panel: Option<Panel>,
}

/// Rows of one task; kept for the next one, so that the memory is.
#[derive(Default)]
pub(super) struct Scratch {
    /// Pixels of x without gaps.
    dense: Vec<u8>,
    /// Of each pixel of the result, all that it reads.
    panel: Vec<u8>,
    /// Codes as words: of x or of the panel.
    words: Vec<i16>,
    /// Zero points: what lies outside of x.
    zeros: Vec<u8>,
    zero_words: Vec<i16>,
    stored_rows: Vec<*const u8>,
    word_rows: Vec<*const i16>,
}

/// Pixels in tiles of nearly one size. A tile of few channels takes as long as a division: there is one for all.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) count: usize,
    /// Pixels of a tile; the first `larger` ones have one more.
    size: usize,
    larger: usize,
}

impl Tiles {
    pub(super) fn of(pixels: usize) -> Self {
        let count = pixels.div_ceil(PIXELS);
        let size = pixels.checked_div(count).unwrap_or(0);
        Self { count, size, larger: pixels - count * size }
    }

    /// The first pixel of tile `i`, or where the last tile ends.
    pub(super) fn start(self, i: usize) -> usize {
        i * self.size + i.min(self.larger)
    }

    fn range(self, i: usize) -> Range<usize> {
        self.start(i)..self.start(i + 1)
    }
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
        let pixel = shape.channels * shape.element.bytes();
        let copies = shape.panel.is_some() && x.stride != pixel;
        let inside = match copies || (shape.widen && shape.panel.is_none()) {
            // SAFETY: the CPU has AVX2.
            true => unsafe { inside(table) },
            false => 0..rows.input,
        };
        let (start, count) = (inside.start, inside.len());
        self.stored_rows.clear();
        self.word_rows.clear();
        let stored = (x.start + start * x.stride) as *const u8;
        let bytes = match count {
            0 => 0,
            count => (count - 1) * x.stride + pixel,
        };
        // SAFETY: these pixels are of x.
        let band = unsafe { std::slice::from_raw_parts(stored, bytes) };
        match &shape.panel {
            Some(panel) => {
                let dense = panel.dense(band, x.stride, pixel, &mut self.dense);
                panel.fill(dense, start, table, first..first + pixels, &mut self.panel);
                // SAFETY: the CPU has AVX2.
                unsafe { self.point_into_panel(shape, pixels) };
            }
            // SAFETY: the CPU has AVX2.
            None => unsafe {
                self.point_into_image(shape, (band, x.stride, start), table, rows.taps)
            },
        }
    }

    /// The rows of some pixels, and how many these are.
    pub(super) fn rows(&self, taps: usize, tile: Range<usize>, offset: usize) -> Sources<'_> {
        let range = tile.start * taps..tile.end * taps;
        let words = if self.word_rows.is_empty() { &[] } else { &self.word_rows[range.clone()] };
        Sources { pixels: tile.len(), stored: &self.stored_rows[range], words, offset }
    }

    #[target_feature(enable = "avx2")]
    fn point_into_panel(&mut self, shape: &Shape, pixels: usize) {
        let length = self.panel.len() / pixels;
        self.stored_rows.extend(self.panel.chunks_exact(length).map(<[u8]>::as_ptr));
        if shape.element == Element::Word {
            self.word_rows.extend(self.stored_rows.iter().map(|row| row.cast::<i16>()));
        } else if shape.widen {
            widen(&self.panel, &mut self.words);
            let rows = self.words.chunks_exact(length).take(pixels);
            self.word_rows.extend(rows.map(<[i16]>::as_ptr));
        }
    }

    /// Of pixels of x, the bytes from one to the next and the first of them.
    #[target_feature(enable = "avx2")]
    fn point_into_image(
        &mut self,
        shape: &Shape,
        (band, stride, start): (&[u8], usize, usize),
        table: &[u32],
        taps: usize,
    ) {
        self.zeros.clear();
        let zeros = shape.channels + SLACK;
        match shape.element {
            Element::Byte => self.zeros.resize(zeros, shape.zero as u8),
            Element::Word => {
                let zero = (shape.zero as i16).to_le_bytes().into_iter();
                self.zeros.extend(zero.cycle().take(2 * zeros));
            }
        }
        let places = Places { table, taps, start, stride };
        places.point(band.as_ptr(), self.zeros.as_ptr(), &mut self.stored_rows);
        if shape.element == Element::Word {
            self.word_rows.extend(self.stored_rows.iter().map(|row| row.cast::<i16>()));
        } else if shape.widen {
            widen(&self.zeros, &mut self.zero_words);
            widen(band, &mut self.words);
            places.point(self.words.as_ptr(), self.zero_words.as_ptr(), &mut self.word_rows);
        }
    }
}

/// Pixels `[pixel, tap]` of x, whose pixel `start` comes first, one every `stride` elements.
struct Places<'a> {
    table: &'a [u32],
    taps: usize,
    start: usize,
    stride: usize,
}

impl Places<'_> {
    /// Where they lie, `[tile, tap, pixel of the tile]`.
    ///
    /// Written as one store for each pixel: with small channels this takes as long as the products.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn point<T>(&self, first: *const T, zeros: *const T, rows: &mut Vec<*const T>) {
        rows.clear();
        rows.resize(self.table.len(), zeros);
        let pixels = self.table.len() / self.taps;
        let mut rows = rows.as_mut_slice();
        let tiles = Tiles::of(pixels);
        for i in 0..tiles.count {
            let range = tiles.range(i);
            let table = &self.table[range.start * self.taps..range.end * self.taps];
            for tap in 0..self.taps {
                let (row, rest) = std::mem::take(&mut rows).split_at_mut(range.len());
                rows = rest;
                for (row, pixel) in row.iter_mut().zip(table.chunks_exact(self.taps)) {
                    let at = pixel[tap];
                    let place = (at as usize).wrapping_sub(self.start).wrapping_mul(self.stride);
                    *row = if at == Rows::PADDING { zeros } else { first.wrapping_add(place) };
                }
            }
        }
    }
}

/// The pixels of x from the first to the last of a table.
#[target_feature(enable = "avx2")]
pub(super) fn inside(table: &[u32]) -> Range<usize> {
    // The largest number stands for no pixel: one more is 0.
    let last = table.iter().fold(0, |last, at| at.wrapping_add(1).max(last));
    let first = table.iter().fold(u32::MAX, |first, &at| at.min(first));
    first.min(last) as usize..last as usize
}

/// Bytes as words, with [`SLACK`] behind them.
#[target_feature(enable = "avx2")]
pub(super) fn widen(bytes: &[u8], words: &mut Vec<i16>) {
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
