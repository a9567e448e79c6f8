//! Which pixels of x the tiles read, found once for all runs.

#![allow(unsafe_code)]

use std::ops::Range;

use super::sources::inside;
use crate::kernel::rows::Rows;

/// Pixels in tiles of nearly one size.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernel) struct Tiles {
    pub(in crate::kernel) count: usize,
    /// Pixels of a tile; the first `larger` ones have one more.
    size: usize,
    larger: usize,
}

impl Tiles {
    /// `most` pixels in a tile at most.
    pub(in crate::kernel) fn of(pixels: usize, most: usize) -> Self {
        let count = pixels.div_ceil(most);
        let size = pixels.checked_div(count).unwrap_or(0);
        Self { count, size, larger: pixels - count * size }
    }

    /// The first pixel of tile `i`, or where the last tile ends.
    pub(in crate::kernel) fn start(self, i: usize) -> usize {
        i * self.size + i.min(self.larger)
    }

    /// The pixels of some tiles.
    pub(in crate::kernel) fn pixels(self, tiles: Range<usize>) -> Range<usize> {
        self.start(tiles.start)..self.start(tiles.end)
    }

    /// How many of the first tiles have one pixel more than the others.
    pub(in crate::kernel) fn larger(self) -> usize {
        self.larger
    }

    /// How many pixels tile `i` has.
    #[inline]
    pub(in crate::kernel) fn size(self, i: usize) -> usize {
        self.size + usize::from(i < self.larger)
    }
}

/// The pixels of x that a product reads.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Places {
    pub(in crate::kernel) tiles: Tiles,
    /// Taps that are read as one line where their pixels of x lie side by side, and how many lines a pixel has.
    pub(in crate::kernel) run: usize,
    pub(in crate::kernel) lines: usize,
    /// The first pixel of x of each line, `[tile, line, pixel of the tile]`; [`Places::NONE`] for a line in the padding,
    /// [`Places::BROKEN`] for one whose pixels do not lie side by side.
    pub(in crate::kernel) table: Vec<u32>,
    /// Where the table has a broken line, and the taps of these lines, one line after the other.
    broken: Vec<u32>,
    taps: Vec<u32>,
}

impl Places {
    pub(in crate::kernel) const NONE: u32 = Rows::PADDING;
    /// No pixel: [`Rows`] have fewer.
    pub(in crate::kernel) const BROKEN: u32 = Rows::PADDING - 1;

    /// Lines of `run` taps, for tiles of up to `most` pixels.
    pub(in crate::kernel) fn new(rows: &Rows, run: usize, most: usize) -> Self {
        let (tiles, lines) = (Tiles::of(rows.pixels(), most), rows.taps / run);
        let mut table = Vec::with_capacity(rows.reads() / run);
        let (mut broken, mut taps) = (vec![], vec![]);
        for tile in 0..tiles.count {
            for line in 0..lines {
                for pixel in tiles.pixels(tile..tile + 1) {
                    let of_line = &rows.table[pixel * rows.taps + line * run..][..run];
                    let place = line_of(of_line);
                    if place == Self::BROKEN {
                        broken.push(table.len() as u32);
                        taps.extend_from_slice(of_line);
                    }
                    table.push(place);
                }
            }
        }
        Self { tiles, run, lines, table, broken, taps }
    }

    /// Where all taps of a pixel are one line, which is copied.
    pub(in crate::kernel) fn of_panel(rows: &Rows, most: usize) -> Self {
        let tiles = Tiles::of(rows.pixels(), most);
        let (table, broken, taps) = Default::default();
        Self { tiles, run: rows.taps, lines: 1, table, broken, taps }
    }

    /// The lines of some tiles.
    pub(in crate::kernel) fn of(&self, tiles: Range<usize>) -> &[u32] {
        let Range { start, end } = self.tiles.pixels(tiles);
        &self.table[start * self.lines..end * self.lines]
    }

    /// The broken lines of some tiles: which of their lines, and the taps.
    pub(in crate::kernel) fn broken(
        &self,
        tiles: Range<usize>,
    ) -> impl ExactSizeIterator<Item = (usize, &[u32])> {
        let Range { start, end } = self.tiles.pixels(tiles);
        let first = start * self.lines;
        let before = |pixel: usize| {
            self.broken.partition_point(|&line| (line as usize) < pixel * self.lines)
        };
        let (from, to) = (before(start), before(end));
        let taps = self.taps[from * self.run..to * self.run].chunks_exact(self.run);
        self.broken[from..to].iter().map(move |&line| line as usize - first).zip(taps)
    }

