//! The product of weights with the pixels of an area, strip by strip.

#![allow(unsafe_code)]

use std::ops::Range;

use super::block::Target;
use super::column::{AT_ONCE, Column};
use super::left::Left;
use super::planes::Part;
use super::tile::{Bias, COLUMNS, ROWS, Tile};
use super::vector::Kernels;

/// Neighbouring lanes of a strip that are pixels of the result.
#[derive(Clone, Copy, Debug)]
struct Piece {
    lane: usize,
    length: usize,
    pixel: usize,
}

/// Panels of pixels that follow each other.
#[derive(Clone, Debug)]
struct Strip {
    /// Where they stand behind what a term reads for the first pixel.
    place: usize,
    /// How many.
    panels: usize,
    /// The first pixel of the result.
    pixel: usize,
    /// Of a single panel that is not whole.
    pieces: Range<usize>,
}

/// The strips of an area.
#[derive(Debug, Default)]
pub(super) struct Strips {
    strips: Vec<Strip>,
    pieces: Vec<Piece>,
}

/// Pixels of a panel that are rather computed one by one.
pub(super) const FEW: usize = 4;

/// Panels of weights that meet one strip after the other: they stay in the second cache.
const GROUP: usize = 24;

/// Where the terms stand for a place: `places[term]` behind `start`.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) start: *const f32,
    pub(super) places: &'a [usize],
    /// From one panel of a strip to the next.
    pub(super) panel: usize,
}

/// What multiplies an area.
#[derive(Clone)]
pub(super) struct Factor<'a> {
    pub(super) kernels: Kernels,
    pub(super) left: &'a Left,
    /// Of the left operand.
    pub(super) panels: Range<usize>,
    /// One for each row.
    pub(super) bias: Option<&'a [f32]>,
}

impl Strips {
    pub(super) fn clear(&mut self) {
        self.strips.clear();
        self.pieces.clear();
    }

    /// Sets the strips of an area of planes.
    pub(super) fn set(&mut self, part: &Part, most: usize) {
        self.clear();
        for (place, pixel) in part.rows() {
            self.add(place, pixel, part.area.counts[2], most);
        }
    }

    /// How many panels are computed.
    pub(super) fn panels(&self) -> usize {
        self.strips.iter().map(|strip| strip.panels).sum()
    }

    /// Adds packed panels, which lie `panel` elements apart, for the pixels from `pixel` on.
    pub(super) fn packed(&mut self, panel: usize, pixel: usize, count: usize) {
        let (whole, rest) = (count / COLUMNS, count % COLUMNS);
        if whole > 0 {
            self.strips.push(Strip { place: 0, panels: whole, pixel, pieces: 0..0 });
        }
        self.add(whole * panel, pixel + whole * COLUMNS, rest, 1);
    }

    /// Adds pixels that read side by side; behind the last one a whole panel may be read. `most` panels are one strip.
    pub(super) fn add(&mut self, place: usize, pixel: usize, count: usize, most: usize) {
        let mut done = self.join(place, pixel, count);
        while done + COLUMNS <= count {
            let panels = most.min((count - done) / COLUMNS);
            let (place, pixel) = (place + done, pixel + done);
            self.strips.push(Strip { place, panels, pixel, pieces: 0..0 });
            done += panels * COLUMNS;
        }
        if done < count {
            let (place, pixel) = (place + done, pixel + done);
            let pieces = self.pieces.len()..self.pieces.len() + 1;
            self.pieces.push(Piece { lane: 0, length: count - done, pixel });
            self.strips.push(Strip { place, panels: 1, pixel, pieces });
        }
    }

    /// Puts pixels into the last panel, where it reads them anyway; how many.
    fn join(&mut self, place: usize, pixel: usize, count: usize) -> usize {
        let Some(strip) = self.strips.last_mut().filter(|strip| !strip.pieces.is_empty()) else {
            return 0;
        };
        let Some(lane) = place.checked_sub(strip.place).filter(|&lane| lane < COLUMNS) else {
            return 0;
        };
        let length = count.min(COLUMNS - lane);
        self.pieces.push(Piece { lane, length, pixel });
        strip.pieces.end += 1;
        length
    }

    /// Sums the terms `terms` of the factor's panels times the strips; sums go on where `terms` does not start at 0, and
    /// are finished where it ends with the last.
    ///
    /// # Safety
    /// `source` has a place for each of the terms, and is readable there for whole panels, or for the pixels where a
    /// strip has no more than [`FEW`]. `target` is writable for the rows of the panels and the pixels.
    pub(super) unsafe fn multiply(
        &self,
        factor: &Factor,
        terms: Range<usize>,
        source: Source,
        target: Target,
    ) {
        assert_eq!(source.places.len(), terms.len(), "a place for each term");
        let bias = factor.bias.filter(|_| terms.end == factor.left.terms);
        let mut panels = factor.panels.clone();
        while !panels.is_empty() {
            let end = panels.end.min(panels.start + GROUP);
            let pass = Pass { factor, bias, terms: terms.clone(), source, target };
            for strip in &self.strips {
                let pieces = &self.pieces[strip.pieces.clone()];
                // SAFETY: as the caller promises.
                unsafe {
                    if pieces.is_empty() {
                        pass.whole(strip, panels.start..end);
                    } else if pieces.iter().map(|piece| piece.length).sum::<usize>() <= FEW {
                        pass.singly(strip, pieces, panels.start..end);
                    } else {
                        pass.broken(strip, pieces, panels.start..end);
                    }
                }
            }
            panels.start = end;
        }
    }
}

