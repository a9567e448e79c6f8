//! Plain loops, compiled for each instruction set.

#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::vector;
use crate::vector::Loop;

/// Whether so many elements are for one thread: there is no other, or telling it would take longer.
pub(super) fn alone(elements: usize) -> bool {
    const FEW: usize = 1 << 14;
    elements <= FEW || rayon::current_num_threads() == 1
}

/// Calls `task` with bands of the pixels and parts of the blocks, in any order, until all blocks of all pixels have had
/// their turn.
///
/// There are `bands` at least; where threads want more, bands of `least` pixels or more.
pub(super) fn in_parts(
    work: usize,
    [pixels, blocks]: [usize; 2],
    [bands, least]: [usize; 2],
    task: impl Fn(Range<usize>, Range<usize>) + Sync,
) {
    let alone = alone(work);
    let [parts, bands] = match alone {
        true => [1, bands],
        false => {
            // Two tasks for each thread even out what the threads do besides.
            let wanted = 2 * rayon::current_num_threads();
            let parts = wanted.div_ceil(bands).min(blocks);
            [parts, wanted.div_ceil(parts).min(pixels.div_ceil(least)).max(bands)]
        }
    };
    let part = |i: usize, of: usize, n: usize| n * i / of..n * (i + 1) / of;
    let task = |i: usize| task(part(i / parts, bands, pixels), part(i % parts, parts, blocks));
    match alone {
        true => (0..parts * bands).for_each(task),
        false => (0..parts * bands).into_par_iter().for_each(task),
    }
}

/// Runs the loop, compiled for `isa`, which the CPU has.
#[inline]
pub(super) fn on<L: Loop>(isa: Isa, body: L) -> L::Output {
    match isa {
        // SAFETY: whoever chooses an instruction set has asked the CPU (`Isa::is_available`).
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::AvxVnni => unsafe { vector::avx2(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { vector::avx512(body) },
        _ => body.run(),
    }
}