    /// The pixels of x from the first to the last that some tiles read.
    #[target_feature(enable = "avx2")]
    pub(in crate::kernel) fn inside(&self, tiles: Range<usize>) -> Range<usize> {
        let lines = self.of(tiles.clone());
        let first = lines.iter().fold(u32::MAX, |first, &at| at.min(first));
        // The two numbers that stand for no pixel become 0 and 1.
        let last = lines.iter().fold(0, |last, &at| at.wrapping_add(2).max(last));
        let whole = if last < 2 { 0..0 } else { first as usize..last as usize - 2 + self.run };
        let broken = self.broken(tiles).map(|(_, taps)| inside(taps));
        broken.fold(whole, |all, part| match (all.is_empty(), part.is_empty()) {
            (true, _) => part,
            (_, true) => all,
            _ => all.start.min(part.start)..all.end.max(part.end),
        })
    }
}

/// The place of a line of taps.
fn line_of(taps: &[u32]) -> u32 {
    let follows = |pair: &[u32]| pair[0] != Rows::PADDING && pair[1] == pair[0] + 1;
    match taps {
        [first, ..] if taps.windows(2).all(follows) => *first,
        _ if taps.iter().all(|&at| at == Rows::PADDING) => Places::NONE,
        _ => Places::BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contraction::{ConvGeometry, Window};

    const PIXELS: usize = 5;

    fn rows(input: usize, pad: usize) -> Rows {
        let window = Window {
            input,
            kernel: 3,
            stride: 1,
            dilation: 1,
            pad_begin: pad,
            pad_end: pad,
            output_padding: 0,
        };
        let windows = vec![window; 2];
        Rows::conv(&ConvGeometry { batch: 1, channels: 1, out_channels: 1, groups: 1, windows })
            .unwrap()
    }

    #[test]
    fn tiles_cover_all_pixels_and_differ_by_one() {
        for pixels in 0..60 {
            let tiles = Tiles::of(pixels, PIXELS);
            let sizes: Vec<_> = (0..tiles.count).map(|i| tiles.size(i)).collect();
            assert_eq!((sizes.iter().sum::<usize>(), tiles.start(tiles.count)), (pixels, pixels));
            assert!(sizes.iter().all(|&size| (1..=PIXELS).contains(&size) && sizes[0] - size < 2));
        }
    }

    #[test]
    fn taps_side_by_side_are_one_line() {
        let places = Places::new(&rows(4, 0), 3, PIXELS);
        assert_eq!(places.table, [0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13][..]);
        assert_eq!(places.broken(0..1).count(), 0);
    }

    #[test]
    fn lines_at_the_rim_are_in_the_padding_or_broken() {
        let rows = rows(2, 1);
        let places = Places::new(&rows, 3, PIXELS);
        assert!(places.table.iter().all(|&at| at >= Places::BROKEN));
        let broken: Vec<_> = places.broken(0..1).collect();
        assert_eq!(broken.len(), 8);
        for (line, taps) in broken {
            assert_eq!(places.table[line], Places::BROKEN);
            assert_eq!(taps.iter().filter(|&&at| at != Rows::PADDING).count(), 2);
        }
    }

    #[test]
    fn the_pixels_inside_are_those_of_whole_and_of_broken_lines() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        for (input, pad, run) in [(2, 1, 3), (9, 1, 3), (9, 0, 3), (7, 2, 1)] {
            let rows = rows(input, pad);
            let places = Places::new(&rows, run, PIXELS);
            for tile in 0..places.tiles.count {
                let pixels = places.tiles.pixels(tile..tile + 1);
                let taps = &rows.table[9 * pixels.start..9 * pixels.end];
                // SAFETY: the CPU has AVX2.
                let [found, expected] = unsafe { [places.inside(tile..tile + 1), inside(taps)] };
                assert_eq!(found, expected, "tile {tile} of {input} with {pad}");
            }
        }
    }
}
