//! Panels of pixels: what the taps read for some pixels of a result, packed from the planes of x.

#![allow(unsafe_code)]

use std::ops::Range;

use super::planes::Part;
use super::tile::COLUMNS;

/// Elements that a piece copies.
const PIECE: usize = 8;

/// Neighbouring elements of a term.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: usize,
    to: usize,
    /// At most [`PIECE`]; where there is room, a whole piece is copied and the next one writes over what is too much.
    length: usize,
}

/// How each term of some panels is copied from the planes.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// The end of what whole pieces read.
    reach: usize,
}

/// Elements behind the last term of a panel that whole pieces may write to.
pub(super) const SLACK: usize = PIECE;

impl Pieces {
    /// Of these pixels, in panels that lie `panel` elements apart.
    pub(super) fn set(&mut self, part: &Part, pixels: Range<usize>, panel: usize) {
        let Range { start: first, end } = pixels;
        self.pieces.clear();
        let mut pixel = first;
        while pixel < end {
            let from = part.place(pixel);
            let stop = part.run(pixel).saturating_add(pixel).min(end);
            let start = pixel;
            while pixel < stop {
                let at = pixel - first;
                let length = PIECE.min(stop - pixel).min(COLUMNS - at % COLUMNS);
                let to = at / COLUMNS * panel + at % COLUMNS;
                self.pieces.push(Piece { from: from + (pixel - start), to, length });
                pixel += length;
            }
        }
        self.reach = self.pieces.iter().map(|piece| piece.from + PIECE).max().unwrap_or(0);
    }

    /// Copies one term: `x` starts at its shift.
    ///
    /// # Panics
    /// Where a piece is not within `x`.
    ///
    /// # Safety
    /// `to` holds the panels from the term on, and [`SLACK`] elements behind each.
    #[inline]
    pub(super) unsafe fn copy(&self, x: &[f32], to: *mut f32) {
        if self.reach <= x.len() {
            for piece in &self.pieces {
                // SAFETY: `reach` is the end of the last whole piece; the target is the caller's promise.
                unsafe {
                    let piece8 = x.as_ptr().add(piece.from).cast::<[f32; PIECE]>().read_unaligned();
                    to.add(piece.to).cast::<[f32; PIECE]>().write_unaligned(piece8);
                }
            }
            return;
        }
        for piece in &self.pieces {
            let from = &x[piece.from..][..piece.length];
            // SAFETY: the target is the caller's promise.
            unsafe { to.add(piece.to).copy_from_nonoverlapping(from.as_ptr(), piece.length) };
        }
    }
}
