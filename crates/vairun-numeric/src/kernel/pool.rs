//! The largest code of each window.

#![allow(unsafe_code)]

use rayon::prelude::*;

use super::dispatch::{alone, on};
use super::elementwise::Stored;
use super::isa::Isa;
use super::rows::Rows;
use crate::vector::Loop;

/// Pixels of one task.
const TASK: usize = 64;

struct Pixels<'a, T> {
    x: &'a [T],
    rows: &'a [u32],
    taps: usize,
    channels: usize,
    out: &'a mut [T],
}

impl<T: Stored> Loop for Pixels<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, rows, taps, channels, out } = self;
        for (out, rows) in out.chunks_exact_mut(channels).zip(rows.chunks_exact(taps)) {
            let mut inside = rows.iter().filter(|&&at| at != Rows::PADDING);
            let first = *inside.next().expect("a window that touches x") as usize;
            out.copy_from_slice(&x[first * channels..][..channels]);
            for &at in inside {
                let row = &x[at as usize * channels..][..channels];
                out.iter_mut().zip(row).for_each(|(out, &x)| *out = (*out).max(x));
            }
        }
    }
}

/// The largest codes of the windows, padding left out. Channels last; a window lies within the padding nowhere
/// (`Rows::all_touch`).
pub fn max_pool<T: Stored>(isa: Isa, rows: &Rows, x: &[T], channels: usize, out: &mut [T]) {
    let (input, output) = (rows.input * channels, rows.pixels() * channels);
    if output == 0 {
        return;
    }
    for (x, out) in x.chunks_exact(input).zip(out.chunks_exact_mut(output)) {
        let task = |out: &mut [T], rows_of: &[u32]| match isa {
            // SAFETY: whoever chooses the instruction set has asked the CPU.
            #[cfg(target_arch = "x86_64")]
            _ if isa.has_avx2() => unsafe {
                super::avx2::pool::largest(x, rows_of, rows.taps, channels, out);
            },
            _ => on(isa, Pixels { x, rows: rows_of, taps: rows.taps, channels, out }),
        };
        if alone(rows.table.len() * channels / 4) {
            task(out, &rows.table);
            continue;
        }
        let rows_of = rows.table.par_chunks(TASK * rows.taps);
        let tasks = out.par_chunks_mut(TASK * channels).zip(rows_of);
        tasks.for_each(|(out, rows_of)| task(out, rows_of));
    }
}
