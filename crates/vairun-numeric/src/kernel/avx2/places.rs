//! Which pixels of x the tiles read, found once for all runs.

use std::ops::Range;

use super::tile::PIXELS;
use crate::kernel::rows::Rows;

/// Pixels in tiles of nearly one size.
#[derive(Clone, Copy, Debug)]
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

    /// The pixels of some tiles.
    pub(super) fn pixels(self, tiles: Range<usize>) -> Range<usize> {
        self.start(tiles.start)..self.start(tiles.end)
    }

    /// How many pixels tile `i` has.
    #[inline]
    pub(super) fn size(self, i: usize) -> usize {
        self.size + usize::from(i < self.larger)
    }
}

/// The pixels of x that a product reads.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Places {
    pub(super) tiles: Tiles,
    /// Taps that are read as one line where their pixels of x lie side by side, and how many lines a pixel has.
    pub(super) run: usize,
    pub(super) lines: usize,
    /// The first pixel of x of each line, `[tile, line, pixel of the tile]`; [`Places::NONE`] for a line in the padding,
    /// [`Places::BROKEN`] for one whose pixels do not lie side by side.
    pub(super) table: Vec<u32>,
    /// Where the table has a broken line, and where its taps stand in the table of rows.
    broken: Vec<[u32; 2]>,
}

impl Places {
    pub(super) const NONE: u32 = Rows::PADDING;
    /// No pixel: [`Rows`] have fewer.
    pub(super) const BROKEN: u32 = Rows::PADDING - 1;

    /// Lines of `run` taps.
    pub(super) fn new(rows: &Rows, run: usize) -> Self {
        let (tiles, lines) = (Tiles::of(rows.pixels()), rows.taps / run);
        let (mut table, mut broken) = (Vec::with_capacity(rows.table.len() / run), vec![]);
        for tile in 0..tiles.count {
            for line in 0..lines {
                for pixel in tiles.pixels(tile..tile + 1) {
                    let first = pixel * rows.taps + line * run;
                    let place = line_of(&rows.table[first..first + run]);
                    if place == Self::BROKEN {
                        broken.push([table.len() as u32, first as u32]);
                    }
                    table.push(place);
                }
            }
        }
        Self { tiles, run, lines, table, broken }
    }

    /// Where all taps of a pixel are one line, which is copied.
    pub(super) fn of_panel(rows: &Rows) -> Self {
        let tiles = Tiles::of(rows.pixels());
        Self { tiles, run: rows.taps, lines: 1, table: vec![], broken: vec![] }
    }

    /// The lines of some tiles.
    pub(super) fn of(&self, tiles: Range<usize>) -> &[u32] {
        let Range { start, end } = self.tiles.pixels(tiles);
        &self.table[start * self.lines..end * self.lines]
    }

    /// The broken lines of some tiles: which of their lines, and where the taps stand in the table of rows.
    pub(super) fn broken(
        &self,
        tiles: Range<usize>,
    ) -> impl ExactSizeIterator<Item = (usize, usize)> {
        let Range { start, end } = self.tiles.pixels(tiles);
        let before = |pixel: usize| {
            self.broken.partition_point(|&[line, _]| (line as usize) < pixel * self.lines)
        };
        let lines = self.broken[before(start)..before(end)].iter();
        lines.map(move |&[line, taps]| (line as usize - start * self.lines, taps as usize))
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
            let tiles = Tiles::of(pixels);
            let sizes: Vec<_> = (0..tiles.count).map(|i| tiles.size(i)).collect();
            assert_eq!((sizes.iter().sum::<usize>(), tiles.start(tiles.count)), (pixels, pixels));
            assert!(sizes.iter().all(|&size| (1..=PIXELS).contains(&size) && sizes[0] - size < 2));
        }
    }

    #[test]
    fn taps_side_by_side_are_one_line() {
        let places = Places::new(&rows(4, 0), 3);
        assert_eq!(places.table, [0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13][..]);
        assert_eq!(places.broken(0..1).count(), 0);
    }

    #[test]
    fn lines_at_the_rim_are_in_the_padding_or_broken() {
        let rows = rows(2, 1);
        let places = Places::new(&rows, 3);
        assert!(places.table.iter().all(|&at| at >= Places::BROKEN));
        let broken: Vec<_> = places.broken(0..1).collect();
        assert_eq!(broken.len(), 8);
        for (line, taps) in broken {
            assert_eq!(places.table[line], Places::BROKEN);
            assert_eq!(
                rows.table[taps..taps + 3].iter().filter(|&&at| at != Rows::PADDING).count(),
                2
            );
        }
    }
}
