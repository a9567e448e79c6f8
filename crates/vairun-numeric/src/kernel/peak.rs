//! What the CPU can do at most: the measure for the kernels.

#![allow(unsafe_code)]

/// Products of one turn of [`run`] with the fastest instructions of this CPU: with AVX2 `vpmaddwd` and `vpaddd`, what
/// exact products of any bytes take.
pub const PRODUCTS: usize = 24 * 64;

/// `turns` turns of independent products; the result only keeps the compiler from leaving them out.
pub fn run(turns: usize) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if super::Isa::Avx512.is_available() {
        // SAFETY: the CPU has just been asked.
        return unsafe { avx512(turns) };
    }
    #[cfg(target_arch = "x86_64")]
    if super::Isa::AvxVnni.is_available() {
        // SAFETY: the CPU has just been asked.
        return unsafe { avxvnni(turns) };
    }
    #[cfg(target_arch = "x86_64")]
    if super::Isa::Avx2.is_available() {
        // SAFETY: the CPU has just been asked.
        return unsafe { avx2(turns) };
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn avxvnni(turns: usize) -> i32 {
    use std::arch::x86_64::*;
    let (x, w) = (_mm256_set1_epi32(turns as i32), _mm256_set1_epi32(3));
    let mut sums = [_mm256_setzero_si256(); 12];
    for _ in 0..turns * (PRODUCTS / (12 * 32)) {
        for sum in &mut sums {
            *sum = _mm256_dpbusd_avx_epi32(*sum, x, w);
        }
    }
    let all = sums.iter().fold(_mm256_setzero_si256(), |a, &b| _mm256_add_epi32(a, b));
    _mm256_extract_epi32::<0>(all)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(turns: usize) -> i32 {
    use std::arch::x86_64::*;
    let x = _mm256_set1_epi16(turns as i16);
    let mut sums = [_mm256_set1_epi32(turns as i32); 12];
    for _ in 0..turns * (PRODUCTS / (12 * 16)) {
        for sum in &mut sums {
            // The factor changes, so that the product is not taken out of the loop.
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, *sum));
        }
    }
    let all = sums.iter().fold(_mm256_setzero_si256(), |a, &b| _mm256_add_epi32(a, b));
    _mm256_extract_epi32::<0>(all)
}
