//! Few channels: all that a pixel of the result reads is copied side by side, so that no step is half empty.

use std::ops::Range;

use super::sources::{SLACK, grow};
use crate::kernel::rows::Rows;
use crate::kernel::weights::Element;

/// Bytes that are copied at once, and so may be written behind a panel.
const CHUNK: usize = 16;

/// Where runs of taps lie.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Panel {
    /// Taps of a run.
    run: usize,
    /// Of each pixel of the result and run of taps: its first pixel of x, where the others follow it.
    starts: Vec<u32>,
    /// Bytes of a pixel of x.
    pixel: usize,
    /// Bytes of a row: a pixel of x for each tap, and what may be written behind.
    length: usize,
    /// Codes of zero for a run.
    zeros: Vec<u8>,
}

/// A run that does not lie in x in one piece.
const BROKEN: u32 = u32::MAX;

impl Panel {
    /// `channels` codes of x for each tap.
    pub(in crate::kernel) fn new(
        element: Element,
        channels: usize,
        rows: &Rows,
        zero: i32,
    ) -> Self {
        let start = |run: &[u32]| {
            let follows = |pair: &[u32]| pair[0] != Rows::PADDING && pair[1] == pair[0] + 1;
            let whole = run[0] != Rows::PADDING && run.windows(2).all(follows);
            if whole { run[0] } else { BROKEN }
        };
        let pixel = channels * element.bytes();
        Self {
            run: rows.run,
            starts: rows.table.chunks_exact(rows.run).map(start).collect(),
            pixel,
            length: (rows.taps * pixel + CHUNK + SLACK).next_multiple_of(CHUNK),
            zeros: element.repeated(zero, rows.run * channels),
        }
    }

    /// Bytes from one row to the next.
    pub(in crate::kernel) fn length(&self) -> usize {
        self.length
    }

    /// Writes the rows of some pixels; `x` starts with pixel `start`, `table` are their places in it.
    pub(in crate::kernel) fn fill(
        &self,
        x: &[u8],
        start: usize,
        table: &[u32],
        pixels: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        grow(out, pixels.len() * self.length);
        let runs = table.len() / pixels.len() / self.run;
        let starts = &self.starts[pixels.start * runs..pixels.end * runs];
        let rows = out.chunks_exact_mut(self.length).zip(starts.chunks_exact(runs));
        for ((row, starts), taps) in rows.zip(table.chunks_exact(runs * self.run)) {
            let bytes = self.run * self.pixel;
            for (i, (&at, taps)) in starts.iter().zip(taps.chunks_exact(self.run)).enumerate() {
                let row = &mut row[i * bytes..];
                match at {
                    BROKEN => piece((x, start, self.pixel), taps, &self.zeros, row),
                    at => copy(row, &x[(at as usize - start) * self.pixel..], bytes),
                }
            }
        }
    }
}

/// Writes the pixels of some taps side by side. Of `x`, the bytes, the first pixel and the bytes of each; `zeros` are as many
/// pixels of zero points as there are taps.
pub(in crate::kernel) fn piece(
    (x, start, pixel): (&[u8], usize, usize),
    taps: &[u32],
    zeros: &[u8],
    mut out: &mut [u8],
) {
    let together = |a: &u32, b: &u32| match *a {
        Rows::PADDING => *b == Rows::PADDING,
        at => *b == at + 1,
    };
    for taps in taps.chunk_by(together) {
        let count = taps.len() * pixel;
        let from = match taps[0] {
            Rows::PADDING => zeros,
            at => &x[(at as usize - start) * pixel..],
        };
        let (to, rest) = out.split_at_mut(count);
        to.copy_from_slice(&from[..count]);
        out = rest;
    }
}

/// Copies `count` bytes; few of them, and some behind them, as whole chunks where both slices have those.
#[inline]
fn copy(to: &mut [u8], from: &[u8], count: usize) {
    match (to.as_chunks_mut::<CHUNK>().0, from.as_chunks::<CHUNK>().0) {
        ([to, ..], [from, ..]) if count <= CHUNK => *to = *from,
        ([to, next, ..], [from, then, ..]) if count <= 2 * CHUNK => (*to, *next) = (*from, *then),
        _ => to[..count].copy_from_slice(&from[..count]),
    }
}
