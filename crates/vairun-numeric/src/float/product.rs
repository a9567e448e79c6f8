#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::block::{Added, Columns, PANELS, TERMS, Target, block};
use super::left::Left;
use super::right::Right;
use super::tile::COLUMNS;
use super::vector::Kernels;
use crate::kernel::Isa;

/// Products that are computed by one thread: telling others would take longer.
pub(super) const FEW: usize = 1 << 18;

/// Panels of the left operand that one of several threads takes.
const PART: usize = 32;

/// A place that several tasks write to, each its own part.
#[derive(Clone, Copy)]
pub(super) struct Shared(pub(super) *mut f32);

// SAFETY: whoever shares it gives each task a part of its own.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn get(self) -> *mut f32 {
        self.0
    }
}

/// Writes `left · right`, row-major, and adds `bias`, one for each column.
///
/// # Panics
/// Where the operands have different numbers of terms, or `out` or `bias` another length than the result has.
pub fn product(left: &Left, right: &Right, bias: Option<&[f32]>, out: &mut [f32], isa: Isa) {
    let (rows, terms, columns) = (left.rows, left.terms, right.columns);
    assert_eq!(terms, right.terms, "as many terms on both sides");
    assert_eq!(out.len(), rows * columns, "the result is {rows} × {columns}");
    if out.is_empty() {
        return;
    }
    let kernels = Kernels::of(isa);
    let filled = bias.map(|bias| {
        assert_eq!(bias.len(), columns, "a bias for each column");
        let mut filled = bias.to_vec();
        filled.resize(columns.next_multiple_of(COLUMNS), 0.0);
        filled
    });
    let out = Shared(out.as_mut_ptr());
    let task = |(first, panels): (usize, Range<usize>)| {
        let panel = first / COLUMNS;
        let count = (PANELS * COLUMNS).min(columns - first);
        let added = filled.as_ref().map_or(Added::None, |bias| Added::Columns(&bias[first..]));
        let mut term = 0;
        loop {
            let end = (term + TERMS).min(terms);
            let start = right.from(panel, term).as_ptr();
            let b = Columns { start, panel: terms * COLUMNS, count };
            // SAFETY: `right` holds whole panels; each task has rows and columns of its own.
            unsafe {
                let target = Target { start: out.get().add(first), step: columns };
                block(kernels, left, panels.clone(), term..end, b, target, added);
            }
            term = end;
            if term == terms {
                return;
            }
        }
    };
    let starts = (0..columns).step_by(PANELS * COLUMNS);
    let panels = left.panels();
    if rows * terms * columns <= FEW || rayon::current_num_threads() == 1 {
        starts.for_each(|first| task((first, 0..panels)));
    } else {
        let parts = (0..panels).step_by(PART).map(|first| first..panels.min(first + PART));
        let tasks = starts.flat_map(|first| parts.clone().map(move |part| (first, part)));
        tasks.collect::<Vec<_>>().into_par_iter().for_each(task);
    }
}

/// The sizes of the matrices of [`products`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Sizes {
    pub rows: usize,
    pub terms: usize,
    pub columns: usize,
}

thread_local! {
    static OPERANDS: RefCell<(Left, Right)> = RefCell::default();
}

/// Writes one product of row-major matrices after the other; `starts` tells where the operands of each begin in `a` and
/// `b`.
///
/// # Panics
/// Where a matrix is not within its operand, or `out` does not hold all products.
pub fn products(
    a: &[f32],
    b: &[f32],
    starts: &[(usize, usize)],
    sizes: Sizes,
    out: &mut [f32],
    isa: Isa,
) {
    let Sizes { rows, terms, columns } = sizes;
    assert_eq!(out.len(), starts.len() * rows * columns, "the result holds all products");
    if out.is_empty() {
        return;
    }
    let one = |(out, &(a_start, b_start)): (&mut [f32], &(usize, usize))| {
        let (a, b) = (&a[a_start..][..rows * terms], &b[b_start..][..terms * columns]);
        // Taken out while in use: a product of several threads may run another one on this thread meanwhile.
        let (mut left, mut right) = OPERANDS.take();
        if columns == 1 {
            // A column on the right would fill a panel of its own: as a row on the left it takes whole panels of a.
            left.pack(b, 1, terms, (terms, 1));
            right.pack_transposed(a, terms, rows);
        } else {
            left.pack(a, rows, terms, (terms, 1));
            right.pack(b, terms, columns);
        }
        product(&left, &right, None, out, isa);
        OPERANDS.set((left, right));
    };
    let pairs = rows * columns;
    if starts.len() == 1 || starts.len() * pairs * terms <= FEW || rayon::current_num_threads() == 1
    {
        out.chunks_exact_mut(pairs).zip(starts).for_each(one);
    } else {
        out.par_chunks_exact_mut(pairs).zip(starts).for_each(one);
    }
}
