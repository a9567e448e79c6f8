//! Plain loops, compiled for each instruction set.

#![allow(unsafe_code)]

use super::isa::Isa;
use crate::vector::Loop;

/// Whether so many elements are for one thread: there is no other, or telling it would take longer.
pub(super) fn alone(elements: usize) -> bool {
    const FEW: usize = 1 << 14;
    elements <= FEW || rayon::current_num_threads() == 1
}

/// Runs the loop, compiled for `isa`, which the CPU has.
#[inline]
pub(super) fn on<L: Loop>(isa: Isa, body: L) -> L::Output {
    match isa {
        // SAFETY: whoever chooses an instruction set has asked the CPU (`Isa::is_available`).
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512(body) },
        _ => body.run(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<L: Loop>(body: L) -> L::Output {
    body.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<L: Loop>(body: L) -> L::Output {
    body.run()
}
