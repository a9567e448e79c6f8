//! A block of a product: every row times some panels of columns, over some of the terms.

#![allow(unsafe_code)]

use std::ops::Range;

use super::left::Left;
use super::tile::{Bias, COLUMNS, ROWS, Tile};
use super::vector::Kernels;

/// Terms that one pass sums: a panel of so many columns stays in the first cache.
pub(super) const TERMS: usize = 256;

/// Where the terms of a packed panel stand.
pub(super) static LINES: [usize; TERMS] = {
    let mut lines = [0; TERMS];
    let mut term = 0;
    while term < TERMS {
        lines[term] = term * COLUMNS;
        term += 1;
    }
    lines
};

/// Panels that a block packs and multiplies at once: they stay in the second cache.
pub(super) const PANELS: usize = 8;

/// The packed panels of columns that a block multiplies with.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) start: *const f32,
    /// Elements from one panel to the next.
    pub(super) panel: usize,
    /// The columns that are meant; the last panel may hold more.
    pub(super) count: usize,
}

/// The part of the result that a block writes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// Row 0 of the left operand in the first column.
    pub(super) start: *mut f32,
    /// Elements from one row to the next.
    pub(super) step: usize,
}

/// What is added to the finished sums of a block.
#[derive(Clone, Copy)]
pub(super) enum Added<'a> {
    None,
    /// One for each column of the block, those that fill up the last panel included.
    Columns(&'a [f32]),
}

/// Sums the terms `terms` of the panels `panels` of `left` times `columns`; sums go on where `terms` does not start at
/// 0, and are finished where it ends with the last.
///
/// # Safety
/// `columns` are readable for whole panels and the terms, at most [`TERMS`]; `target` is writable for the rows of the panels and the count
/// of columns.
pub(super) unsafe fn block(
    kernels: Kernels,
    left: &Left,
    panels: Range<usize>,
    terms: Range<usize>,
    columns: Columns,
    target: Target,
    added: Added,
) {
    let finished = terms.end == left.terms;
    for panel in panels {
        let (first, rows, a) = left.panel(panel, terms.start);
        let bias = match added {
            Added::Columns(bias) if finished => Bias::Columns(bias.as_ptr()),
            _ => Bias::None,
        };
        let tile = Tile {
            a: a.as_ptr(),
            b: columns.start,
            places: LINES.as_ptr(),
            b_panel: columns.panel,
            terms: terms.len(),
            // SAFETY: the rows are within the target.
            c: unsafe { target.start.add(first * target.step) },
            c_step: target.step,
            resumes: terms.start > 0,
            bias,
        };
        // SAFETY: as the caller promises; a holds the rows of the panel for these terms.
        unsafe { row_of_tiles(kernels, tile, rows, columns.count) };
    }
}

/// # Safety
/// The tile is readable for all its panels, and writable for `count` columns.
unsafe fn row_of_tiles(kernels: Kernels, tile: Tile, rows: usize, count: usize) {
    let (whole, rest) = (count / COLUMNS, count % COLUMNS);
    // SAFETY: whole panels, within what the caller promises.
    unsafe { tile.compute(kernels, rows, whole) };
    if rest == 0 {
        return;
    }
    // Of the last panel only some columns may be written: the rest stays here.
    let mut sums = [0f32; ROWS * COLUMNS];
    // SAFETY: a panel that is readable; `rest` columns of it are within the target.
    unsafe {
        let last = tile.panel(whole);
        let row = |row: usize| last.c.add(row * last.c_step);
        if tile.resumes {
            for (i, sums) in sums.chunks_exact_mut(COLUMNS).enumerate().take(rows) {
                row(i).copy_to_nonoverlapping(sums.as_mut_ptr(), rest);
            }
        }
        let aside = Tile { c: sums.as_mut_ptr(), c_step: COLUMNS, ..last };
        aside.compute(kernels, rows, 1);
        for (i, sums) in sums.chunks_exact(COLUMNS).enumerate().take(rows) {
            row(i).copy_from_nonoverlapping(sums.as_ptr(), rest);
        }
    }
}
