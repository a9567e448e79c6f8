//! What the CPU can do at most: the measure for the kernels.

#![allow(unsafe_code)]

/// Products of one turn of [`run`] with the fastest instructions of this CPU.
pub const PRODUCTS: usize = 24 * 64;

/// `turns` turns of independent products; the result only keeps the compiler from leaving them out.
pub fn run(turns: usize) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if super::Isa::Avx512.is_available() {
        // SAFETY: the CPU has just been asked.
        return unsafe { avx512(turns) };
    }
    // Four products at a time and nothing else is what is left elsewhere.
    let mut sums = [0i32; PRODUCTS];
    for turn in 0..turns {
        let x = turn as i32;
        sums.iter_mut().enumerate().for_each(|(i, sum)| *sum = sum.wrapping_add(x * i as i32));
    }
    sums.iter().fold(0, |a, &b| a.wrapping_add(b))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn avx512(turns: usize) -> i32 {
    use std::arch::x86_64::*;
    let (x, w) = (_mm512_set1_epi32(turns as i32), _mm512_set1_epi32(3));
    let mut sums = [_mm512_setzero_si512(); 24];
    for _ in 0..turns {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, x, w);
        }
    }
    sums.iter().fold(0, |a, &b| a.wrapping_add(_mm512_reduce_add_epi32(b)))
}