/// Some terms for some strips.
struct Pass<'a> {
    factor: &'a Factor<'a>,
    bias: Option<&'a [f32]>,
    terms: Range<usize>,
    source: Source<'a>,
    target: Target,
}

// SAFETY of each: as `Strips::multiply`, for the strip.
impl Pass<'_> {
    /// The tile for a panel of weights, and its first row and rows.
    unsafe fn tile(&self, strip: &Strip, panel: usize) -> (Tile, usize, usize) {
        let (first, rows, a) = self.factor.left.panel(panel, self.terms.start);
        let bias = self.bias.map_or(Bias::None, |bias| Bias::Rows(bias[first..][..rows].as_ptr()));
        let tile = Tile {
            a: a.as_ptr(),
            b: unsafe { self.source.start.add(strip.place) },
            places: self.source.places.as_ptr(),
            b_panel: self.source.panel,
            terms: self.terms.len(),
            c: unsafe { self.target.start.add(first * self.target.step + strip.pixel) },
            c_step: self.target.step,
            resumes: self.terms.start > 0,
            bias,
        };
        (tile, first, rows)
    }

    unsafe fn whole(&self, strip: &Strip, panels: Range<usize>) {
        for panel in panels {
            unsafe {
                let (tile, _, rows) = self.tile(strip, panel);
                tile.compute(self.factor.kernels, rows, strip.panels);
            }
        }
    }

    /// A panel of which only some lanes may be written: the rest stays aside.
    unsafe fn broken(&self, strip: &Strip, pieces: &[Piece], panels: Range<usize>) {
        for panel in panels {
            let mut sums = [0f32; ROWS * COLUMNS];
            unsafe {
                let (tile, first, rows) = self.tile(strip, panel);
                let row = |row: usize| self.target.start.add((first + row) * self.target.step);
                if tile.resumes {
                    for (i, sums) in sums.chunks_exact_mut(COLUMNS).enumerate().take(rows) {
                        for piece in pieces {
                            let sums = &mut sums[piece.lane..][..piece.length];
                            copy(row(i).add(piece.pixel), sums.as_mut_ptr(), sums.len());
                        }
                    }
                }
                let aside = Tile { c: sums.as_mut_ptr(), c_step: COLUMNS, ..tile };
                aside.compute(self.factor.kernels, rows, 1);
                for (i, sums) in sums.chunks_exact(COLUMNS).enumerate().take(rows) {
                    for piece in pieces {
                        let sums = &sums[piece.lane..][..piece.length];
                        copy(sums.as_ptr(), row(i).add(piece.pixel), sums.len());
                    }
                }
            }
        }
    }

    /// Pixel by pixel.
    unsafe fn singly(&self, strip: &Strip, pieces: &[Piece], panels: Range<usize>) {
        let pixels = pieces.iter().flat_map(|piece| {
            (0..piece.length).map(|i| (strip.place + piece.lane + i, piece.pixel + i))
        });
        for (place, pixel) in pixels {
            let mut rest = panels.clone();
            while !rest.is_empty() {
                let some = rest.start..rest.end.min(rest.start + AT_ONCE);
                rest.start = some.end;
                let column = Column {
                    left: self.factor.left,
                    panels: some,
                    terms: self.terms.clone(),
                    places: self.source.places.as_ptr(),
                    b: unsafe { self.source.start.add(place) },
                    bias: self.bias,
                    c: unsafe { self.target.start.add(pixel) },
                    c_step: self.target.step,
                };
                unsafe { column.compute(self.factor.kernels) };
            }
        }
    }
}

/// Copies up to two vectors, without a call of the library's function.
///
/// # Safety
/// `from` and `to` hold them.
#[inline]
pub(super) unsafe fn copy(from: *const f32, to: *mut f32, length: usize) {
    // SAFETY: as the caller promises; both ends overlap within the length.
    unsafe {
        match length {
            8..=16 => ends::<8>(from, to, length),
            4..8 => ends::<4>(from, to, length),
            2..4 => ends::<2>(from, to, length),
            _ => to.copy_from_nonoverlapping(from, length),
        }
    }
}

/// The first `N` elements and the last.
///
/// # Safety
/// `from` and `to` hold `length`, which is `N` to `2 · N`.
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const f32, to: *mut f32, length: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let first = from.cast::<[f32; N]>().read_unaligned();
        let last = from.add(length - N).cast::<[f32; N]>().read_unaligned();
        to.cast::<[f32; N]>().write_unaligned(first);
        to.add(length - N).cast::<[f32; N]>().write_unaligned(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_in_one_strip() {
        for (width, row) in [(1, 1), (1, 3), (7, 9), (14, 16), (40, 42), (100, 100), (3, 30)] {
            for most in [1, 4] {
                let mut strips = Strips::default();
                for y in 0..5 {
                    strips.add(y * row, y * width, width, most);
                }
                let mut found = Vec::new();
                for strip in &strips.strips {
                    let whole = (0..strip.panels * COLUMNS)
                        .map(|i| (strip.pixel + i, strip.place + i))
                        .filter(|_| strip.pieces.is_empty());
                    found.extend(whole);
                    for piece in &strips.pieces[strip.pieces.clone()] {
                        assert!(piece.lane + piece.length <= COLUMNS);
                        let pixels = (0..piece.length)
                            .map(|i| (piece.pixel + i, strip.place + piece.lane + i));
                        found.extend(pixels);
                    }
                }
                let expected: Vec<_> =
                    (0..5 * width).map(|at| (at, at / width * row + at % width)).collect();
                assert_eq!(found, expected, "{width} of {row}");
            }
        }
    }
}
