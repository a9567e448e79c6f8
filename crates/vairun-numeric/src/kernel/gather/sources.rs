//! Where the lines of a task lie: rows of codes, as they are stored and, where asked for, as words.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::panel::{Panel, piece};
use super::places::Places;
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::weights::{Element, Weights};

/// Codes behind a row that a step may read.
pub(in crate::kernel) const SLACK: usize = 16;

/// Channels below which all taps may be read as one row.
const FEW: usize = 16;

/// How lines read x.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Shape {
    element: Element,
    /// Channels of x, of all groups.
    pub(in crate::kernel) channels: usize,
    /// Taps of a line; all of them in a panel.
    pub(in crate::kernel) run: usize,
    /// Where there are few channels: all taps are copied side by side.
    pub(in crate::kernel) panel: Option<Panel>,
    /// Whether a block wants words of bytes.
    widen: bool,
    /// Zero points for a line, as they are stored and as words: what lies outside of x.
    zeros: Vec<u8>,
    zero_words: Vec<i16>,
}

/// What the products of a pixel take, in instructions.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernel) struct Cost {
    /// A step of all output channels.
    pub(in crate::kernel) step: usize,
    /// The begin of a line.
    pub(in crate::kernel) line: usize,
}

impl Cost {
    /// Whether one row of all taps, copied, takes fewer instructions than lines of `run` taps, each of which ends with a
    /// step that may not be full.
    fn copies_pay(self, weights: &Weights, run: usize) -> bool {
        let steps = |terms: usize| terms.div_ceil(weights.element.terms());
        let (lines, length) = (weights.taps / run, run * weights.channels);
        let saved = lines * steps(length) - steps(lines * length);
        let copy = lines * (6 + length * weights.element.bytes() / 8);
        self.step * saved + self.line * (lines - 1) > copy
    }
}

/// Rows of one task; kept for the next one, so that the memory is.
#[derive(Default)]
pub(in crate::kernel) struct Scratch {
    /// Pixels of x without gaps.
    dense: Vec<u8>,
    /// Of each pixel of the result, all that it reads.
    panel: Vec<u8>,
    /// Broken lines, one after the other.
    pieces: Vec<u8>,
    /// Codes as words: of x or of the panel, and of the broken lines.
    words: Vec<i16>,
    piece_words: Vec<i16>,
    stored_rows: Vec<*const u8>,
    word_rows: Vec<*const i16>,
}

/// Some pixels of x.
#[derive(Clone, Copy)]
struct Band<'a> {
    codes: &'a [u8],
    /// The first of them.
    start: usize,
    /// Bytes from one to the next.
    stride: usize,
}

impl Shape {
    /// `groups` have `channels` channels of x each; `zero` is the stored code of 0.
    pub(in crate::kernel) fn new(
        groups: &[Weights],
        channels: usize,
        rows: &Rows,
        zero: i32,
        cost: Cost,
    ) -> Self {
        let element = groups[0].element;
        // Only all channels of a pixel are followed by those of the next one.
        let run = if groups.len() > 1 { 1 } else { rows.run };
        let copies =
            groups.len() == 1 && (1..FEW).contains(&channels) && cost.copies_pay(&groups[0], run);
        let panel = copies.then(|| Panel::new(element, channels, rows, zero));
        let run = if copies { rows.taps } else { run };
        let channels = groups.len() * channels;
        let zeros = element.repeated(zero, run * channels + SLACK);
        Self { element, channels, run, panel, widen: false, zeros, zero_words: vec![] }
    }

    /// With bytes as words too.
    pub(in crate::kernel) fn widened(self) -> Self {
        let zero_words = self.zeros.iter().map(|&zero| zero.into()).collect();
        Self { widen: true, zero_words, ..self }
    }

    /// Where lines of this shape lie, for tiles of up to `size` pixels.
    pub(in crate::kernel) fn places(&self, rows: &Rows, size: usize) -> Places {
        match self.panel {
            Some(_) => Places::of_panel(rows, size),
            None => Places::new(rows, self.run, size),
        }
    }

    /// Bytes of a pixel of x.
    fn pixel(&self) -> usize {
        self.channels * self.element.bytes()
    }
}

