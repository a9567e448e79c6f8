//! Panels of pixels: what the taps read for the pixels of an area, packed from the planes of x.

#![allow(unsafe_code)]

use super::planes::Part;
use super::tile::COLUMNS;
use crate::vector::{Loop, widest};

/// Elements that a piece copies.
const PIECE: usize = 8;

/// Neighbouring elements of a term, at most [`PIECE`]: a whole piece is copied, and the next one writes over what is too
/// much.
#[derive(Clone, Copy, Debug)]
struct Piece {
    from: usize,
    to: usize,
}

/// How each term of some panels is copied from the planes.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// The end of what they read behind the place of a term.
    reach: usize,
}

/// Elements behind the last term of a panel that whole pieces may write to.
pub(super) const SLACK: usize = PIECE;

impl Pieces {
    /// Of the pixels of the area, in panels that lie `panel` elements apart.
    pub(super) fn set(&mut self, part: &Part, panel: usize) {
        self.pieces.clear();
        let (mut at, count) = (0, part.area.counts[2]);
        for (place, _) in part.rows() {
            let mut done = 0;
            while done < count {
                let to = at / COLUMNS * panel + at % COLUMNS;
                self.pieces.push(Piece { from: place + done, to });
                let length = PIECE.min(count - done).min(COLUMNS - at % COLUMNS);
                (done, at) = (done + length, at + length);
            }
        }
        self.reach = self.pieces.iter().map(|piece| piece.from + PIECE).max().unwrap_or(0);
    }

    /// Copies the terms, which stand at `places` of the planes, one behind the other.
    ///
    /// # Panics
    /// Where a piece is not within the planes.
    ///
    /// # Safety
    /// `to` holds the panels, and [`SLACK`] elements behind each.
    pub(super) unsafe fn copy(&self, planes: &[f32], places: &[usize], to: *mut f32) {
        let reach = places.iter().max().map_or(0, |place| place + self.reach);
        assert!(reach <= planes.len(), "the pieces are within the planes");
        widest(Copying { pieces: &self.pieces, planes, places, to });
    }
}

struct Copying<'a> {
    pieces: &'a [Piece],
    planes: &'a [f32],
    places: &'a [usize],
    to: *mut f32,
}

impl Loop for Copying<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (term, place) in self.places.iter().enumerate() {
            // SAFETY: `Pieces::copy` has seen that the planes hold the pieces; the target is its caller's promise.
            unsafe {
                let (from, to) = (self.planes.as_ptr().add(*place), self.to.add(term * COLUMNS));
                for piece in self.pieces {
                    let piece8 = from.add(piece.from).cast::<[f32; PIECE]>().read_unaligned();
                    to.add(piece.to).cast::<[f32; PIECE]>().write_unaligned(piece8);
                }
            }
        }
    }
}