impl Scratch {
    /// Finds the rows of some tiles, `[tile, line, pixel of the tile]`.
    ///
    /// # Safety
    /// `x` is an image that `rows` may read, with 4 bytes behind it; the places are theirs; the CPU has AVX2.
    pub(in crate::kernel) unsafe fn fill(
        &mut self,
        shape: &Shape,
        (rows, places): (&Rows, &Places),
        x: Image,
        tiles: Range<usize>,
    ) {
        let pixels = places.tiles.pixels(tiles.clone());
        let copies = (shape.panel.is_some() || places.run > 1) && x.stride != shape.pixel();
        let (start, count) = match copies || shape.widen {
            // SAFETY: the CPU has AVX2.
            true => unsafe {
                let inside = match shape.panel {
                    Some(_) => inside(rows.of(pixels.clone())),
                    None => places.inside(tiles.clone()),
                };
                (inside.start, inside.len())
            },
            false => (0, rows.input),
        };
        let bytes = match count {
            0 => 0,
            count => (count - 1) * x.stride + shape.pixel(),
        };
        // SAFETY: these pixels are of x.
        let codes =
            unsafe { std::slice::from_raw_parts((x.start + start * x.stride) as *const u8, bytes) };
        let mut dense = std::mem::take(&mut self.dense);
        let band = match copies {
            true => Band {
                codes: copied(codes, x.stride, shape.pixel(), &mut dense),
                start,
                stride: shape.pixel(),
            },
            false => Band { codes, start, stride: x.stride },
        };
        match &shape.panel {
            Some(panel) => {
                panel.fill(
                    band.codes,
                    start,
                    rows.of(pixels.clone()),
                    pixels.clone(),
                    &mut self.panel,
                );
                // SAFETY: the CPU has AVX2.
                unsafe { self.point_into_panel(shape, panel.length(), pixels.len()) };
            }
            // SAFETY: as the caller promises.
            None => unsafe { self.point_into_image(shape, places, band, tiles) },
        }
        self.dense = dense;
    }

    /// The rows of the tiles: of codes as they are stored, and as words where a block wants them.
    pub(in crate::kernel) fn rows(&self) -> (*const *const u8, *const *const i16) {
        (self.stored_rows.as_ptr(), self.word_rows.as_ptr())
    }

    /// The first `count` rows of codes as they are stored.
    pub(in crate::kernel) fn stored(&self, count: usize) -> &[*const u8] {
        &self.stored_rows[..count]
    }

    #[target_feature(enable = "avx2")]
    fn point_into_panel(&mut self, shape: &Shape, length: usize, pixels: usize) {
        let panel = &self.panel[..pixels * length];
        let rows = panel.chunks_exact(length);
        self.stored_rows.clear();
        self.stored_rows.extend(rows.map(<[u8]>::as_ptr));
        match shape.element {
            Element::Word => self.words_are_stored(pixels),
            Element::Byte if shape.widen => {
                widen(panel, &mut self.words);
                let rows = self.words.chunks_exact(length).take(pixels);
                self.word_rows.clear();
                self.word_rows.extend(rows.map(<[i16]>::as_ptr));
            }
            Element::Byte => {}
        }
    }

    /// # Safety
    /// As [`Scratch::fill`].
    #[target_feature(enable = "avx2")]
    unsafe fn point_into_image(
        &mut self,
        shape: &Shape,
        places: &Places,
        band: Band,
        tiles: Range<usize>,
    ) {
        let table = places.of(tiles.clone());
        let lines = Lines { table, start: band.start, stride: band.stride };
        let pieces = self.break_lines(shape, places, band, tiles.clone());
        let broken = || places.broken(tiles.clone()).map(|(line, _)| line);
        lines.point(band.codes.as_ptr(), shape.zeros.as_ptr(), &mut self.stored_rows);
        lines.replace(broken(), self.pieces.as_ptr(), pieces, &mut self.stored_rows);
        match shape.element {
            Element::Word => self.words_are_stored(table.len()),
            Element::Byte if shape.widen => {
                widen(band.codes, &mut self.words);
                widen(&self.pieces[..pieces * broken().len()], &mut self.piece_words);
                lines.point(self.words.as_ptr(), shape.zero_words.as_ptr(), &mut self.word_rows);
                lines.replace(broken(), self.piece_words.as_ptr(), pieces, &mut self.word_rows);
            }
            Element::Byte => {}
        }
    }

    /// Copies the broken lines tap by tap; gives the bytes from one to the next.
    #[target_feature(enable = "avx2")]
    fn break_lines(
        &mut self,
        shape: &Shape,
        places: &Places,
        band: Band,
        tiles: Range<usize>,
    ) -> usize {
        let (pixel, broken) = (shape.pixel(), places.broken(tiles));
        let length = places.run * pixel + SLACK;
        grow(&mut self.pieces, broken.len() * length);
        for (out, (_, taps)) in self.pieces.chunks_exact_mut(length).zip(broken) {
            piece((band.codes, band.start, pixel), taps, &shape.zeros, out);
        }
        length
    }

    /// Codes of 16 bits are words as they are stored.
    fn words_are_stored(&mut self, count: usize) {
        let rows = self.stored_rows[..count].iter().map(|row| row.cast::<i16>());
        self.word_rows.clear();
        self.word_rows.extend(rows);
    }
}

/// Places in x, whose pixel `start` comes first, one every `stride` elements.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Lines<'a> {
    /// As [`Places::table`].
    pub(in crate::kernel) table: &'a [u32],
    pub(in crate::kernel) start: usize,
    pub(in crate::kernel) stride: usize,
}

impl Lines<'_> {
    /// Where they lie: at `zeros` where they are outside of x.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in crate::kernel) fn point<T>(
        self,
        first: *const T,
        zeros: *const T,
        rows: &mut Vec<*const T>,
    ) {
        if rows.len() < self.table.len() {
            rows.resize(self.table.len(), zeros);
        }
        let first = first.wrapping_sub(self.start * self.stride);
        // Numbers of 32 bits: their products are one instruction.
        let stride = self.stride as u32;
        for (row, &at) in rows.iter_mut().zip(self.table) {
            let inside = first.wrapping_add((u64::from(at) * u64::from(stride)) as usize);
            *row = if at >= Places::BROKEN { zeros } else { inside };
        }
    }

    /// Puts copies in the places of broken lines.
    fn replace<T>(
        self,
        broken: impl Iterator<Item = usize>,
        first: *const T,
        length: usize,
        rows: &mut [*const T],
    ) {
        broken.enumerate().for_each(|(i, line)| rows[line] = first.wrapping_add(i * length));
    }
}

/// The pixels of x from the first to the last of a table of rows.
#[target_feature(enable = "avx2")]
pub(in crate::kernel) fn inside(table: &[u32]) -> Range<usize> {
    // The largest number stands for no pixel: one more is 0.
    let last = table.iter().fold(0, |last, at| at.wrapping_add(1).max(last));
    let first = table.iter().fold(u32::MAX, |first, &at| at.min(first));
    first.min(last) as usize..last as usize
}

/// The pixels of a band without gaps between them.
fn copied<'a>(band: &[u8], stride: usize, pixel: usize, dense: &'a mut Vec<u8>) -> &'a [u8] {
    let count = band.len().div_ceil(stride) * pixel;
    grow(dense, count + SLACK);
    for (to, from) in dense.chunks_exact_mut(pixel).zip(band.chunks(stride)) {
        to.copy_from_slice(&from[..pixel]);
    }
    &dense[..count + SLACK]
}

/// Room for so many elements at least; what they are does not matter.
pub(in crate::kernel) fn grow<T: Copy + Default>(buffer: &mut Vec<T>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
}

/// Bytes as words, with [`SLACK`] behind them.
#[target_feature(enable = "avx2")]
pub(in crate::kernel) fn widen(bytes: &[u8], words: &mut Vec<i16>) {
    grow(words, bytes.len() + SLACK);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_not_inside() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        // SAFETY: the CPU has AVX2.
        let inside = |table: &[u32]| unsafe { inside(table) };
        assert_eq!(inside(&[Rows::PADDING, 4, 0, 15]), 0..16);
        assert_eq!(inside(&[Rows::PADDING; 3]), 0..0);
    }
}
